//! SQLite: one thread that writes, a few that read, and SQL named after what it is for.

pub(crate) mod accounts;
mod backup;
pub(crate) mod changes;
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
pub(crate) use self::offline::{backup_file, inspect, key_status};
use self::queue::Queue;
use self::reader::ReadJob;
pub(crate) use self::writer::Write;
use self::writer::{Confirmation, Mutation, Plain, Upkeep, WriteJob};
use crate::commit::{Audit, ChangeSink, Committed, Random};
use crate::error::StoreError;
use crate::health::WriterHealth;
use crate::store::SqliteOptions;

type Result<T> = std::result::Result<T, StoreError>;

/// How long closing waits for each thread: a reader may be in the middle of a long export.
const CLOSE_SECONDS_MAX: u64 = 30;

/// An open database with its threads. They end when this is dropped or closed.
pub(crate) struct Sqlite {
    path: PathBuf,
    health: WriterHealth,
    reads: Queue<ReadJob>,
    /// The latest change that the sink knows of.
    applied: watch::Receiver<Sequence>,
    writes: Queue<WriteJob>,
    /// What each reader drops at its end.
    readers: Mutex<Vec<oneshot::Receiver<()>>>,
    /// What the writer drops at its end, after the lock.
    writer: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl Sqlite {
    pub(crate) async fn open(
        options: SqliteOptions,
        random: Random,
        sink: Box<dyn ChangeSink>,
    ) -> Result<Self> {
        // The writer comes first: it makes the file, migrates it and turns on the write-ahead log.
        let (writes, jobs) = Queue::new();
        let health = WriterHealth::default();
        let (writer, applied) =
            writer::start(options.path.clone(), jobs, random, sink, health.clone()).await?;
        let (reads, jobs) = Queue::new();
        let jobs = Arc::new(std::sync::Mutex::new(jobs));
        let mut readers = Vec::new();
        for _ in 0..options.readers.max(1) {
            readers.push(reader::start(options.path.clone(), Arc::clone(&jobs)).await?);
        }
        Ok(Self {
            path: options.path,
            health,
            reads,
            applied,
            writes,
            readers: Mutex::new(readers),
            writer: Mutex::new(vec![writer]),
        })
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
        if *self.applied.borrow() < sequence {
            let known = self.applied.clone().wait_for(|applied| *applied >= sequence).await.map(|_| ());
            known.map_err(|_| stopped())?;
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
        self.writes.send(Box::new(Mutation::new(operation, audit, reply))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Runs a write that verification does not see: no change row.
    pub(crate) async fn plain<T, F>(&self, permit: WritePermit, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Box::new(Plain::new(operation, permit, reply))).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Checks a permit in the order of the writes.
    pub(crate) async fn confirm(&self, permit: WritePermit) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.writes.send(Box::new(Confirmation::new(permit, reply))).await?;
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
    pub(crate) async fn compact_journal(&self, before: Timestamp, permit: WritePermit) -> Result<u64> {
        // A task of Claviger's own needs no check; one that was decided is checked once, before it begins.
        self.confirm(permit).await?;
        let length = self.upkeep(|journal| Ok(journal.length())).await?;
        let journal = journal::path_of(&self.path);
        let copy = tokio::task::spawn_blocking(move || journal::Copy::make(&journal, length, before));
        let copied = copy.await.map_err(StoreError::unavailable)?;
        match copied.map_err(StoreError::unavailable)? {
            None => Ok(0),
            Some(copy) => self.upkeep(|journal| journal.replace(copy).map_err(StoreError::unavailable)).await,
        }
    }

    /// Ends the readers, then the writer, which checkpoints when nobody reads any more.
    pub(crate) async fn close(&self) -> Result<()> {
        // First of all: once the lock is gone, another process may change what the index is taken for.
        self.health.close();
        self.reads.close();
        wait_for(&self.readers).await?;
        self.writes.close();
        wait_for(&self.writer).await
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
