//! Tunnels: WebSocket connections, from the moment that the upstream has agreed to them.
//!
//! Nothing in a tunnel is decided on any more, so only a protocol that carries no HTTP requests may have
//! one. A tunnel for `h2c` would let a client send the upstream any request, with any identity.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Lease;
use super::headers::has_token;

/// The only protocol that gets a tunnel.
const PROTOCOL: &str = "websocket";

/// How long both ends may take to hand over their sockets once the switch has been agreed on. All that is
/// left to do then is to write our answer's head.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How often within the idle time-out a tunnel is looked at. At four it ends at most a quarter late.
const IDLE_LOOKS: u32 = 4;

/// The tunnels of a gateway, which end when it stops.
#[derive(Clone, Debug)]
pub struct Tunnels {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tunnels {
    /// No tunnels yet. All end when `stop` is cancelled, which is to be when the drain begins.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, tracker: TaskTracker::new() }
    }

    /// How many tunnels are open.
    pub fn open(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all tunnels have ended. To be called once `stop` is cancelled.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Opens a tunnel once both ends have switched.
    pub(super) fn open_between(&self, client: OnUpgrade, upstream: OnUpgrade, lease: Lease, idle: Duration) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            match stop.run_until_cancelled(tunnel(client, upstream, lease, idle)).await {
                Some(Err(error)) => tracing::debug!(%error, "a tunnel ended with an error"),
                Some(Ok(())) => tracing::debug!("a tunnel has ended"),
                None => tracing::debug!("a tunnel was ended by the drain"),
            }
        });
    }
}

/// The protocol to switch to, if the request properly asks for one that may be had.
pub(super) fn asked(parts: &Parts, empty: bool) -> Option<HeaderValue> {
    let proper = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && empty
        && !parts.headers.contains_key(TRANSFER_ENCODING)
        && parts.headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0");
    (proper && agrees(&parts.headers)).then(|| HeaderValue::from_static(PROTOCOL))
}

/// Whether a head, of either side, switches to the one protocol that may be had.
pub(super) fn agrees(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let first =
        protocols.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(PROTOCOL.as_bytes()));
    first && protocols.next().is_none() && has_token(headers, &CONNECTION, "upgrade")
}

/// Puts back what a switch needs in its answer.
pub(super) fn confirm(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
}

async fn tunnel(client: OnUpgrade, upstream: OnUpgrade, mut lease: Lease, idle: Duration) -> io::Result<()> {
    // The slot is kept: a tunnel is a request that the upstream still has.
    let _slot = lease.slot;
    let switch = async {
        if let Some(driver) = lease.connection.driver.take() {
            driver.await.map_err(io::Error::other)?;
        }
        let upstream = upstream.await.map_err(io::Error::other)?;
        let client = client.await.map_err(io::Error::other)?;
        io::Result::Ok((client, upstream))
    };
    let (client, upstream) = tokio::time::timeout(SWITCH_TIMEOUT, switch).await??;
    let moved = Arc::new(AtomicU64::new(0));
    let mut client = Watched { io: TokioIo::new(client), moved: Arc::clone(&moved) };
    let mut upstream = Watched { io: TokioIo::new(upstream), moved: Arc::clone(&moved) };
    tokio::select! {
        copied = tokio::io::copy_bidirectional(&mut client, &mut upstream) => copied.map(|_| ()),
        () = silence(&moved, idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Ends when nothing has moved for as long as `idle`.
async fn silence(moved: &AtomicU64, idle: Duration) {
    let mut seen = moved.load(Ordering::Relaxed);
    let mut looks = 0;
    while looks < IDLE_LOOKS {
        tokio::time::sleep(idle / IDLE_LOOKS).await;
        let now = moved.load(Ordering::Relaxed);
        looks = if now == seen { looks + 1 } else { 0 };
        seen = now;
    }
}

/// A socket that notes when something was read from it.
struct Watched<T> {
    io: T,
    moved: Arc<AtomicU64>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        if read.is_ready() {
            this.moved.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
