//! The API, the gateway and a bare hyper server, on one thread.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use claviger_authority::ports::Ports;
use claviger_authority::settings::Settings;
use claviger_authority::{Authority, SqliteOptions};
use claviger_http::api::ApiService;
use claviger_http::gate::proxy::{Proxy, ProxyLimits, Tunnels};
use claviger_http::gate::{Gate, GatewayService, RouteConfig, Routes};
use claviger_http::metrics::Metrics;
use claviger_http::serve::{ServeLimits, serve_with};
use claviger_http::state::{AppState, EdgeSettings};
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::connection::{Client, Upstream};
use crate::{counted, measure};

/// Connections with a request under way at once, as under load: one look at the sockets serves them all.
const CONNECTIONS: usize = 16;
/// Looks at the sockets between request and answer: one that finds the requests, one that finds nothing more to do, and
/// some to spare, which cost little among so many connections.
const LOOKS: usize = 5;
/// How long the first answers may take, which wait for the store.
const PATIENCE: Duration = Duration::from_secs(60);

const OPERATOR: &str = "ck-bench-84d1b9e07c3f4a52960ed8b1f7c52a3e46d9";
/// What a verification answers, about the length that it has.
const ANSWER: &str = r#"{"valid":true,"code":"valid","key_id":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","kind":"account","subject":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":["*:read"],"expires_at":null,"grants":{"secrets":[],"databases":[]},"version":null}"#;

pub(crate) struct Servers {
    runtime: Runtime,
    upstream: Upstream,
    api: SocketAddr,
    gateway: SocketAddr,
    bare: SocketAddr,
    key: String,
    /// The database.
    _folder: tempfile::TempDir,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let length = ANSWER.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ncontent-length: {length}\r\n\r\n{ANSWER}"
        );
        let upstream = Upstream::start(answer.into_bytes());
        let state = runtime.block_on(state(folder.path()));
        let routes = routes(upstream.address());
        let (api, gateway, bare) = runtime.block_on(async {
            let service = ApiService::new(state.clone());
            let api = listen(move |peer| service.at(peer)).await;
            let gate = Gate::new(state.clone(), routes);
            let proxy = Proxy::new(ProxyLimits::default(), Tunnels::new(CancellationToken::new()));
            let gateway = listen(move |peer| GatewayService::new(gate.clone(), proxy.clone(), peer)).await;
            (api, gateway, bare().await)
        });
        let mut servers = Self { runtime, upstream, api, gateway, bare, key: String::new(), _folder: folder };
        let account = servers.create("/v1/accounts", r#"{"external_id": "bench"}"#, "\"id\":\"");
        let key = format!(r#"{{"name": "bench", "subject": "account:{account}"}}"#);
        servers.key = servers.create("/v1/keys", &key, "\"secret\":\"");
        servers
    }

    pub(crate) fn measure(&mut self) {
        let get = |path: &str, key: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n")
        };
        let body = format!(r#"{{"key": "{}"}}"#, self.key);
        let verify = get("/v1/verify", &self.key);
        self.requests("bare hyper, the same request", self.bare, &verify);
        self.requests("GET /v1/verify", self.api, &verify);
        self.requests("POST /v1/verify", self.api, &post("/v1/verify", &body));
        self.requests("gateway", self.gateway, &get("/proxied", &self.key));
    }

    /// Measures a request, which each connection sends once a round.
    fn requests(&mut self, name: &str, address: SocketAddr, request: &str) {
        let mut clients = (0..CONNECTIONS).map(|_| Client::connect(address)).collect::<Vec<_>>();
        measure(name, || {
            clients.iter_mut().for_each(|client| client.send(request.as_bytes()));
            let mut open = clients.iter_mut().collect::<Vec<_>>();
            let started = Instant::now();
            while !open.is_empty() {
                counted(|| self.look());
                self.upstream.answer();
                open.retain_mut(|client| {
                    let answer = client.answer();
                    let refused = answer.is_some_and(|text| !text.starts_with("HTTP/1.1 200 "));
                    assert!(!refused, "{name}: {}", answer.unwrap_or_default());
                    answer.is_none()
                });
                assert!(started.elapsed() < PATIENCE, "{name}: no answer");
            }
            CONNECTIONS
        });
    }

    /// Lets the servers do what there is to do.
    fn look(&self) {
        self.runtime.block_on(async {
            for _ in 0..LOOKS {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Creates something with the operator key, and returns the text that follows this in the answer.
    fn create(&self, path: &str, body: &str, before: &str) -> String {
        let mut client = Client::connect(self.api);
        client.send(post(path, body).as_bytes());
        let started = Instant::now();
        loop {
            self.look();
            if let Some(answer) = client.answer() {
                assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
                let (_, rest) = answer.split_once(before).expect("a field");
                return rest.split('"').next().unwrap_or_default().to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "{path}: no answer");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An authority with nothing but an operator key. Its jobs do not run.
async fn state(folder: &std::path::Path) -> AppState {
    let options = SqliteOptions::at(folder.join("claviger.db"));
    let authority = Authority::open(options, Settings::default(), Ports::system()).await.expect("a database");
    authority.first_start(folder, Some(OPERATOR.to_owned())).await.expect("an operator key");
    AppState { authority, edge: Arc::new(EdgeSettings::default()), metrics: Metrics::default() }
}

/// One route, as it would stand in a configuration.
fn routes(upstream: SocketAddr) -> Routes {
    let route =
        json!({"path": "/proxied", "action": "profile:read", "upstream": format!("http://{upstream}")});
    let route = serde_json::from_value::<RouteConfig>(route).expect("a route");
    Routes::new(&[route]).expect("a good route")
}

/// Serves on a free port for as long as the runtime lives.
async fn listen<M, S, B>(make: M) -> SocketAddr
where
    M: Fn(claviger_http::serve::Peer) -> S + Send + Sync + 'static,
    S: hyper::service::Service<Request<hyper::body::Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    tokio::spawn(serve_with(listener, ServeLimits::default(), make, stop, Duration::ZERO));
    address
}

/// hyper with a fixed answer, head and body as a verification has them.
async fn bare() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.set_nodelay(true);
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service_fn(fixed)));
        }
    });
    address
}

async fn fixed(_: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("x-request-id", HeaderValue::from_static("req_0123456789abcdef"));
    Ok(response)
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {OPERATOR}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
