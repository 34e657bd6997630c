//! A tiny gateway with a fixed identity, and sockets to talk to both of its sides.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use claviger_http::gate::proxy::{
    Forward, ForwardedProto, Proxy, ProxyBody, ProxyError, ProxyLimits, ProxyTimeouts, Tunnels, Upstream,
    check_request, forwarded_for,
};
use claviger_http::serve::{Peer, ServeLimits, serve};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Beyond this a wait is a failure, on the slowest machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A time-out under test that is to be reached.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// What is to happen at once happens within this, on a busy machine; the time-outs that would make it happen
/// otherwise are far longer.
pub(crate) const PROMPT: Duration = Duration::from_secs(2);

/// The path that the gateway refuses with 401.
pub(crate) const REFUSED: &str = "/refused";

/// One end of a connection, speaking bytes.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// The same where the other end may have closed already.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = soon(self.stream.write_all(bytes.as_ref())).await;
    }

    /// The next head with its last empty line; panics if the connection ends before.
    pub(crate) async fn head(&mut self) -> String {
        self.try_head().await.expect("the connection ended before a head")
    }

    /// The next head, or `None` if the connection ends before its first byte.
    pub(crate) async fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.fill().await {
                assert!(self.buffer.is_empty(), "half a head: {}", self.buffer.escape_ascii());
                return None;
            }
        }
    }

    /// Exactly this many bytes.
    pub(crate) async fn take(&mut self, count: usize) -> String {
        while self.buffer.len() < count {
            assert!(self.fill().await, "the connection ended after {}", self.buffer.escape_ascii());
        }
        String::from_utf8(self.buffer.drain(..count).collect()).unwrap()
    }

    /// Reads this many bytes and forgets them; `each` is called after each piece.
    pub(crate) async fn skip(&mut self, count: usize, mut each: impl FnMut()) {
        let mut left = count.checked_sub(self.buffer.len()).expect("no more has come than is to be skipped");
        self.buffer.clear();
        let mut piece = vec![0; 64 * 1024];
        while left > 0 {
            let read = soon(self.stream.read(&mut piece)).await.unwrap();
            assert!(read > 0, "the connection ended {left} bytes early");
            left -= read;
            each();
        }
    }

    /// Up to and including a text.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.buffer.windows(text.len()).position(|part| part == text.as_bytes()) {
                return self.take(at + text.len()).await;
            }
            assert!(self.fill().await, "the connection ended after {}", self.buffer.escape_ascii());
        }
    }

    /// Everything until the connection ends, in whatever way.
    pub(crate) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Everything until the connection ends, and whether it ended in order or with an error.
    pub(crate) async fn rest_and_end(&mut self) -> (String, Result<(), std::io::ErrorKind>) {
        let end = loop {
            match soon(self.stream.read_buf(&mut self.buffer)).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error.kind()),
            }
        };
        (String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned(), end)
    }

    /// Sends a request and returns the head of the answer with as much of a body as its length says.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> (String, String) {
        self.send(request).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.take(length).await;
        (head, body)
    }

    async fn fill(&mut self) -> bool {
        let read = soon(self.stream.read_buf(&mut self.buffer)).await;
        read.is_ok_and(|read| read > 0)
    }
}

/// The value of a field in a head, or `None`; panics if it is there twice.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = fields(head, name);
    let value = values.next();
    assert!(values.next().is_none(), "{name} is there twice: {head}");
    value
}

pub(crate) fn fields<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The status in the head of an answer.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}"))
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.expect("it takes too long")
}

/// Waits until a condition holds.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// An upstream that does with each connection what the test says.
pub(crate) struct Behind {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Behind {
    /// `act` gets each connection and its number, beginning with 0.
    pub(crate) async fn start<F>(act: impl Fn(Wire, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(act(Wire::new(stream), number));
            }
        });
        Self { address, connections, task }
    }

    /// Answers every request without a body with the same bytes, on as few connections as it gets.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut wire, _| async move {
            while wire.try_head().await.is_some() {
                wire.send(answer).await;
            }
        })
        .await
    }

    /// Answers every request with its head as the body.
    pub(crate) async fn echoing() -> Self {
        Self::start(|mut wire, _| async move {
            while let Some(head) = wire.try_head().await {
                let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
                let body = wire.take(length).await;
                wire.send(ok(&format!("{head}{body}"))).await;
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A plain answer with a body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// What a test changes about the gateway.
pub(crate) struct Setup {
    pub(crate) serve: ServeLimits,
    pub(crate) proxy: ProxyLimits,
    pub(crate) times: ProxyTimeouts,
    pub(crate) preserve_host: bool,
    pub(crate) body_bytes_max: u64,
    pub(crate) drain: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            serve: ServeLimits::default(),
            proxy: ProxyLimits::default(),
            times: ProxyTimeouts::default(),
            preserve_host: true,
            body_bytes_max: u64::MAX,
            drain: LONG,
        }
    }
}

/// The gateway under test. It authenticates everybody as the same account.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tunnels: Tunnels,
    pub(crate) task: JoinHandle<()>,
}

type Body = Either<Full<Bytes>, ProxyBody>;

impl Gateway {
    pub(crate) async fn before(behind: &Behind) -> Self {
        Self::start(behind.address, Setup::default()).await
    }

    pub(crate) async fn start(upstream: SocketAddr, setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let tunnels = Tunnels::new(shutdown.clone());
        let proxy = Proxy::new(setup.proxy, tunnels.clone());
        let mut upstream = Upstream::parse(&format!("http://{upstream}")).unwrap();
        upstream.timeouts = setup.times;
        upstream.preserve_host = setup.preserve_host;
        let upstream = Arc::new(upstream);
        let service = service_fn(move |request: Request<Incoming>| {
            let (proxy, upstream) = (proxy.clone(), Arc::clone(&upstream));
            async move { Ok::<_, Infallible>(decide(&proxy, &upstream, request, setup.body_bytes_max).await) }
        });
        let serving = serve(listener, setup.serve, service, shutdown.clone(), setup.drain);
        let task = tokio::spawn(serving);
        Self { address, shutdown, tunnels, task }
    }

    pub(crate) async fn connect(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> (String, String) {
        self.connect().await.ask(request).await
    }

    /// A GET with these further header lines, each with its line end.
    pub(crate) async fn get(&self, target: &str, lines: &str) -> (String, String) {
        self.ask(get(target, lines)).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: example.com\r\n{lines}\r\n")
}

async fn decide(
    proxy: &Proxy,
    upstream: &Upstream,
    request: Request<Incoming>,
    body_bytes_max: u64,
) -> Response<Body> {
    let peer: Peer = *request.extensions().get().expect("the peer is in the extensions");
    let (parts, body) = request.into_parts();
    if let Err(error) = check_request(&parts) {
        return plain(400, error.code());
    }
    if parts.uri.path() == REFUSED {
        return plain(401, "credentials_required");
    }
    let forward = Forward {
        target: parts.uri.path_and_query().unwrap().clone(),
        identity: vec![
            (HeaderName::from_static("x-claviger-subject"), HeaderValue::from_static("account:acct_1")),
            (HeaderName::from_static("x-claviger-grants"), HeaderValue::from_static("")),
        ],
        strip: vec![HeaderName::from_static("x-api-key")],
        forwarded_for: forwarded_for(Some(peer.address.ip())),
        forwarded_proto: ForwardedProto::Http,
        body_bytes_max,
    };
    match proxy.forward(upstream, Request::from_parts(parts, body), forward).await {
        Ok(response) => response.map(Either::Right),
        Err(error) => plain(error.status().as_u16(), variant(&error)),
    }
}

/// The name of an error's variant.
fn variant(error: &ProxyError) -> &'static str {
    match error {
        ProxyError::BadRequest(_) => "BadRequest",
        ProxyError::BodyTooLarge { .. } => "BodyTooLarge",
        ProxyError::ClientBody => "ClientBody",
        ProxyError::ClientTimeout(_) => "ClientTimeout",
        ProxyError::ClientTooSlow => "ClientTooSlow",
        ProxyError::UpstreamBusy => "UpstreamBusy",
        ProxyError::UpstreamUnreachable(_) => "UpstreamUnreachable",
        ProxyError::UpstreamTimeout(..) => "UpstreamTimeout",
        ProxyError::UpstreamClosed(_) => "UpstreamClosed",
        ProxyError::UpstreamResponse(_) => "UpstreamResponse",
        ProxyError::UpstreamProtocol(_) => "UpstreamProtocol",
    }
}

fn plain(status: u16, body: &'static str) -> Response<Body> {
    Response::builder()
        .status(status)
        .body(Either::Left(Full::new(Bytes::from_static(body.as_bytes()))))
        .unwrap()
}
