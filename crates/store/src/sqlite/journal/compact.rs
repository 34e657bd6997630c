//! Forgetting the oldest lines. What is kept is copied to a file beside the journal while changes go on; then the
//! writer adds what came meanwhile and puts the copy in the journal's place. Until that one step the journal is
//! as it was, and after it, it is whole: a process that dies at any point leaves one or the other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use claviger_core::time::Timestamp;

use super::{Journal, Line};
use crate::sqlite::schema;

/// What the name of the copy adds to that of the journal.
const SUFFIX: &str = ".compacting";

/// The copy of what is kept. It is removed unless it is put in the journal's place.
pub(in crate::sqlite) struct Copy {
    file: File,
    path: PathBuf,
    journal: PathBuf,
    /// Bytes of the journal that were looked at.
    seen: u64,
    /// Lines that are left out.
    dropped: u64,
}

impl Copy {
    /// Copies the first `length` bytes of a journal but for what came before an instant; nothing if everything
    /// is kept.
    pub(in crate::sqlite) fn make(
        journal: &Path,
        length: u64,
        before: Timestamp,
    ) -> io::Result<Option<Self>> {
        let mut source = File::open(journal)?;
        let (start, dropped) = first_kept(BufReader::new((&mut source).take(length)), before)?;
        if dropped == 0 {
            return Ok(None);
        }
        let path = path_of(journal);
        let file = schema::private_file(&path, OpenOptions::new().create_new(true))?;
        // From here on it is removed whatever happens.
        let mut copy = Self { file, path, journal: journal.to_owned(), seen: length, dropped };
        copy.add(&mut source, start, length)?;
        copy.file.sync_all()?;
        Ok(Some(copy))
    }

    fn add(&mut self, source: &mut File, from: u64, to: u64) -> io::Result<()> {
        source.seek(SeekFrom::Start(from))?;
        let copied = io::copy(&mut source.take(to - from), &mut self.file)?;
        if copied == to - from { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Once it is the journal, there is none of this name.
        let _gone = fs::remove_file(&self.path);
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
    let mut name = journal.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// Removes what a process has left behind that died meanwhile.
pub(super) fn clear(journal: &Path) {
    let _absent = fs::remove_file(path_of(journal));
}

/// Has the disk keep the names in the folder of a file.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

impl Journal {
    /// Bytes of whole lines.
    pub(in crate::sqlite) fn length(&self) -> u64 {
        self.length
    }

    /// Puts a copy in the place of this journal, with what was written meanwhile. Returns how many lines are
    /// gone. If it fails, the journal goes on as it was.
    pub(in crate::sqlite) fn replace(&mut self, mut copy: Copy) -> io::Result<u64> {
        copy.add(&mut self.file, copy.seen, self.length)?;
        copy.file.sync_all()?;
        let length = copy.file.stream_position()?;
        let file = copy.file.try_clone()?;
        fs::rename(&copy.path, &copy.journal)?;
        (self.file, self.length) = (file, length);
        // Before the next answer at the latest: the old journal, should it come back, lacks what follows.
        self.unsettled = Some(copy.journal.clone());
        self.settle()?;
        Ok(copy.dropped)
    }

    /// Waits until the disk knows the journal by its name.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if let Some(path) = &self.unsettled {
            sync_folder(path)?;
            self.unsettled = None;
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
