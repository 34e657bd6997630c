//! A gateway in this process, with an application behind it that answers with the head of what reached it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use claviger_http::gate::proxy::{Proxy, ProxyLimits, Tunnels};
use claviger_http::gate::{Gate, GatewayService, RouteConfig, Routes};
use claviger_http::serve::{Peer, ServeLimits, serve_with};
use claviger_http::state::{AppState, EdgeSettings};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::house::House;

#[derive(serde::Deserialize)]
struct File {
    routes: Vec<RouteConfig>,
}

pub(crate) struct Front {
    pub(crate) address: String,
    /// Connections that the application has had.
    pub(crate) connections: Arc<AtomicUsize>,
}

/// The application's answer: the head of the request, which every server reads its own way, as text.
async fn application(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut seen = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        seen.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    let answer = Response::new(Full::new(Bytes::from(seen + "served")));
    Ok(answer)
}

impl Front {
    /// Starts it with these routes, whose upstream is `http://UPSTREAM`.
    pub(crate) async fn start(state: &AppState, routes: &str) -> Self {
        let (front, back) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let address = front.local_addr().unwrap().to_string();
        let file = routes.replace("UPSTREAM", &back.local_addr().unwrap().to_string());
        let file: File = toml::from_str(&file).unwrap();
        let stop = CancellationToken::new();
        let (drain, connections) = (Duration::from_secs(1), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        let behind = move |_: Peer| {
            count.fetch_add(1, Ordering::SeqCst);
            service_fn(application)
        };
        tokio::spawn(serve_with(back, ServeLimits::default(), behind, stop.clone(), drain));
        let gate = Gate::new(state.clone(), Routes::new(&file.routes).unwrap());
        let proxy = Proxy::new(ProxyLimits::default(), Tunnels::new(stop.clone()));
        let make = move |peer| GatewayService::new(gate.clone(), proxy.clone(), peer);
        tokio::spawn(serve_with(front, ServeLimits::default(), make, stop, drain));
        Self { address, connections }
    }

    /// The same behind a proxy on this machine that is trusted.
    pub(crate) async fn behind_a_proxy(house: &mut House, routes: &str) -> Self {
        let edge = EdgeSettings {
            trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
            ..(*house.state.edge).clone()
        };
        house.state.edge = Arc::new(edge);
        Self::start(&house.state, routes).await
    }

    /// The whole answer to a request with these header lines.
    pub(crate) async fn ask(&self, method: &str, path: &str, lines: &str) -> String {
        ask(&self.address, method, path, lines).await
    }
}

/// The whole answer to a request with these header lines, each with its line end.
pub(crate) async fn ask(address: &str, method: &str, path: &str, lines: &str) -> String {
    let host = if lines.to_ascii_lowercase().starts_with("host:") { "" } else { "host: a\r\n" };
    raw(address, &format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n{lines}\r\n")).await
}

/// Everything that comes until the connection ends.
pub(crate) async fn raw(address: &str, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// The value of a header in the head of an answer, or of the request that the application shows in its body; the
/// name in lower case. Panics if it is there twice.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut values =
        text.lines().filter_map(|line| line.split_once(": ")).filter(|(known, _)| *known == name);
    let value = values.next().map(|(_, value)| value);
    assert!(values.next().is_none(), "{name} is there twice: {text}");
    value
}

/// The code of a problem.
pub(crate) fn code(answer: &str) -> &str {
    let code = answer.split_once("\"code\":\"").map_or("", |(_, rest)| rest);
    code.split('"').next().unwrap_or_default()
}
