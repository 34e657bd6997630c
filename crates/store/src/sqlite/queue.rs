//! The way from async callers to a thread.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Result;
use crate::error::StoreError;

/// Jobs that wait at most; further callers wait for room. A group of the writer takes a quarter of it.
const QUEUE_JOBS_MAX: usize = 1_024;

/// The sending end, which can be closed for everybody.
pub(super) struct Queue<J>(Mutex<Option<mpsc::Sender<J>>>);

impl<J> Queue<J> {
    pub(super) fn new() -> (Self, mpsc::Receiver<J>) {
        let (sender, receiver) = mpsc::channel(QUEUE_JOBS_MAX);
        (Self(Mutex::new(Some(sender))), receiver)
    }

    pub(super) async fn send(&self, job: J) -> Result<()> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let closed = || StoreError::unavailable_because("the store was closed");
        sender.ok_or_else(closed)?.send(job).await.map_err(|_| closed())
    }

    pub(super) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A moment in which nothing happens.
    const MOMENT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn whoever_finds_no_room_waits_for_it() {
        let (queue, mut jobs) = Queue::new();
        for job in 0..QUEUE_JOBS_MAX {
            tokio::time::timeout(MOMENT, queue.send(job)).await.unwrap().unwrap();
        }
        let further = queue.send(QUEUE_JOBS_MAX);
        let mut further = std::pin::pin!(further);
        assert!(tokio::time::timeout(MOMENT, &mut further).await.is_err(), "there was room");
        assert_eq!(jobs.recv().await, Some(0));
        tokio::time::timeout(MOMENT, &mut further).await.unwrap().unwrap();
        queue.close();
        assert!(queue.send(0).await.is_err());
        jobs.close();
        let mut left = 0;
        while jobs.recv().await.is_some() {
            left += 1;
        }
        assert_eq!(left, QUEUE_JOBS_MAX, "what was handed in before is there still");
    }
}
