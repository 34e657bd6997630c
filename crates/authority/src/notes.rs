//! Rows for the history that nobody waits for: what passed through the gateway. They wait in a bounded queue
//! and are written in batches; where it is full they are dropped and counted, since traffic must never wait
//! for its own record.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use claviger_core::history::HistoryEntry;
use claviger_core::permit::{Task, TaskPermit};
use claviger_store::StoreError;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::authority::Authority;

/// Rows that wait at most: a second of traffic that writes as many, a few megabytes.
const QUEUE_ROWS_MAX: usize = 32_768;
/// Groups of callers among which that room is shared, and how much of it one group may take.
const SHARES: usize = 1_024;
const SHARE_ROWS_MAX: u32 = QUEUE_ROWS_MAX as u32 / 8;
/// Rows of one transaction, so that whoever creates a key meanwhile waits for a few milliseconds only.
const BATCH_ROWS_MAX: usize = 500;

/// The queue.
pub(crate) struct Notes {
    sender: mpsc::Sender<HistoryEntry>,
    receiver: Mutex<mpsc::Receiver<HistoryEntry>>,
    dropped: AtomicU64,
    /// How many rows of each group of callers wait. A caller belongs to one by chance, so that no lock is needed
    /// and nobody fills the queue alone.
    waiting: Box<[AtomicU32]>,
    hasher: RandomState,
    /// Told when the queue is half full.
    pub(crate) filling: Notify,
}

impl Default for Notes {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_ROWS_MAX);
        Self {
            sender,
            receiver: Mutex::new(receiver),
            dropped: AtomicU64::new(0),
            waiting: (0..SHARES).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            filling: Notify::new(),
        }
    }
}

impl Notes {
    /// How many rows of the same caller wait.
    fn share(&self, entry: &HistoryEntry) -> &AtomicU32 {
        let caller =
            self.hasher.hash_one((entry.actor, entry.key, entry.key.is_none().then_some(entry.address)));
        &self.waiting[caller as usize % SHARES]
    }

    /// Hands a row in, if there is room for it.
    fn push(&self, entry: HistoryEntry) -> bool {
        let share = self.share(&entry);
        if share.fetch_add(1, Ordering::Relaxed) < SHARE_ROWS_MAX && self.sender.try_send(entry).is_ok() {
            return true;
        }
        share.fetch_sub(1, Ordering::Relaxed);
        false
    }
}

impl Authority {
    /// Hands in a row of the history without waiting; it is written within a second or so, and at the
    /// latest when the authority is closed. Returns whether there was room for it: one caller gets at most an
    /// eighth of it.
    pub fn note(&self, entry: HistoryEntry) -> bool {
        let notes = &self.shared.notes;
        let taken = notes.push(entry);
        if !taken {
            notes.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if notes.sender.capacity() == QUEUE_ROWS_MAX / 2 || !taken {
            notes.filling.notify_one();
        }
        taken
    }

    /// Rows that found no room, or that the store did not take, since the start.
    #[must_use]
    pub fn notes_dropped(&self) -> u64 {
        self.shared.notes.dropped.load(Ordering::Relaxed)
    }

    /// Writes the rows that wait now, and returns how many.
    ///
    /// # Errors
    /// What the store says; the batch that it did not take counts as dropped.
    pub async fn flush_notes(&self) -> Result<u64, StoreError> {
        let mut receiver = self.shared.notes.receiver.lock().await;
        let mut written = 0;
        // Not those that come in meanwhile, else this might never end.
        let mut waiting = receiver.len();
        while waiting > 0 {
            let mut batch = Vec::with_capacity(waiting.min(BATCH_ROWS_MAX));
            while batch.len() < BATCH_ROWS_MAX
                && let Ok(entry) = receiver.try_recv()
            {
                self.shared.notes.share(&entry).fetch_sub(1, Ordering::Relaxed);
                batch.push(entry);
            }
            let rows = batch.len();
            waiting = if rows == 0 { 0 } else { waiting.saturating_sub(rows) };
            if let Err(error) =
                self.shared.store.append_queued_history(batch, TaskPermit::new(Task::HistoryFlush)).await
            {
                self.shared.notes.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                return Err(error);
            }
            written += rows as u64;
        }
        Ok(written)
    }
}
