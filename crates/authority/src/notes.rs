//! Rows for the history that nobody waits for: what passed through the gateway. They wait in a bounded queue
//! and are written in batches; where it is full they are dropped and counted, since traffic must never wait
//! for its own record.

use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::history::HistoryEntry;
use claviger_core::permit::{SystemTask, WritePermit};
use claviger_store::StoreError;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::authority::Authority;

/// Rows that wait at most: a second of traffic that writes as many, a few megabytes.
const QUEUE_ROWS_MAX: usize = 32_768;
/// Rows of one transaction, so that whoever creates a key meanwhile waits for a few milliseconds only.
const BATCH_ROWS_MAX: usize = 500;

/// The queue.
pub(crate) struct Notes {
    sender: mpsc::Sender<HistoryEntry>,
    receiver: Mutex<mpsc::Receiver<HistoryEntry>>,
    dropped: AtomicU64,
    /// Told when the queue is half full.
    pub(crate) filling: Notify,
}

impl Default for Notes {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_ROWS_MAX);
        Self { sender, receiver: Mutex::new(receiver), dropped: AtomicU64::new(0), filling: Notify::new() }
    }
}

impl Authority {
    /// Hands in a row of the history without waiting; it is written within a second or so, and at the
    /// latest when the authority is closed. Returns whether there was room for it.
    pub fn note(&self, entry: HistoryEntry) -> bool {
        let notes = &self.shared.notes;
        let taken = notes.sender.try_send(entry).is_ok();
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
                batch.push(entry);
            }
            let rows = batch.len();
            waiting = if rows == 0 { 0 } else { waiting.saturating_sub(rows) };
            if let Err(error) =
                self.shared.store.append_history(batch, WritePermit::system(SystemTask::HistoryFlush)).await
            {
                self.shared.notes.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                return Err(error);
            }
            written += rows as u64;
        }
        Ok(written)
    }
}
