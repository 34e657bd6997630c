//! Requests that change something are carried on without their client: one that goes away in the middle must
//! not leave a use case half done. Each runs in a task of its own, which closing the authority waits for. A body
//! that breaks off still ends its request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use claviger_authority::Authority;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use tokio::task::JoinHandle;

use crate::problem::Problem;

/// Requests whose clients have gone, at most; while there are more, no others are taken on. Their clients are no
/// limit to them any more, so something else has to be.
const LEFT_MAX: usize = 1_024;

/// The requests that are carried on without their clients.
#[derive(Debug, Clone, Default)]
pub(super) struct Carriage {
    left: Arc<AtomicUsize>,
}

const ATTENDED: u8 = 0;
const LEFT: u8 = 1;
const DONE: u8 = 2;

impl Carriage {
    /// Whether a request with this method can change something.
    pub(super) fn takes(method: &Method) -> bool {
        !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// Starts a request that will be carried on.
    ///
    /// # Errors
    /// 503 while too many others are carried on without their clients.
    pub(super) fn start<T: Send + 'static>(
        &self,
        authority: &Authority,
        request: impl Future<Output = T> + Send + 'static,
    ) -> Result<Carried<T>, Problem> {
        if self.left.load(Ordering::Relaxed) >= LEFT_MAX {
            let detail = "Too many requests are being completed whose clients have gone away.";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
            return Err(problem.with(RETRY_AFTER, HeaderValue::from_static("1")));
        }
        let state = Arc::new(AtomicU8::new(ATTENDED));
        let end = End { state: Arc::clone(&state), left: Arc::clone(&self.left) };
        let task = authority.carry_on(async move {
            let _end = end;
            request.await
        });
        Ok(Carried { task, state, left: Arc::clone(&self.left) })
    }
}

/// The answer of a request that is carried on. Dropped early, it leaves the request to itself.
pub(super) struct Carried<T> {
    task: JoinHandle<T>,
    state: Arc<AtomicU8>,
    left: Arc<AtomicUsize>,
}

impl<T> Future for Carried<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.task).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(answer)) => Poll::Ready(answer),
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                // It ends this connection, as it would have without the task.
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down, and the connection with it.
                Err(_) => Poll::Pending,
            },
        }
    }
}

impl<T> Drop for Carried<T> {
    fn drop(&mut self) {
        // Counted before it is said, so that its end never takes away what was not added yet.
        self.left.fetch_add(1, Ordering::Relaxed);
        let leaves = self.state.compare_exchange(ATTENDED, LEFT, Ordering::AcqRel, Ordering::Acquire);
        if leaves.is_err() {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Notes that a request has come to its end, however it did.
struct End {
    state: Arc<AtomicU8>,
    left: Arc<AtomicUsize>,
}

impl Drop for End {
    fn drop(&mut self) {
        if self.state.swap(DONE, Ordering::AcqRel) == LEFT {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
