//! Threads that read, each with a read-only connection of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::change::Sequence;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Result, changes, schema};
use crate::error::StoreError;

/// One question.
pub(super) type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// A job that answers with what the operation returns, and with the latest change that it could see.
pub(super) fn job<T, F>(operation: F, reply: oneshot::Sender<Result<(T, Sequence)>>) -> ReadJob
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T> + Send + 'static,
{
    Box::new(move |conn| {
        // Whoever asked may have gone away while this waited.
        if !reply.is_closed() {
            let _gone = reply.send(in_snapshot(conn, operation));
        }
    })
}

/// Starts a reader; returns when its connection stands.
pub(super) async fn start(
    path: PathBuf,
    jobs: Arc<Mutex<mpsc::Receiver<ReadJob>>>,
) -> Result<oneshot::Receiver<()>> {
    let (ready, opened) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    let body = move || {
        match schema::open_reader(&path) {
            Ok(conn) => {
                let _gone = ready.send(Ok(()));
                while let Some(job) = next(&jobs) {
                    job(&conn);
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        }
        drop(done);
    };
    std::thread::Builder::new()
        .name("store-reader".to_owned())
        .spawn(body)
        .map_err(StoreError::unavailable)?;
    opened.await.map_err(|_| super::stopped())??;
    Ok(ended)
}

/// The next job; none once the queue is closed and empty. One idle reader waits in the queue, the others
/// for their turn to.
fn next(jobs: &Mutex<mpsc::Receiver<ReadJob>>) -> Option<ReadJob> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

fn in_snapshot<T>(
    conn: &Connection,
    operation: impl FnOnce(&Connection) -> Result<T>,
) -> Result<(T, Sequence)> {
    let snapshot = conn.unchecked_transaction()?;
    let value = operation(&snapshot)?;
    let sequence = changes::sequence(&snapshot)?;
    snapshot.finish()?;
    Ok((value, sequence))
}
