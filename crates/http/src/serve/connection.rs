//! One connection: which protocol it speaks, and when it ends.

use std::error::Error as StdError;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::ServeLimits;
use super::activity::{Activity, Counted, CountedBody, CountedFuture};
use super::io_guard::{IoGuard, OpenGuard, Protocol, Resets, sniff};
use super::refusal::Refusal;
use super::stage::{Stage, Stages};

/// The header fields that hyper parses without a heap allocation, and its default.
pub(super) const HYPER_HEADERS_MAX: usize = 100;

/// How often idleness is looked for within `header_read_timeout`. At two the connection ends between one and
/// one and a half times the limit.
const IDLE_LOOKS: u32 = 2;

/// What the connections of a listener have in common.
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    stages: Stages,
    sniff_timeout: Duration,
    write_stall_timeout: Duration,
    idle_look: Duration,
    public_url: Arc<str>,
}

/// Runs the streams of HTTP/2 connections as tasks that the server knows of.
#[derive(Clone)]
struct Streams(Stages);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        let cut = self.0.cutting().clone();
        self.0.spawn(async move {
            cut.run_until_cancelled(future).await;
        });
    }
}

impl Protocols {
    pub(super) fn new(limits: &ServeLimits, stages: &Stages) -> Self {
        let mut http1 = http1::Builder::new();
        // Idleness is watched here, for both protocols.
        http1.header_read_timeout(None).max_header_size(limits.header_bytes_max);
        http1.max_buf_size(limits.buffer_bytes_max.max(limits.header_bytes_max));
        if limits.headers_max != HYPER_HEADERS_MAX {
            http1.max_headers(limits.headers_max);
        }
        let mut http2 = http2::Builder::new(Streams(stages.clone()));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.h2_streams_max)
            .max_header_list_size(limits.h2_header_list_bytes_max)
            .max_pending_accept_reset_streams(limits.h2_pending_resets_max)
            .max_local_error_reset_streams(limits.h2_error_resets_max)
            .initial_stream_window_size(limits.h2_stream_window_bytes)
            .initial_connection_window_size(limits.h2_connection_window_bytes)
            .keep_alive_interval(limits.h2_ping_interval)
            .keep_alive_timeout(limits.h2_ping_timeout);
        Self {
            http1,
            http2,
            stages: stages.clone(),
            sniff_timeout: limits.sniff_timeout,
            write_stall_timeout: limits.write_stall_timeout,
            idle_look: limits.header_read_timeout / IDLE_LOOKS,
            public_url: Arc::clone(&limits.public_url),
        }
    }
}

/// Serves one connection to its end.
pub(super) async fn run<T, S, B>(protocols: Arc<Protocols>, mut io: T, service: S, open: OpenGuard)
where
    T: AsyncRead + AsyncWrite + Resets + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // Whoever has not said a word when the drain begins has nothing to lose.
    let sniffing = tokio::time::timeout(protocols.sniff_timeout, sniff(&mut io));
    let Some(Ok(Ok(Some((protocol, sniffed))))) =
        protocols.stages.draining().run_until_cancelled(sniffing).await
    else {
        return;
    };
    let activity = Arc::new(Activity::default());
    let service = Counted { service, activity: Arc::clone(&activity) };
    // The pings of HTTP/2 are writes too, so there only requests count.
    let watched = (protocol == Protocol::Http1).then(|| Arc::clone(&activity));
    let refusal = (protocol == Protocol::Http1).then(|| Refusal::new(Arc::clone(&protocols.public_url)));
    let io = TokioIo::new(IoGuard::new(io, sniffed, protocols.write_stall_timeout, watched, refusal, open));
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = protocols.http1.serve_connection(io, service).with_upgrades();
            drive(connection, &protocols, &activity).await
        }
        Protocol::Http2 => drive(protocols.http2.serve_connection(io, service), &protocols, &activity).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// A connection that can be told to end once what is under way has.
trait Drains: Future<Output = hyper::Result<()>> {
    fn drain(self: Pin<&mut Self>);
}

impl<T, S, B> Drains for http1::UpgradeableConnection<TokioIo<IoGuard<T>>, Counted<S>>
where
    T: AsyncRead + AsyncWrite + Resets + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<T, S, B> Drains for http2::Connection<TokioIo<IoGuard<T>>, Counted<S>, Streams>
where
    T: AsyncRead + AsyncWrite + Resets + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    CountedFuture<S::Future>: Send + 'static,
    CountedBody<B>: Send + 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Polls a connection until it ends, by itself, by idleness, or with the server.
async fn drive<C: Drains>(connection: C, protocols: &Protocols, activity: &Activity) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let mut idleness = pin!(Idleness::new(protocols.idle_look));
    let stages = &protocols.stages;
    let mut draining = pin!(stages.draining().cancelled());
    let mut cutting = pin!(stages.cutting().cancelled());
    let mut watching = false;
    let mut drained = false;
    std::future::poll_fn(move |cx| {
        if !watching {
            // Once is enough, since the waker of a task stays the same; polling again would take the
            // token's lock, which all connections share, each time that a socket gets ready.
            watching = true;
            let _ = draining.as_mut().poll(cx);
            let _ = cutting.as_mut().poll(cx);
        }
        match stages.stage() {
            Stage::Serving => {}
            Stage::Draining => {
                if !std::mem::replace(&mut drained, true) {
                    connection.as_mut().drain();
                }
            }
            Stage::Cut => return Poll::Ready(Ok(())),
        }
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            match idleness.as_mut().poll_look(cx, activity) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Idle::Ending) => connection.as_mut().drain(),
                Poll::Ready(Idle::Over) => return Poll::Ready(Ok(())),
            }
        }
    })
    .await
}

/// What a look for idleness has found.
enum Idle {
    /// The limit is reached: the connection should say goodbye.
    Ending,
    /// It has had time to.
    Over,
}

pin_project_lite::pin_project! {
    /// Looks at intervals whether anything has happened since the last look.
    struct Idleness {
        #[pin]
        timer: Sleep,
        every: Duration,
        seen: Option<u32>,
        looks: u32,
    }
}

impl Idleness {
    fn new(every: Duration) -> Self {
        Self { timer: tokio::time::sleep(every), every, seen: Some(0), looks: 0 }
    }

    fn poll_look(self: Pin<&mut Self>, cx: &mut Context<'_>, activity: &Activity) -> Poll<Idle> {
        let mut this = self.project();
        loop {
            std::task::ready!(this.timer.as_mut().poll(cx));
            this.timer.as_mut().reset(Instant::now() + *this.every);
            let now = activity.idle_since();
            if now.is_none() || now != std::mem::replace(this.seen, now) {
                *this.looks = 0;
                continue;
            }
            *this.looks += 1;
            if *this.looks == IDLE_LOOKS {
                return Poll::Ready(Idle::Ending);
            }
            if *this.looks > IDLE_LOOKS {
                return Poll::Ready(Idle::Over);
            }
        }
    }
}
