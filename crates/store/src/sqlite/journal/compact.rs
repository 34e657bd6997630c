//! Forgetting the oldest lines. What is kept is copied to a file beside the journal while changes go on; then the
//! writer adds what came meanwhile and puts the copy in the journal's place. Until that one step the journal is
//! as it was, and after it, it is whole: a process that dies at any point leaves one or the other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, SeekFrom};
use std::path::{Path, PathBuf};

use claviger_core::time::Timestamp;

use super::{Journal, Line, Mark};
use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;
use crate::sqlite::{Result, schema};

/// What the name of the copy adds to that of the journal.
const SUFFIX: &str = ".compacting";

/// How much of the journal there is to copy.
#[derive(Clone, Copy)]
pub(in crate::sqlite) struct Extent {
    length: u64,
    setbacks: u64,
}

/// The copy of what is kept. It is removed unless it is put in the journal's place.
pub(in crate::sqlite) struct Copy {
    disk: Disk,
    /// Absent once it is the journal.
    file: Option<DiskFile>,
    path: PathBuf,
    journal: PathBuf,
    /// What was looked at.
    seen: Extent,
    /// Lines that are left out.
    dropped: u64,
}

impl Copy {
    /// Copies a journal but for what came before an instant; nothing if everything is kept.
    pub(in crate::sqlite) fn make(
        disk: &Disk,
        journal: &Path,
        seen: Extent,
        before: Timestamp,
    ) -> io::Result<Option<Self>> {
        let mut source = File::open(journal)?;
        let (start, dropped) = first_kept(BufReader::new((&mut source).take(seen.length)), before)?;
        if dropped == 0 {
            return Ok(None);
        }
        let path = path_of(journal);
        disk.remove(&path)?;
        let file = disk.open_ours(&path)?;
        // From here on it is removed whatever happens.
        let mut copy =
            Self { disk: disk.clone(), file: Some(file), path, journal: journal.to_owned(), seen, dropped };
        let file = copy.file.as_mut().ok_or_else(taken)?;
        file.copy_from(&source, start, seen.length)?;
        file.sync()?;
        Ok(Some(copy))
    }
}

fn taken() -> io::Error {
    io::Error::other("the copy was put in place already")
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _gone = self.disk.remove(&self.path);
        }
    }
}

/// Where the last line begins that is older, and how many come before it. That one is kept: a backup that was made
/// since begins with it, or with a later one. A line without an instant is as old as the next one that has one.
fn first_kept(mut lines: impl BufRead, before: Timestamp) -> io::Result<(u64, u64)> {
    let (mut at, mut count) = (0, 0);
    let mut kept = (0, 0);
    let mut text = Vec::new();
    while lines.read_until(b'\n', &mut text)? > 0 {
        // One that cannot be read is kept or dropped with those around it.
        match Line::parse(&text).ok().and_then(|line| line.at()) {
            Some(instant) if instant >= before => break,
            Some(_) => kept = (at, count),
            None => {}
        }
        at += text.len() as u64;
        count += 1;
        text.clear();
    }
    Ok(kept)
}

/// Where the copy of a journal is.
fn path_of(journal: &Path) -> PathBuf {
    schema::with_suffix(journal, SUFFIX)
}

/// Removes what a process has left behind that died meanwhile.
pub(super) fn clear(disk: &Disk, journal: &Path) -> io::Result<()> {
    disk.remove(&path_of(journal))
}

impl Journal {
    /// How much of it there is.
    pub(in crate::sqlite) fn extent(&self) -> Extent {
        Extent { length: self.written.length, setbacks: self.setbacks }
    }

    /// Puts a copy in the place of this journal, with what was written meanwhile. Returns how many lines are
    /// gone. If it fails, the journal goes on as it was.
    pub(in crate::sqlite) fn replace(&mut self, copy: Copy) -> Result<u64> {
        // Then what was copied may not be what is there now.
        if self.failure.is_some() || copy.seen.setbacks != self.setbacks {
            return Err(StoreError::unavailable_because("the journal could not be written meanwhile"));
        }
        self.put_in_place(copy).map_err(StoreError::unavailable)
    }

    fn put_in_place(&mut self, mut copy: Copy) -> io::Result<u64> {
        self.file.check_in_place()?;
        let file = copy.file.as_mut().ok_or_else(taken)?;
        file.copy_from(self.file.inner(), copy.seen.length, self.written.length)?;
        file.sync()?;
        let length = file.seek(SeekFrom::End(0))?;
        self.disk.rename(&copy.path, &copy.journal)?;
        let file = copy.file.take().ok_or_else(taken)?;
        self.file = file.renamed(copy.journal.clone());
        self.written.length = length;
        self.synced = Mark { length, last: self.written.last };
        // Before the next answer at the latest: the old journal, should it come back, lacks what follows.
        self.unsettled = true;
        self.settle()?;
        Ok(copy.dropped)
    }

    /// Waits until the disk knows the journal by its name.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.unsettled {
            self.disk.sync_folder_of(&self.path)?;
            self.unsettled = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[Option<i64>], before: i64) -> (usize, u64) {
        let text = lines
            .iter()
            .map(|at| match at {
                Some(at) => format!("{{\"seq\":1,\"id\":\"ab\",\"at\":{at}}}\n"),
                None => "{\"seq\":1,\"id\":\"ab\"}\n".to_owned(),
            })
            .collect::<String>();
        let (start, dropped) = first_kept(text.as_bytes(), Timestamp::from_millis(before)).unwrap();
        (text[start as usize..].lines().count(), dropped)
    }

    #[test]
    fn what_is_old_goes_but_for_the_latest_of_it() {
        assert_eq!(kept(&[], 9), (0, 0));
        assert_eq!(kept(&[Some(1)], 9), (1, 0));
        assert_eq!(kept(&[Some(1), Some(2), Some(3)], 1), (3, 0));
        assert_eq!(kept(&[Some(1), Some(2), Some(3)], 2), (3, 0));
        assert_eq!(kept(&[Some(1), Some(2), Some(3)], 3), (2, 1));
        assert_eq!(kept(&[Some(1), Some(2), Some(3)], 9), (1, 2));
        // As old as the next that tells.
        assert_eq!(kept(&[None, None, Some(2), None, Some(4)], 3), (3, 2));
        assert_eq!(kept(&[None, None, Some(4)], 3), (3, 0));
        assert_eq!(kept(&[None, Some(1), None], 9), (2, 1));
        assert_eq!(kept(&[None, None], 9), (2, 0), "nobody knows how old they are");
    }
}
