//! Whether anything is under way in a connection.
//!
//! Counting costs two atomic additions per request. hyper's own time-out for heads allocates and arms a
//! timer for each of them, and covers HTTP/1 only.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a connection has done. The counters wrap; they are only compared.
#[derive(Debug, Default)]
pub(super) struct Activity {
    requests: AtomicU32,
    progress: AtomicU32,
    until_close: AtomicBool,
}

/// One request under way, from its head to the end of its response's body.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.step();
        UnderWay(Arc::clone(self))
    }

    /// Notes that the connection got on.
    pub(super) fn step(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// `None` while a request is under way, else a number that changes with each step.
    pub(super) fn idle_since(&self) -> Option<u32> {
        let idle = self.requests.load(Ordering::Relaxed) == 0;
        idle.then(|| self.progress.load(Ordering::Relaxed))
    }

    /// Whether an answer is under way whose end is that of the connection (RFC 9112 section 6.3).
    pub(super) fn ends_with_connection(&self) -> bool {
        self.until_close.load(Ordering::Relaxed)
    }
}

impl UnderWay {
    /// Takes note of an answer to a client of HTTP/1.0, which knows no chunks.
    fn to_old_client<B: Body>(&self, response: &Response<B>) {
        let measured =
            response.body().size_hint().exact().is_some() || response.headers().contains_key(CONTENT_LENGTH);
        self.0.until_close.store(!measured, Ordering::Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.step();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A service that counts its requests.
#[derive(Debug)]
pub(super) struct Counted<S> {
    pub(super) service: S,
    pub(super) activity: Arc<Activity>,
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    B: Body,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = Some(self.activity.begin());
        let old = request.version() < Version::HTTP_11;
        CountedFuture { future: self.service.call(request), under_way, old }
    }
}

pin_project! {
    /// The answer to a request that is counted.
    pub(super) struct CountedFuture<F> {
        #[pin]
        future: F,
        under_way: Option<UnderWay>,
        old: bool,
    }
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.future.poll(cx));
        let under_way = this.under_way.take();
        if *this.old
            && let (Ok(response), Some(under_way)) = (&answer, &under_way)
        {
            under_way.to_old_client(response);
        }
        Poll::Ready(answer.map(|response| response.map(|body| CountedBody { body, broken: None, under_way })))
    }
}

pin_project! {
    /// A body whose end is the end of its request.
    pub(super) struct CountedBody<B> {
        #[pin]
        body: B,
        // Why the body breaks off, which is told with the next poll: hyper throws away what it has not written
        // when it hears of an error, and writes it when there is nothing to do. A client that gets nothing at
        // all may well take its connection for stale, and send the request again.
        broken: Option<BoxError>,
        under_way: Option<UnderWay>,
    }
}

impl<B: Body> Body for CountedBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(this.body.poll_frame(cx)) {
            Some(Err(error)) => {
                *this.broken = Some(error.into());
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
