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
