//! The journal of revocations: a file beside the database to which every change is added, as JSON lines.
//! A backup that is restored would bring back to life what was revoked after it was made; the journal says
//! what that was, provided that it outlives the database.
//!
//! It is written after the commit and before the answer. A change that may take something away is on the
//! disk by then; one that only makes something new is left to the next that is not. What a crash has kept
//! out of it is added at the next start, from the change rows.
//!
//! It has to reach back as far as the oldest backup that anybody may restore, and what is older is forgotten.

mod compact;
mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};

pub(super) use self::compact::Copy;
pub(super) use self::line::Line;
use super::{Result, changes, schema};
use crate::error::StoreError;

/// What the name of the journal adds to that of the database.
const SUFFIX: &str = ".revocations.jsonl";
/// Changes added at a time after a crash.
const CATCH_UP: u32 = 1_000;
/// Bytes looked at from the end for the last line; doubled until it is found.
const TAIL_BYTES: u64 = 64 * 1024;
const CONTINUE: &str = "UPDATE change_head SET seq = ?1, oldest = ?1 + 1 WHERE one = 1 AND seq < ?1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[CONTINUE];

/// The open journal.
pub(super) struct Journal {
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// Lines that are not in the file yet.
    pending: String,
    /// Whether one of them may take something away.
    urgent: bool,
    /// Its path, while the disk may not know yet that it has this name.
    unsettled: Option<PathBuf>,
}

/// Where the journal of a database is.
pub(crate) fn path_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

impl Journal {
    /// Opens the journal of a database, or makes it, and adds what it lacks.
    pub(super) fn open(database: &Path, conn: &Connection) -> Result<Self> {
        let path = path_of(database);
        compact::clear(&path);
        let mut options = OpenOptions::new();
        let file =
            schema::private_file(&path, options.read(true).create(true)).map_err(StoreError::unavailable)?;
        let mut journal =
            Self { file, length: 0, pending: String::new(), urgent: true, unsettled: Some(path.clone()) };
        let last = journal.last().map_err(StoreError::unavailable)?;
        let head = changes::sequence(conn)?;
        match last {
            // A new database, in the place of one that is gone: its changes go on counting, so that the
            // backups of the old one can still be told apart.
            Some((sequence, _)) if head == Sequence(0) => {
                conn.prepare_cached(CONTINUE)?.execute(params![sequence.0])?;
            }
            Some((sequence, id)) if sequence > head || (sequence == head && !is_head(conn, id)?) => {
                return Err(StoreError::unavailable_because(format!(
                    "the journal {} is ahead of the database: was an older copy put in its place? Keys that were revoked since would work again. Restore the copy with `claviger restore`",
                    path.display()
                )));
            }
            last => journal.catch_up(conn, last.map(|(sequence, _)| sequence), head)?,
        }
        journal.write()?;
        Ok(journal)
    }

    /// The last whole line; a torn one behind it is dropped.
    fn last(&mut self) -> io::Result<Option<(Sequence, ChangeId)>> {
        let end = self.file.seek(SeekFrom::End(0))?;
        let mut window = TAIL_BYTES.min(end);
        loop {
            let mut tail = Vec::new();
            self.file.seek(SeekFrom::Start(end - window))?;
            Read::by_ref(&mut self.file).read_to_end(&mut tail)?;
            let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let before = tail[..whole.saturating_sub(1)].iter().rposition(|b| *b == b'\n');
            if before.is_none() && window < end {
                window = (window * 2).min(end);
                continue;
            }
            self.length = end - window + whole as u64;
            self.file.set_len(self.length)?;
            let text = &tail[before.map_or(0, |at| at + 1)..whole];
            return if text.is_empty() {
                Ok(None)
            } else {
                Line::parse(text).map(|line| Some(line.position()))
            };
        }
    }

    fn catch_up(&mut self, conn: &Connection, last: Option<Sequence>, head: Sequence) -> Result<()> {
        let Some(mut after) = last else {
            // The first line of a journal only says where it begins.
            let (sequence, id) = changes::head(conn)?;
            if sequence > Sequence(0) {
                self.add(&Line::unknown(sequence, id), true)?;
            }
            return Ok(());
        };
        while after < head {
            match changes::since(conn, after, CATCH_UP)? {
                Some(changes) if !changes.is_empty() => {
                    for change in &changes {
                        self.add(&Line::of(change), true)?;
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
    pub(super) fn add(&mut self, line: &Line, urgent: bool) -> Result<()> {
        self.pending.push_str(&line.text()?);
        self.pending.push('\n');
        self.urgent |= urgent;
        Ok(())
    }

    /// Writes what was added. What could not be written is tried again with the next.
    pub(super) fn write(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.append().map_err(StoreError::unavailable)
    }

    fn append(&mut self) -> io::Result<()> {
        // Over whatever a write that failed has left behind.
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(self.pending.as_bytes())?;
        self.file.set_len(self.length + self.pending.len() as u64)?;
        if self.urgent {
            self.file.sync_data()?;
            self.settle()?;
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        self.urgent = false;
        Ok(())
    }
}

/// Notes a change.
pub(super) fn note(
    journal: &mut Journal,
    change: &Change,
    at: Option<Timestamp>,
    made_import: bool,
    urgent: bool,
) -> Result<()> {
    // What an import made is new, and so in no backup.
    let line = if made_import { Line::empty(change) } else { Line::of(change) };
    journal.add(&line.made_at(at), urgent)
}

fn is_head(conn: &Connection, id: ChangeId) -> Result<bool> {
    Ok(changes::head(conn)?.1 == id)
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
