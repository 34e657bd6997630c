//! The door to the store. Each method is one whole transaction; what it does on a backend stands there.
//!
//! A mutation that was handed to the store completes even if its future is dropped. It needs a permit
//! ([`WritePermit`]), by itself or in its [`Audit`], or that of a task ([`TaskPermit`]); one that is stale by the time of the write is refused with
//! [`StoreError::PermitStale`], and nothing is written. What a read returns, and that something is absent, the
//! sink knows by then. Errors are those of [`StoreError`]; every method may also return
//! [`StoreError::Unavailable`] and [`StoreError::Inconsistent`].

mod history;
mod imports;
mod keys;
mod resources;
mod subjects;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;

use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::permit::{PolicyVersion, TaskPermit, WritePermit};
use claviger_core::time::Timestamp;

use crate::commit::{Audit, ChangeSink, LoadVisitor, Random};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::health::WriterHealth;
use crate::sqlite::{self, Sqlite, changes, load};
use crate::state::Obstacle;

type Result<T> = std::result::Result<T, StoreError>;

/// Threads that read, by default: listings must not wait for one long export.
const READERS: usize = 3;

/// Where an SQLite store is, and how it is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The database file. Its folder has to exist.
    pub path: PathBuf,
    /// Threads that read, at least 1.
    pub readers: usize,
    /// The disk; tests have some of its operations fail.
    pub disk: Disk,
}

impl SqliteOptions {
    /// A store at this path, opened as is usual.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: READERS, disk: Disk::default() }
    }
}

/// What a restoration came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Changes of the journal that were applied to the backup.
    pub applied: u64,
    /// Whether the journal knows everything that happened since the backup was made.
    pub vouched: bool,
    /// Keys that were disabled, since nobody knows whether they were revoked.
    pub disabled: Vec<claviger_core::KeyId>,
}

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    backend: Arc<Sqlite>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the database, making and migrating it as needed, and locks it against other processes.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Newer`], [`StoreError::ForeignFile`].
    pub async fn open(options: SqliteOptions, random: Random, sink: Box<dyn ChangeSink>) -> Result<Self> {
        Ok(Self { backend: Arc::new(Sqlite::open(options, random, sink).await?) })
    }

    /// Whether everything that was committed has reached the sink.
    #[must_use]
    pub fn health(&self) -> &WriterHealth {
        self.backend.health()
    }

    /// Shows the visitor everything that verification reads, and returns it with the sequence of the latest
    /// change it has seen. All of it is of one instant.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn load<V: LoadVisitor + Send + 'static>(&self, visitor: V) -> Result<(V, Sequence)> {
        let path = self.backend.path().to_owned();
        self.backend.read(move |conn| load::everything(conn, &path, visitor)).await
    }

    /// The latest change.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn sequence(&self) -> Result<Sequence> {
        self.backend.read(changes::sequence).await
    }

    /// Confirms a permit for a use case that finds nothing to change. Returns in the order of the writes, once the
    /// sink knows of every change before it: so the change that left nothing to do is in force.
    ///
    /// # Errors
    /// [`StoreError::PermitStale`].
    pub async fn confirm(&self, permit: WritePermit) -> Result<()> {
        self.backend.confirm(Some(permit)).await
    }

    /// Refuses every permit that was decided under an earlier policy, at once. Returns when the writes before are
    /// done, so that nothing of such a decision is written any more.
    ///
    /// # Errors
    /// Only those that every method has. The permits are refused all the same.
    pub async fn require_policy(&self, policy: PolicyVersion) -> Result<()> {
        self.backend.state().require_policy(policy);
        self.backend.confirm(None).await
    }

    /// The place of a change in the order, if it was committed and its row is still kept.
    ///
    /// # Errors
    /// [`StoreError::OutcomeUnknown`] as long as nobody knows whether it was committed.
    pub async fn change(&self, id: ChangeId) -> Result<Option<Sequence>> {
        if self.backend.state().is_undecided(id) {
            let error = StoreError::unavailable_because("the disk fails");
            return Err(error.unknown(Some(id)));
        }
        self.backend.read(move |conn| changes::find(conn, id)).await
    }

    /// What keeps changes from being made, as far as the last attempt showed it.
    #[must_use]
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.backend.state().obstacle()
    }

    /// Tries whether a change could be made: commits a transaction that says nothing and writes to the journal.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn try_writing(&self) -> Result<()> {
        self.backend.try_writing().await
    }

    /// The latest time that was acted on, if there was any. Now is never earlier than this.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn latest_time(&self) -> Result<Option<Timestamp>> {
        self.backend.read(|conn| Ok(changes::read_head(conn)?.at)).await
    }

    /// Remembers that time has come this far, however far that is ahead of the latest change.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn note_time(&self, at: Timestamp, permit: TaskPermit) -> Result<()> {
        self.backend.plain(permit, move |conn| changes::note_time(conn, at)).await
    }

    /// Takes this for the latest time in a database that nobody has open, even if it is earlier: keys that expired
    /// only by a clock that was wrong are valid again. Returns what the latest time was.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; [`StoreError::ForeignFile`] if there is no database of ours.
    pub async fn reset_time(
        database: impl Into<PathBuf>,
        at: Timestamp,
        audit: Audit,
    ) -> Result<Option<Timestamp>> {
        let database = database.into();
        let work = move || sqlite::reset_time(&database, at, &audit);
        tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)?
    }

    /// Up to `limit` changes after this one, each record as it is now (so applying an early one may show the
    /// effect of a later one, never the reverse). `None` if some of them are no longer kept or if this
    /// change is not in the store's past: load everything then.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn changes_since(&self, after: Sequence, limit: u32) -> Result<Option<Vec<Change>>> {
        self.backend.read(move |conn| changes::since(conn, after, limit)).await
    }

    /// Forgets all but the latest `keep` change rows (at least one stays) and returns how many went.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn prune_changes(&self, keep: u64, permit: TaskPermit) -> Result<u64> {
        self.backend.plain(permit, move |conn| changes::prune(conn, keep)).await
    }

    /// Has the journal of revocations forget what came before an instant, and returns how many changes that
    /// were. A backup that is older is not vouched for any more: restoring it disables every key. What is kept
    /// is copied while changes go on; they wait only while the copy is put in its place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be written; then nothing is forgotten.
    pub async fn compact_journal(&self, before: Timestamp, _permit: TaskPermit) -> Result<u64> {
        self.backend.compact_journal(before).await
    }

    /// Copies the store, while it serves, to a file that must not exist yet; the copy has mode 0600 and is
    /// on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file exists or cannot be written.
    pub async fn backup_to(&self, path: impl Into<PathBuf>) -> Result<()> {
        sqlite::backup(self.backend.disk().clone(), self.backend.path().to_owned(), path.into()).await
    }

    /// Puts a backup in the place of a database that nobody has open; what was there is kept beside it, as
    /// `….before-restore`, or `….before-restore-2` and so on. The new files belong to whom the old ones did.
    /// Everything that the journal beside the database knows to have happened since the backup was made is
    /// applied to what is in the backup: keys revoked or narrowed, members removed, resources made private.
    /// Changes go on counting after the last one known, under a new epoch. If the journal is absent, or has a
    /// gap, every active key is disabled, unless `trust` says otherwise.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Newer`], [`StoreError::ForeignFile`];
    /// [`StoreError::Unavailable`] if a file cannot be read or written.
    pub async fn restore(
        backup: impl Into<PathBuf>,
        database: impl Into<PathBuf>,
        trust: bool,
        random: Random,
        audit: Audit,
    ) -> Result<Restored> {
        let disk = Disk::default();
        Self::restore_on(disk, backup, database, trust, random, audit).await
    }

    /// The same, on a disk some of whose operations may fail.
    ///
    /// # Errors
    /// As [`Store::restore`].
    pub async fn restore_on(
        disk: Disk,
        backup: impl Into<PathBuf>,
        database: impl Into<PathBuf>,
        trust: bool,
        random: Random,
        audit: Audit,
    ) -> Result<Restored> {
        let (backup, database) = (backup.into(), database.into());
        let work = move || sqlite::restore::restore(&disk, &backup, &database, trust, random, &audit);
        tokio::task::spawn_blocking(work).await.map_err(StoreError::unavailable)?
    }

    /// The name of the history that this database belongs to; none before the first restoration.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn epoch(&self) -> Result<Option<String>> {
        self.backend.read(sqlite::restore::epoch).await
    }

    /// Completes what was handed in, moves the write-ahead log into the database and lets go of the lock.
    /// Later calls are refused, on clones, too. Closing twice is fine.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if that takes unreasonably long.
    pub async fn close(&self) -> Result<()> {
        self.backend.close().await
    }
}
