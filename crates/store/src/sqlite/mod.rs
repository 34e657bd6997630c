//! SQLite: one thread that writes, a few that read, and SQL named after what it is for.

pub(crate) mod accounts;
mod backup;
pub(crate) mod changes;
mod deleted;
mod error;
pub(crate) mod history;
pub(crate) mod imports;
pub(crate) mod journal;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod load;
mod members;
mod offline;
pub(crate) mod once;
mod pointer;
pub(crate) mod projects;
mod queue;
mod reader;
pub(crate) mod reconcile;
pub(crate) mod resources;
pub(crate) mod restore;
mod rooms;
mod row;
mod schema;
pub(crate) mod settings;
mod staleness;
pub(crate) mod teams;
#[cfg(test)]
mod tests;
mod upgrade;
pub(crate) mod usage;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use claviger_core::change::Sequence;
use claviger_core::permit::WritePermit;
use claviger_core::time::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Mutex, oneshot, watch};

pub(crate) use self::backup::backup;
use self::journal::Journal;
pub use self::offline::Inspection;
pub(crate) use self::offline::{backup_file, inspect, key_status, reset_time};
use self::queue::Queue;
use self::reader::ReadJob;
use self::schema::Lock;
pub(crate) use self::schema::{check_private, left_of};
pub(crate) use self::writer::Write;
use self::writer::{ChangeName, Confirmation, Mutation, Plain, Trial, Upkeep, WriteJob};
use crate::commit::{Audit, ChangeSink, Committed, Permit, Random};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::health::WriterHealth;
use crate::state::WriterState;
use crate::store::SqliteOptions;

/// How long a reader waits for a change to be applied before it looks whether that can still happen.
const APPLIED_WAIT: Duration = Duration::from_millis(50);

type Result<T> = std::result::Result<T, StoreError>;

/// How long closing waits for each thread: a reader may be in the middle of a long export.
const CLOSE_SECONDS_MAX: u64 = 30;

/// An open database with its threads. They end when this is dropped or closed.
pub(crate) struct Sqlite {
    path: PathBuf,
    disk: Disk,
    state: WriterState,
    health: WriterHealth,
    reads: Queue<ReadJob>,
    /// The latest change that the sink knows of.
    applied: watch::Receiver<Sequence>,
    writes: Queue<WriteJob>,
    /// What each reader drops at its end.
    readers: Mutex<Vec<oneshot::Receiver<()>>>,
    /// What the writer drops at its end.
    writer: Mutex<Vec<oneshot::Receiver<()>>>,
    /// Held until this is closed or dropped, even if the writer has died: until then, somebody may be answered from
    /// what was read here, and another process must not change it.
    lock: std::sync::Mutex<Option<Lock>>,
}

impl Sqlite {
    pub(crate) async fn open(
        options: SqliteOptions,
        random: Random,
        sink: Box<dyn ChangeSink>,
    ) -> Result<Self> {
        // The writer comes first: it makes the file, migrates it and turns on the write-ahead log.
        let (writes, jobs) = Queue::new();
        let state = WriterState::default();
        let health = WriterHealth::default();
        let reports = writer::Reports { state: state.clone(), health: health.clone() };
        let writer::Started { ended: writer, applied, lock } =
            writer::start(options.disk.clone(), options.path.clone(), jobs, random, sink, reports).await?;
        let (reads, jobs) = Queue::new();
        let jobs = Arc::new(std::sync::Mutex::new(jobs));
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            readers.push(reader::start(options.path.clone(), Arc::clone(&jobs)).await?);
        }
        Ok(Self {
            path: options.path,
            disk: options.disk,
            state,
            health,
            reads,
            applied,
            writes,
            readers: Mutex::new(readers),
            writer: Mutex::new(vec![writer]),
            lock: std::sync::Mutex::new(Some(lock)),
        })
    }

    pub(crate) fn state(&self) -> &WriterState {
        &self.state
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(crate) fn health(&self) -> &WriterHealth {
        &self.health
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs an operation on one snapshot of the database, and returns once the sink knows of every change that
    /// was in it. So what is read here is never judged by rights that are older than it.
    pub(crate) async fn read<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.reads.send(reader::job(operation, reply)).await?;
        let (value, sequence) = answer.await.map_err(|_| stopped())??;
        let mut applied = self.applied.clone();
        while *applied.borrow() < sequence {
            // A commit of which it is unknown whether it happened may be seen here, and would be waited for.
            if self.state.has_undecided() {
                return Err(StoreError::unavailable_because("it is unknown whether a change was committed"));
            }
            let known = applied.wait_for(|applied| *applied >= sequence);
            if let Ok(Err(_)) = tokio::time::timeout(APPLIED_WAIT, known).await {
                return Err(stopped());
            }
        }
        Ok(value)
    }

    /// Runs a mutation: its change row, its history rows and what the operation writes stand or fall together.
    pub(crate) async fn write<T, F>(&self, audit: Audit, operation: F) -> Result<Committed<T>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Write<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let name = ChangeName::default();
        self.writes.send(Box::new(Mutation::new(operation, audit, name.clone(), reply))).await?;
        match (answer.await, name.get()) {
            (Ok(answer), _) => answer,
            // The writer died before it came to this.
            (Err(_), None) => Err(stopped()),
            (Err(_), Some(change)) => Err(stopped().unknown(Some(*change))),
        }
    }

    /// Runs a write that verification does not see: no change row.
    pub(crate) async fn plain<T, F>(&self, permit: impl Into<Permit>, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Box::new(Plain::new(operation, permit.into(), reply))).await?;
        answer.await.map_err(|_| stopped().unknown(None))?
    }

    /// Tries whether a change could be made: writes to the database and to the journal.
    pub(crate) async fn try_writing(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Box::new(Trial::new(reply))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Checks a permit in the order of the writes; without one, waits for its turn in it.
    pub(crate) async fn confirm(&self, permit: Option<WritePermit>) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Box::new(Confirmation::new(permit.map(Permit::from), reply))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Does something to the journal, between the changes.
    async fn upkeep<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Journal) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Box::new(Upkeep::new(operation, reply))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Has the journal forget what came before an instant; see [`crate::Store::compact_journal`].
    pub(crate) async fn compact_journal(&self, before: Timestamp) -> Result<u64> {
        let extent = self.upkeep(|journal| Ok(journal.extent())).await?;
        let (disk, journal) = (self.disk.clone(), journal::path_of(&self.path));
        let copy = tokio::task::spawn_blocking(move || journal::Copy::make(&disk, &journal, extent, before));
        let copied = copy.await.map_err(StoreError::unavailable)?;
        match copied.map_err(StoreError::unavailable)? {
            None => Ok(0),
            Some(copy) => self.upkeep(|journal| journal.replace(copy)).await,
        }
    }

    /// Ends the readers, then the writer, which checkpoints when nobody reads any more.
    pub(crate) async fn close(&self) -> Result<()> {
        // First of all: once the lock is gone, another process may change what the index is taken for.
        self.health.close();
        self.reads.close();
        wait_for(&self.readers).await?;
        self.writes.close();
        wait_for(&self.writer).await?;
        self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        Ok(())
    }
}

async fn wait_for(threads: &Mutex<Vec<oneshot::Receiver<()>>>) -> Result<()> {
    let mut threads = threads.lock().await;
    while let Some(thread) = threads.last_mut() {
        // A thread never sends: it drops its end when it is done, and that is the error expected here.
        let _ended = tokio::time::timeout(Duration::from_secs(CLOSE_SECONDS_MAX), thread)
            .await
            .map_err(|_| StoreError::unavailable_because("a thread of the store is still busy"))?;
        threads.pop();
    }
    Ok(())
}

/// A thread went away with the question: it panicked, or the store was closed meanwhile.
fn stopped() -> StoreError {
    StoreError::unavailable_because("the store stopped before it answered")
}
