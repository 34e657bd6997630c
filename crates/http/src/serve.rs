//! The server loop that the API, the gateway and the admin listener share.
//!
//! HTTP/1.1 and cleartext HTTP/2 with prior knowledge on one port. Every phase of a connection is bounded:
//! the first bytes, the head of a request, the pause between requests, a client that stops reading, and the
//! number of connections. A drain ends gracefully what it can and the rest at its deadline.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

mod activity;
mod connection;
mod io_guard;
mod refusal;
mod stage;

use connection::Protocols;
use stage::Stages;

/// How long the loop waits after `accept` has failed for want of a resource. Descriptors come back when
/// connections end; without a pause the loop would spin until then.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How long connections that were cut at the drain's deadline get to unwind.
const UNWIND_TIMEOUT: Duration = Duration::from_secs(1);

/// What a listener allows. The defaults suit a gateway that faces the Internet.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// Connections open at once, tunnels included; further ones wait in the backlog of the kernel. The
    /// default keeps below the usual limit of 65,536 descriptors with two (client, upstream) for each.
    pub connections_max: usize,
    /// From the connection to the first bytes that tell HTTP/1 from HTTP/2. A client that connects speaks
    /// first, so ten seconds is for lost packets only.
    pub sniff_timeout: Duration,
    /// How long a connection may stand without a request under way. It bounds the head of a request and the
    /// pause between two alike, since a client can turn either into the other. The connection ends between
    /// one and two times this after the last request did.
    pub header_read_timeout: Duration,
    /// How long a client may not take a byte of what is to be sent to it.
    pub write_stall_timeout: Duration,
    /// Header fields in a request. hyper parses up to 100 on the stack and more on the heap.
    pub headers_max: usize,
    /// The head of an HTTP/1 request in bytes, and the trailers of one. Proxies in front allow 8 to 32 KiB.
    pub header_bytes_max: usize,
    /// Bytes buffered per HTTP/1 connection and direction.
    pub buffer_bytes_max: usize,
    /// HTTP/2 streams open at once in a connection.
    pub h2_streams_max: u32,
    /// The decoded header list of an HTTP/2 request in bytes.
    pub h2_header_list_bytes_max: u32,
    /// HTTP/2 streams that the client has reset before we accepted them; beyond, the connection ends. This
    /// and the next bound what a rapid reset (CVE-2023-44487) can cost.
    pub h2_pending_resets_max: usize,
    /// HTTP/2 streams that were reset on the client's errors; beyond, the connection ends.
    pub h2_error_resets_max: usize,
    /// HTTP/2 flow-control window of a stream in bytes, hence the most that an upload buffers.
    pub h2_stream_window_bytes: u32,
    /// HTTP/2 flow-control window of a connection in bytes.
    pub h2_connection_window_bytes: u32,
    /// How often a silent HTTP/2 client is asked for a sign of life.
    pub h2_ping_interval: Duration,
    /// How long an HTTP/2 client may take to give it.
    pub h2_ping_timeout: Duration,
    /// The address of the API, where the pages about problems are: for requests that are refused before any service
    /// sees them.
    pub public_url: Arc<str>,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            sniff_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_secs(60),
            headers_max: connection::HYPER_HEADERS_MAX,
            header_bytes_max: 32 * 1024,
            buffer_bytes_max: 128 * 1024,
            h2_streams_max: 128,
            h2_header_list_bytes_max: 32 * 1024,
            h2_pending_resets_max: 20,
            h2_error_resets_max: 128,
            h2_stream_window_bytes: 256 * 1024,
            h2_connection_window_bytes: 1024 * 1024,
            h2_ping_interval: Duration::from_secs(20),
            h2_ping_timeout: Duration::from_secs(20),
            public_url: Arc::from(""),
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that the connection came from: the client, or the proxy in front.
    pub address: SocketAddr,
    /// The address that it came to.
    pub local: SocketAddr,
    /// Whether the socket itself is encrypted.
    pub tls: bool,
}

/// Serves a listener until `shutdown` is cancelled, then for at most `drain` longer.
///
/// The service finds a [`Peer`] in the extensions of each request. It returns when every connection has
/// ended, tunnels included, or has been cut at the deadline. Errors of `accept` never end the loop, and a
/// panic in the service ends its connection only.
pub async fn serve<S, B>(
    listener: TcpListener,
    limits: ServeLimits,
    service: S,
    shutdown: CancellationToken,
    drain: Duration,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let make = move |peer| WithPeer { service: service.clone(), peer };
    serve_with(listener, limits, make, shutdown, drain).await;
}

/// Like [`serve`], with a service made for each connection. A service that keeps the [`Peer`] itself spares
/// each request the allocations of its extensions.
pub async fn serve_with<M, S, B>(
    listener: TcpListener,
    limits: ServeLimits,
    make: M,
    shutdown: CancellationToken,
    drain: Duration,
) where
    M: Fn(Peer) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let stages = Stages::new();
    let protocols = Arc::new(Protocols::new(&limits, &stages));
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let accepting = async {
        loop {
            // Waiting before `accept` leaves the surplus in the backlog, where it costs no descriptor.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let Some((stream, peer)) = accepted(open(&listener).await).await else { continue };
            let service = make(peer);
            let guard = (slot, stages.token());
            stages.spawn(connection::run(Arc::clone(&protocols), stream, service, guard));
        }
    };
    shutdown.run_until_cancelled(accepting).await;
    drop(listener);
    stages.drain();
    if tokio::time::timeout(drain, stages.ended()).await.is_err() {
        tracing::warn!(connections = stages.open(), "the drain's deadline has passed; cutting what is left");
        stages.cut();
        // Tunnels whose owner has not ended them keep their sockets; the process ends them.
        let _ = tokio::time::timeout(UNWIND_TIMEOUT, stages.ended()).await;
    }
}

/// What `accept` gave, if anything. No error ends the loop: a connection that is gone already is skipped, and
/// a want of descriptors or memory is waited out.
async fn accepted<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(accepted) => Some(accepted),
        Err(error) if is_connection_error(&error) => None,
        Err(error) => {
            tracing::warn!(%error, "cannot accept connections; trying again shortly");
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            None
        }
    }
}

async fn open(listener: &TcpListener) -> io::Result<(TcpStream, Peer)> {
    let (stream, address) = listener.accept().await?;
    // Both fail only if the connection is gone already.
    stream.set_nodelay(true).map_err(|_| io::ErrorKind::ConnectionAborted)?;
    let local = stream.local_addr().map_err(|_| io::ErrorKind::ConnectionAborted)?;
    Ok((stream, Peer { address, local, tls: false }))
}

fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Puts the peer where handlers and extractors find it.
struct WithPeer<S> {
    service: S,
    peer: Peer,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for WithPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_of_accept_end_or_spin_the_loop() {
        assert_eq!(accepted(Ok(7)).await, Some(7));
        let began = std::time::Instant::now();
        assert_eq!(accepted::<u8>(Err(io::ErrorKind::ConnectionAborted.into())).await, None);
        assert!(began.elapsed() < ACCEPT_BACKOFF, "the next connection waits for one that is gone");
        let exhausted = io::Error::from_raw_os_error(24); // EMFILE
        assert_eq!(accepted::<u8>(Err(exhausted)).await, None);
        assert!(began.elapsed() >= ACCEPT_BACKOFF, "the loop would spin");
    }
}
