//! Bodies on their way, in both directions, never more than a buffer of them at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::client::{Detached, Lease};
use super::headers::filter_trailers;
use crate::least_speed::LeastSpeed;

/// The body of a request to an upstream.
pub(super) enum Upload {
    /// There is none.
    Empty,
    /// What the client sends.
    Stream(Box<UploadStream>),
}

/// What a client sends, counted and watched.
pub(super) struct UploadStream {
    incoming: Incoming,
    state: Arc<UploadState>,
    left_bytes: u64,
    strip: Vec<HeaderName>,
}

/// How far an upload has got, for those who wait for its end.
#[derive(Debug)]
pub(super) struct UploadState {
    began: Instant,
    /// Milliseconds from `began` to the last progress.
    progress_millis: AtomicU64,
    /// Bytes that have come.
    received_bytes: AtomicU64,
    /// Milliseconds for which the client was waited for before the wait under way.
    waited_millis: AtomicU64,
    /// Milliseconds from `began` to the beginning of that wait.
    client_since_millis: AtomicU64,
    waiting: AtomicU8,
    fault: AtomicU8,
    limit_bytes: u64,
}

/// Whom an upload waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The client, to send more.
    Client,
    /// The upstream, to take what there is.
    Upstream,
    /// It is complete.
    Nobody,
}

/// What is wrong with a client's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Broken,
    TooLarge { limit_bytes: u64 },
}

/// Why an upload stops in the middle.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the client's body is broken or incomplete")]
    Broken(#[source] hyper::Error),
    #[error("the client's body is too large")]
    TooLarge,
}

const FAULT_NONE: u8 = 0;
const FAULT_BROKEN: u8 = 1;
const FAULT_TOO_LARGE: u8 = 2;

impl Upload {
    /// Wraps a body that is not at its end.
    pub(super) fn stream(
        incoming: Incoming,
        limit_bytes: u64,
        strip: Vec<HeaderName>,
    ) -> (Self, Arc<UploadState>) {
        let state = Arc::new(UploadState {
            began: Instant::now(),
            progress_millis: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            waited_millis: AtomicU64::new(0),
            client_since_millis: AtomicU64::new(0),
            waiting: AtomicU8::new(Waiting::Upstream as u8),
            fault: AtomicU8::new(FAULT_NONE),
            limit_bytes,
        });
        let stream = UploadStream { incoming, state: Arc::clone(&state), left_bytes: limit_bytes, strip };
        (Self::Stream(Box::new(stream)), state)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

impl UploadStream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.state.wait_for_client();
            return Poll::Pending;
        };
        let mut frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.state.fault.store(FAULT_BROKEN, Ordering::Relaxed);
                return Poll::Ready(Some(Err(UploadError::Broken(error))));
            }
            None => {
                self.state.progress(Waiting::Nobody);
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            let Some(left) = self.left_bytes.checked_sub(data.len() as u64) else {
                self.state.fault.store(FAULT_TOO_LARGE, Ordering::Relaxed);
                return Poll::Ready(Some(Err(UploadError::TooLarge)));
            };
            self.left_bytes = left;
            self.state.received_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        if let Some(trailers) = frame.trailers_mut() {
            filter_trailers(trailers, &self.strip);
        }
        let over = frame.is_trailers() || self.incoming.is_end_stream();
        self.state.progress(if over { Waiting::Nobody } else { Waiting::Upstream });
        Poll::Ready(Some(Ok(frame)))
    }
}

impl UploadState {
    /// Whom the upload waits for, and since when.
    pub(super) fn waiting(&self) -> (Waiting, Instant) {
        let waiting = match self.waiting.load(Ordering::Relaxed) {
            0 => Waiting::Client,
            1 => Waiting::Upstream,
            _ => Waiting::Nobody,
        };
        let progress = Duration::from_millis(self.progress_millis.load(Ordering::Relaxed));
        (waiting, self.began + progress)
    }

    /// Whether all of it has been handed over.
    pub(super) fn is_over(&self) -> bool {
        self.waiting().0 == Waiting::Nobody
    }

    /// What is wrong with the body, if anything.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Ordering::Relaxed) {
            FAULT_NONE => None,
            FAULT_BROKEN => Some(Fault::Broken),
            _ => Some(Fault::TooLarge { limit_bytes: self.limit_bytes }),
        }
    }

    /// When the client will have been too slow if nothing more comes; none while nobody waits for it, or if it
    /// may be as slow as it likes. What the upstream is waited for does not count.
    pub(super) fn too_slow_at(&self, least: LeastSpeed) -> Option<Instant> {
        if self.waiting().0 != Waiting::Client || least.bytes_per_second == 0 {
            return None;
        }
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let waited = Duration::from_millis(read(&self.waited_millis));
        let left = least.patience(read(&self.received_bytes)).saturating_sub(waited);
        Some(self.began + Duration::from_millis(read(&self.client_since_millis)) + left)
    }

    fn wait_for_client(&self) {
        if self.waiting.swap(Waiting::Client as u8, Ordering::Relaxed) != Waiting::Client as u8 {
            self.client_since_millis.store(self.millis(), Ordering::Relaxed);
        }
    }

    fn progress(&self, waiting: Waiting) {
        let millis = self.millis();
        self.progress_millis.store(millis, Ordering::Relaxed);
        if self.waiting.swap(waiting as u8, Ordering::Relaxed) == Waiting::Client as u8 {
            let since = self.client_since_millis.load(Ordering::Relaxed);
            self.waited_millis.fetch_add(millis.saturating_sub(since), Ordering::Relaxed);
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The body of an upstream's answer. If it is dropped before its end, the upstream's work is cancelled.
#[derive(Default)]
pub struct ProxyBody(Option<Download>);

/// Why the body of an answer breaks off.
#[derive(Debug, thiserror::Error)]
pub enum ProxyBodyError {
    /// The upstream broke off.
    #[error("the upstream's answer is broken or incomplete")]
    Upstream(#[source] hyper::Error),
    /// The connection ended without an end of the body.
    #[error("the upstream's connection ended within the answer")]
    Ended,
    /// Nothing came for too long.
    #[error("nothing more of the upstream's answer came for {0:?}")]
    Idle(Duration),
}

/// A body that is being read.
pub(super) struct Download {
    pub(super) incoming: Incoming,
    /// Gone once the body is at its end.
    pub(super) lease: Option<Lease>,
    pub(super) idle_timeout: Duration,
    /// The upload that was not over when the answer began, and the task that goes on with it. While it gets
    /// on, the upstream may well be silent.
    pub(super) upload: Option<(Arc<UploadState>, Detached)>,
    /// How slowly the client may send it.
    pub(super) upload_speed: LeastSpeed,
    /// Whether the timer is set for the present silence.
    pub(super) silent: bool,
}

impl ProxyBody {
    /// A body to be read. One that is empty gives its connection back at once.
    pub(super) fn new(mut download: Download) -> Self {
        if download.incoming.is_end_stream() {
            download.finish();
        }
        Self(Some(download))
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = ProxyBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyBodyError>>> {
        match &mut self.get_mut().0 {
            None => Poll::Ready(None),
            Some(download) => download.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|download| download.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |download| download.incoming.size_hint())
    }
}

impl Download {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ProxyBodyError>>> {
        let mut next = Pin::new(&mut self.incoming).poll_frame(cx);
        if next.is_pending()
            && let Some(lease) = &mut self.lease
            && let Some(driver) = &mut lease.connection.driver
        {
            // Nothing is there: let the connection read, and look again.
            if driver.as_mut().poll(cx).is_ready() {
                lease.connection.driver = None;
            }
            next = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        match next {
            Poll::Ready(Some(Ok(mut frame))) => {
                self.silent = false;
                if let Some(trailers) = frame.trailers_mut() {
                    filter_trailers(trailers, &[]);
                }
                // Nobody need ask again after the last byte or the trailers.
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(ProxyBodyError::Upstream(error))))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_silence(cx).map(|error| Some(Err(error))),
        }
    }

    /// Waits for the idle time-out.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<ProxyBodyError> {
        let Some(lease) = &mut self.lease else { return Poll::Ready(ProxyBodyError::Ended) };
        if lease.connection.driver.is_none() && self.upload.is_none() {
            self.lease = None;
            return Poll::Ready(ProxyBodyError::Ended);
        }
        let timer = &mut lease.connection.timer;
        if !self.silent {
            self.silent = true;
            timer.as_mut().reset(Instant::now() + self.idle_timeout);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            let last = self.upload.as_ref().map(|(upload, _)| {
                let idle = upload.waiting().1 + self.idle_timeout;
                upload.too_slow_at(self.upload_speed).map_or(idle, |slow| slow.min(idle))
            });
            match last {
                Some(due) if due > Instant::now() => timer.as_mut().reset(due),
                _ => break,
            }
        }
        self.lease = None;
        self.upload = None;
        Poll::Ready(ProxyBodyError::Idle(self.idle_timeout))
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}
