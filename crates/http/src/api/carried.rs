//! Requests that change something are carried on without their client: one that goes away in the middle must
//! not leave a use case half done. Each runs in a task of its own, which closing the authority waits for.
//!
//! A request outlives its client from the moment at which its body has been read or let go, which is when its use case
//! begins. One that is still waiting for its body, or for room for it, ends with its client: otherwise anyone could
//! leave requests behind that have not even been authenticated.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use claviger_authority::{Authority, CallerCredential};
use claviger_core::AccountId;
use claviger_core::key::Digest;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::leaks;
use super::network::network_of;
use crate::problem::Problem;

/// Requests of one credential, or of one network without a credential, whose clients have gone, at most; while there
/// are more, it makes nothing new. Its clients are no limit to them any more, so something else has to be.
const LEFT_MAX: usize = 64;

/// The requests that are carried on without their clients, by who sent them.
#[derive(Debug, Clone, Default)]
pub(super) struct Carriage {
    left: Arc<Left>,
}

type Left = Mutex<HashMap<Sender, usize>>;

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sender {
    Key(Digest),
    Account(AccountId),
    Network(Option<IpAddr>),
}

impl Sender {
    fn of(credential: CallerCredential, address: Option<IpAddr>) -> Self {
        match credential {
            CallerCredential::Key(digest) => Self::Key(digest),
            CallerCredential::Account(id) => Self::Account(id),
            CallerCredential::Anonymous | CallerCredential::Unknown => Self::Network(address.map(network_of)),
        }
    }
}

/// Its client waits, and its use case has not begun.
const ARRIVING: u8 = 0;
/// Its client waits.
const ATTENDED: u8 = 1;
/// Its client has gone before its use case began, which it never will.
const ABANDONED: u8 = 2;
/// Its client has gone, and it is counted among those of its sender.
const LEFT: u8 = 3;
const DONE: u8 = 4;

impl Carriage {
    /// Whether a request can change something, and has to be carried on. A report of leaks carries itself on.
    pub(super) fn takes(method: &Method, path: &str) -> bool {
        !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && path != leaks::PATH
    }

    /// Starts a request that will be carried on.
    pub(super) fn start<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        authority: &Authority,
        request: impl FnOnce(Arc<Passage>) -> F,
    ) -> Carried<T> {
        let passage = Arc::new(Passage {
            state: AtomicU8::new(ARRIVING),
            sender: OnceLock::new(),
            left: Arc::clone(&self.left),
        });
        let (client, gone) = oneshot::channel();
        let end = End(Arc::clone(&passage));
        let request = request(Arc::clone(&passage));
        let task = authority.carry_on(async move {
            let end = end;
            let (mut request, mut gone) = (pin!(request), Some(gone));
            std::future::poll_fn(|cx| {
                if gone.as_mut().is_some_and(|gone| Pin::new(gone).poll(cx).is_ready()) {
                    gone = None;
                    if end.0.moves(ABANDONED, DONE) {
                        return Poll::Ready(None);
                    }
                }
                request.as_mut().poll(cx).map(Some)
            })
            .await
        });
        Carried { task, passage, _client: client }
    }
}

/// How far a request has come that will be carried on.
#[derive(Debug)]
pub(super) struct Passage {
    state: AtomicU8,
    sender: OnceLock<Sender>,
    left: Arc<Left>,
}

impl Passage {
    /// Says who has sent the request.
    ///
    /// # Errors
    /// 503 while too many others of that sender are carried on without their clients, for requests that make something
    /// new: what deletes, revokes or changes a record is never refused for it.
    pub(super) fn sent_by(
        &self,
        (credential, address): (CallerCredential, Option<IpAddr>),
        (method, path): (&Method, &str),
    ) -> Result<(), Problem> {
        let sender = *self.sender.get_or_init(|| Sender::of(credential, address));
        if makes_something_new(method, path) && self.counts().get(&sender).is_some_and(|n| *n >= LEFT_MAX) {
            let detail = "Too many requests with this credential, or from this network, are being completed whose clients have gone away.";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
            return Err(problem.with(RETRY_AFTER, HeaderValue::from_static("1")));
        }
        Ok(())
    }

    /// The body of the request.
    pub(super) fn body<B>(self: &Arc<Self>, body: B) -> PassageBody<B> {
        PassageBody { body, passage: Arc::clone(self) }
    }

    fn moves(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The use case begins.
    fn begins(&self) {
        if !self.moves(ARRIVING, ATTENDED) && self.state.load(Ordering::Acquire) == ABANDONED {
            // The client has gone in this very moment. What may have begun is completed.
            self.is_left(ABANDONED);
        }
    }

    fn client_goes(&self) {
        if !self.moves(ARRIVING, ABANDONED) {
            self.is_left(ATTENDED);
        }
    }

    fn is_left(&self, from: u8) {
        // Under the lock, so that its end never takes away what was not added yet.
        let mut counts = self.counts();
        if self.moves(from, LEFT) {
            *counts.entry(self.sender()).or_default() += 1;
        }
    }

    fn ends(&self) {
        let mut counts = self.counts();
        if self.state.swap(DONE, Ordering::AcqRel) == LEFT
            && let Some(count) = counts.get_mut(&self.sender())
        {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.sender());
            }
        }
    }

    /// Nobody that is known where a request ends before its credential was read.
    fn sender(&self) -> Sender {
        *self.sender.get_or_init(|| Sender::Network(None))
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<Sender, usize>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn makes_something_new(method: &Method, path: &str) -> bool {
    match *method {
        Method::POST => !path.ends_with("/revoke") && !path.ends_with("/rotate"),
        Method::PUT => path == "/v1/resources",
        _ => false,
    }
}

/// The body of a request: with its end, the use case begins.
pub(super) struct PassageBody<B> {
    body: B,
    passage: Arc<Passage>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for PassageBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) {
            self.passage.begins();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for PassageBody<B> {
    fn drop(&mut self) {
        self.passage.begins();
    }
}

/// The answer of a request that is carried on. Dropped early, it leaves the request to itself.
pub(super) struct Carried<T> {
    task: JoinHandle<Option<T>>,
    passage: Arc<Passage>,
    /// Wakes the task when it is dropped.
    _client: oneshot::Sender<()>,
}

impl<T> Future for Carried<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.task).poll(cx) {
            Poll::Ready(Ok(Some(answer))) => Poll::Ready(answer),
            // Abandoned requests have no answer, and nobody who would wait for one.
            Poll::Pending | Poll::Ready(Ok(None)) => Poll::Pending,
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
        self.passage.client_goes();
    }
}

/// Notes that a request has come to its end, however it did.
struct End(Arc<Passage>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ends();
    }
}
