//! The journal of revocations: a file beside the database to which every change is added, as JSON lines.
//! A backup that is restored would bring back to life what was revoked after it was made; the journal says
//! what that was, provided that it outlives the database.
//!
//! It is written after the commit and before the answer. A change that may take something away is on the
//! disk by then; one that only makes something new is left to the next that is not. What a crash has kept
//! out of it is added at the next start, from the change rows.
//!
//! A line that cannot be written undoes nothing: the change is in force and is answered so. But until the journal
//! has caught up, from the change rows again, no further change is begun.
//!
//! It has to reach back as far as the oldest backup that anybody may restore, and what is older is forgotten.

mod compact;
mod line;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::time::Timestamp;
use rusqlite::Connection;

pub(super) use self::compact::Copy;
pub(super) use self::line::Line;
use super::{Result, changes, schema};
use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;

/// What the name of the journal adds to that of the database.
const SUFFIX: &str = ".revocations.jsonl";
/// Changes added at a time after a crash or a failure.
const CATCH_UP: u32 = 1_000;
/// Bytes looked at from the end for the last line; doubled until it is found.
const TAIL_BYTES: u64 = 64 * 1024;
/// What a trial writes and takes back: as much as the lines of a few changes.
const TRIAL: [u8; 4_096] = [b' '; 4_096];

/// The open journal.
pub(super) struct Journal {
    disk: Disk,
    path: PathBuf,
    file: DiskFile,
    written: Mark,
    /// As much of it as is on the disk for certain.
    synced: Mark,
    /// Lines that are not in the file yet, and the last change that they tell of.
    pending: String,
    pending_to: Option<Sequence>,
    /// Whether one of them may take something away.
    urgent: bool,
    /// Whether the disk may not know yet that the file has its name.
    unsettled: bool,
    /// Why changes are missing in it.
    failure: Option<StoreError>,
    /// How often it went back to what is on the disk: what was copied before may differ.
    setbacks: u64,
}

/// How far the journal goes.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// Bytes of whole lines.
    length: u64,
    /// The change that the last of them tells of.
    last: Option<Sequence>,
}

/// Where the journal of a database is.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    schema::with_suffix(database, SUFFIX)
}

impl Journal {
    /// Opens the journal of a database, or creates it, and adds what it lacks.
    pub(super) fn open(disk: &Disk, database: &Path, conn: &Connection) -> Result<Self> {
        let (mut journal, last) = Self::start(disk, database)?;
        let head = changes::sequence(conn)?;
        match last {
            Some(_) if head == Sequence(0) => return Err(schema::lost(database, &journal.path)),
            Some(last) if !is_past(conn, last, head)? => {
                return Err(StoreError::unavailable_because(format!(
                    "the journal {} is ahead of the database: was an older copy put in its place? Keys that were revoked since would work again. Restore the copy with `claviger restore`",
                    journal.path.display()
                )));
            }
            _ => {}
        }
        journal.catch_up(conn, head)?;
        journal.append().map_err(StoreError::unavailable)?;
        Ok(journal)
    }

    /// Adds what the journal of a database lacks that is about to be replaced, as far as that can be read.
    pub(super) fn complete(disk: &Disk, database: &Path, conn: &Connection) -> Result<()> {
        let Ok(head) = changes::sequence(conn) else { return Ok(()) };
        let (mut journal, last) = Self::start(disk, database)?;
        let continues = last.is_some_and(|last| is_past(conn, last, head).unwrap_or(false));
        if !continues || journal.catch_up(conn, head).is_err() {
            return Ok(());
        }
        journal.append().map_err(StoreError::unavailable)
    }

    /// Opens the file and finds the last change that it tells of.
    fn start(disk: &Disk, database: &Path) -> Result<(Self, Option<(Sequence, ChangeId)>)> {
        let path = path_of(database);
        compact::clear(disk, &path).map_err(StoreError::unavailable)?;
        let file = disk.open_ours(&path).map_err(StoreError::unavailable)?;
        let mut journal = Self {
            disk: disk.clone(),
            path,
            file,
            written: Mark::default(),
            synced: Mark::default(),
            pending: String::new(),
            pending_to: None,
            urgent: true,
            unsettled: true,
            failure: None,
            setbacks: 0,
        };
        let last = journal.last().map_err(StoreError::unavailable)?;
        journal.written.last = last.map(|(sequence, _)| sequence);
        Ok((journal, last))
    }

    /// The last whole line; a torn one behind it is dropped.
    fn last(&mut self) -> io::Result<Option<(Sequence, ChangeId)>> {
        let mut file = self.file.inner();
        let end = file.seek(SeekFrom::End(0))?;
        let mut window = TAIL_BYTES.min(end);
        loop {
            let mut tail = Vec::new();
            file.seek(SeekFrom::Start(end - window))?;
            file.read_to_end(&mut tail)?;
            let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let before = tail[..whole.saturating_sub(1)].iter().rposition(|b| *b == b'\n');
            if before.is_none() && window < end {
                window = (window * 2).min(end);
                continue;
            }
            self.written.length = end - window + whole as u64;
            if self.written.length < end {
                self.file.set_len(self.written.length)?;
            }
            let text = &tail[before.map_or(0, |at| at + 1)..whole];
            return if text.is_empty() {
                Ok(None)
            } else {
                Line::parse(text).map(|line| Some(line.position()))
            };
        }
    }

    /// Adds the changes that are not in it yet.
    fn catch_up(&mut self, conn: &Connection, head: Sequence) -> Result<()> {
        let mut after = self.written.last.unwrap_or_default();
        while after < head {
            match changes::dated_since(conn, after, CATCH_UP)? {
                Some(changes) if !changes.is_empty() => {
                    for (change, at) in &changes {
                        self.add(&Line::of(change).made_at(*at), true)?;
                        after = change.sequence;
                    }
                }
                // Their rows were forgotten: what they did is not known any more.
                _ => {
                    let (sequence, id) = changes::head(conn)?;
                    self.add(&Line::unknown(sequence, id), true)?;
                    after = head;
                }
            }
        }
        Ok(())
    }

    /// Adds a change, which [`Journal::write`] writes.
    fn add(&mut self, line: &Line, urgent: bool) -> Result<()> {
        self.pending.push_str(&line.text()?);
        self.pending.push('\n');
        self.pending_to = Some(line.position().0);
        self.urgent |= urgent;
        Ok(())
    }

    /// Adds a change that was committed.
    pub(super) fn note(
        &mut self,
        change: &Change,
        at: Option<Timestamp>,
        made_import: bool,
        urgent: bool,
    ) -> Result<()> {
        if self.failure.is_some() {
            // It is among what has to be caught up with.
            return Ok(());
        }
        // What an import made is new, and so in no backup.
        let line = if made_import { Line::empty(change) } else { Line::of(change) };
        self.add(&line.made_at(at), urgent)
    }

    /// Writes what was added. If that fails, the journal stays behind until [`Journal::recover`] succeeds.
    pub(super) fn write(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let appended = self.append().map_err(StoreError::unavailable);
        appended.inspect_err(|error| self.set_back(error.clone()))
    }

    /// Goes back to what is on the disk for certain: after a failed sync, nobody knows what became of the rest, and
    /// a second sync would not tell.
    fn set_back(&mut self, failure: StoreError) {
        self.written = self.synced;
        self.pending.clear();
        self.pending_to = None;
        self.failure = Some(failure);
        self.setbacks += 1;
    }

    /// Makes good what failed, if anything did.
    pub(super) fn recover(&mut self, conn: &Connection) -> Result<()> {
        if self.failure.is_none() {
            return Ok(());
        }
        self.pending.clear();
        self.urgent = true;
        let head = changes::sequence(conn)?;
        self.catch_up(conn, head)?;
        if let Err(error) = self.append().map_err(StoreError::unavailable) {
            self.set_back(error.clone());
            return Err(error);
        }
        self.failure = None;
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        self.file.check_in_place()?;
        // Over whatever a write that failed has left behind.
        self.file.seek(SeekFrom::Start(self.written.length))?;
        self.file.write_all(self.pending.as_bytes())?;
        let length = self.written.length + self.pending.len() as u64;
        self.file.set_len(length)?;
        let written = Mark { length, last: self.pending_to.or(self.written.last) };
        if self.urgent {
            self.file.sync()?;
            self.settle()?;
            self.synced = written;
        }
        self.written = written;
        self.pending.clear();
        self.pending_to = None;
        self.urgent = false;
        Ok(())
    }

    /// Tries whether it can be written: writes blanks at its end, waits for the disk, and takes them back. A torn line
    /// of blanks is dropped at the next start.
    pub(super) fn try_writing(&mut self) -> Result<()> {
        let tried = self.write_trial().map_err(StoreError::unavailable);
        tried.inspect_err(|error| self.set_back(error.clone()))
    }

    fn write_trial(&mut self) -> io::Result<()> {
        self.file.check_in_place()?;
        self.file.seek(SeekFrom::Start(self.written.length))?;
        let tried = self.file.write_all(&TRIAL).and_then(|()| self.file.sync());
        self.file.set_len(self.written.length)?;
        tried?;
        self.synced = self.written;
        Ok(())
    }
}

/// Whether a change is in the past of the database that ends with this one; rows that were forgotten are believed to
/// have been.
fn is_past(conn: &Connection, (sequence, id): (Sequence, ChangeId), head: Sequence) -> Result<bool> {
    Ok(sequence <= head && changes::id_at(conn, sequence)?.is_none_or(|found| found == id))
}

/// What a journal says of the time after a backup.
pub(super) struct Since {
    /// Every line, in order.
    pub(super) lines: Vec<Line>,
    /// Whether they are all that happened, from the backup on.
    pub(super) complete: bool,
    /// The last change that it knows of.
    pub(super) last: Sequence,
}

/// Reads what came after a backup that ends with this change.
pub(super) fn since(journal: &Path, (sequence, id): (Sequence, ChangeId)) -> Result<Since> {
    let mut since = Since { lines: Vec::new(), complete: false, last: sequence };
    let file = match File::open(journal) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(since),
        Err(error) => return Err(StoreError::unavailable(error)),
    };
    // An empty backup precedes everything.
    let mut known = sequence == Sequence(0);
    let mut broken = false;
    let mut next = sequence.0 + 1;
    for text in BufReader::new(file).split(b'\n') {
        let text = text.map_err(StoreError::unavailable)?;
        // What a trial has left behind that was cut short.
        if text.iter().all(|byte| *byte == b' ') {
            continue;
        }
        // A line that cannot be read is one that is missing.
        let Ok(line) = Line::parse(&text) else {
            broken = true;
            continue;
        };
        let (at, name) = line.position();
        known |= at == sequence && name == id;
        if at <= sequence {
            continue;
        }
        broken |= at.0 != next || line.is_unknown();
        next = at.0 + 1;
        since.last = since.last.max(at);
        since.lines.push(line);
    }
    since.complete = known && !broken;
    Ok(since)
}
