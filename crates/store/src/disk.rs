//! The operations on files that SQLite does not carry out itself (journal, backup, restore), in one place, so that
//! tests can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskOperation {
    /// Opening or creating a file.
    Open,
    /// Writing to a file; a write that fails leaves the first half of it behind.
    Write,
    /// Setting the length of a file.
    SetLength,
    /// Waiting until a file is on the disk.
    Sync,
    /// Waiting until the names in a folder are on the disk.
    SyncFolder,
    /// Giving a file another name, or a second one.
    Rename,
    /// Removing a file.
    Remove,
    /// SQLite's COMMIT; if it fails, nothing was committed.
    Commit,
    /// The answer to a COMMIT that took place.
    Committed,
}

/// Decides which operations fail. For tests; a program has none.
pub trait DiskFaults: Send + Sync {
    /// Called before each operation.
    ///
    /// # Errors
    /// What the operation fails with. It is not carried out then.
    fn before(&self, operation: DiskOperation, path: &Path) -> io::Result<()>;
}

/// The disk: the real one, or one whose operations may fail.
#[derive(Clone, Default)]
pub struct Disk(Option<Arc<dyn DiskFaults>>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Disk(with faults)" } else { "Disk" })
    }
}

impl Disk {
    /// A disk with faults.
    pub fn with_faults(faults: impl DiskFaults + 'static) -> Self {
        Self(Some(Arc::new(faults)))
    }

    pub(crate) fn before(&self, operation: DiskOperation, path: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |faults| faults.before(operation, path))
    }

    /// Creates a file that must not exist yet, for its owner alone. SQLite gives its -wal and -shm files the mode and
    /// the owner of the database.
    pub(crate) fn create(&self, path: &Path) -> io::Result<DiskFile> {
        self.before(DiskOperation::Open, path)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(DiskFile { file, path: path.to_owned(), disk: self.clone() })
    }

    /// Opens a file of the installation, or creates it. What root creates belongs to the owner of the folder, as
    /// the service could not open it otherwise; a file that is there already keeps its owner.
    pub(crate) fn open_ours(&self, path: &Path) -> io::Result<DiskFile> {
        match self.create(path) {
            Ok(file) => {
                file.give_to(&Owner::of_folder(path)?);
                Ok(file)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = OpenOptions::new().read(true).write(true).open(path)?;
                Ok(DiskFile { file, path: path.to_owned(), disk: self.clone() })
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(DiskOperation::Rename, to)?;
        fs::rename(from, to)
    }

    /// Gives a file a second name, which no file may have.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(DiskOperation::Rename, to)?;
        match fs::hard_link(from, to) {
            // Some file systems have no links.
            Err(error) if error.kind() == io::ErrorKind::Unsupported && !to.exists() => {
                fs::copy(from, to)?;
                File::open(to)?.sync_all()
            }
            other => other,
        }
    }

    /// Gives a file a name that no file has; nothing is overwritten.
    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.link(from, to)?;
        fs::remove_file(from)
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.before(DiskOperation::Remove, path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Waits until the disk has the names in the folder of a file.
    pub(crate) fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        let folder = folder_of(path);
        self.before(DiskOperation::SyncFolder, folder)?;
        File::open(folder)?.sync_all()
    }
}

/// Whom a file belongs to, and who may open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
    mode: u32,
}

impl Owner {
    /// That of a file.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { user: found.uid(), group: found.gid(), mode: found.mode() & 0o777 })
    }

    /// That of a file that the owner of its folder creates.
    pub(crate) fn of_folder(path: &Path) -> io::Result<Self> {
        Ok(Self { mode: 0o600, ..Self::of(folder_of(path))? })
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that is written to.
pub(crate) struct DiskFile {
    file: File,
    path: PathBuf,
    disk: Disk,
}

impl DiskFile {
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.before(DiskOperation::Write, &self.path) {
            let _half = self.file.write_all(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
        self.file.write_all(bytes)
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.before(DiskOperation::SetLength, &self.path)?;
        self.file.set_len(length)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.before(DiskOperation::Sync, &self.path)?;
        self.file.sync_data()
    }

    pub(crate) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }

    /// Copies the bytes of another file from one offset to another.
    pub(crate) fn copy_from(&mut self, source: &File, from: u64, to: u64) -> io::Result<()> {
        let mut source = source;
        source.seek(SeekFrom::Start(from))?;
        self.disk.before(DiskOperation::Write, &self.path)?;
        let copied = io::copy(&mut source.take(to - from), &mut self.file)?;
        if copied == to - from { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Gives a file that this process has just created to another user; nothing happens unless it may.
    pub(crate) fn give_to(&self, owner: &Owner) {
        let differs = |found: fs::Metadata| (found.uid(), found.gid()) != (owner.user, owner.group);
        if self.file.metadata().is_ok_and(differs) {
            let _refused = fchown(&self.file, Some(owner.user), Some(owner.group));
        }
        let _refused = self.file.set_permissions(fs::Permissions::from_mode(owner.mode));
    }

    pub(crate) fn into_inner(self) -> File {
        self.file
    }

    /// For reading.
    pub(crate) fn inner(&self) -> &File {
        &self.file
    }

    /// Fails unless the file still has its name: what is written to a file that was removed or replaced is lost.
    pub(crate) fn check_in_place(&self) -> io::Result<()> {
        InPlace::of(&self.file, &self.path)?.check()
    }

    /// Another name for it, which it was given by renaming.
    pub(crate) fn renamed(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }
}

/// A file that has to stay where it is.
pub(crate) struct InPlace {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl InPlace {
    pub(crate) fn of(file: &File, path: &Path) -> io::Result<Self> {
        Ok(Self::with(&file.metadata()?, path))
    }

    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::with(&fs::metadata(path)?, path))
    }

    fn with(metadata: &fs::Metadata, path: &Path) -> Self {
        Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() }
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        let found = fs::metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode)) {
            return Ok(());
        }
        let name = self.path.file_name().unwrap_or_default().display();
        Err(io::Error::other(format!("`{name}` was removed or replaced while it was open")))
    }
}
