//! The server loop: panics, too many connections, and the drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use claviger_http::serve::{Peer, ServeLimits, serve, serve_with};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{Behind, Gateway, LONG, SHORT, Setup, Wire, eventually, get, ok, soon, status};

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server whose handler panics on `/panic`, sleeps on `/sleep`, and else answers at once.
async fn server(limits: ServeLimits, drain: Duration) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let (listener, address) = listener().await;
    let shutdown = CancellationToken::new();
    let service = service_fn(|request: Request<Incoming>| async move {
        match request.uri().path() {
            "/panic" => panic!("as asked"),
            "/sleep" => tokio::time::sleep(SHORT * 2).await,
            "/forever" => std::future::pending().await,
            _ => {}
        }
        let peer: &Peer = request.extensions().get().unwrap();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{peer:?}")))))
    });
    let task = tokio::spawn(serve(listener, limits, service, shutdown.clone(), drain));
    (address, shutdown, task)
}

#[tokio::test]
async fn the_peer_is_unknown() {
    let (address, ..) = server(ServeLimits::default(), LONG).await;
    let mut wire = Wire::connect(address).await;
    let peer = Peer { address: wire.stream.local_addr().unwrap(), local: address, tls: false };
    assert_eq!(wire.ask(get("/", "")).await.1, format!("{peer:?}"));
}

/// What hyper refuses before any service sees it is a problem document like everything else.
#[tokio::test]
async fn requests_that_cannot_be_read_get_a_problem_document() {
    let limits = ServeLimits { public_url: "https://keys.example".into(), ..ServeLimits::default() };
    let (address, ..) = server(limits, LONG).await;
    let many = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect::<String>();
    let check = async |request: String, status: u16, code: &str| {
        let mut wire = Wire::connect(address).await;
        wire.send(request.as_bytes()).await;
        let (rest, end) = wire.rest_and_end().await;
        let (head, body) = rest.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{rest}"));
        assert_eq!(head.split(' ').nth(1), Some(&*status.to_string()), "{head}");
        assert!(head.contains("application/problem+json") && head.contains("connection: close"), "{head}");
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&document["status"], &document["code"]), (&status.into(), &code.into()), "{body}");
        assert_eq!(document["message"], document["detail"]);
        assert_eq!(document["type"], format!("https://keys.example/problems/{code}"));
        assert!(claviger_http::problem::CODES.iter().any(|(known, ..)| *known == code));
        assert_eq!(end, Ok(()), "the connection ends properly, so that the client sees the answer");
    };
    check(
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(300_000)),
        431,
        "headers_too_large",
    )
    .await;
    check(format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431, "headers_too_large").await;
    check(format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(70_000)), 431, "headers_too_large").await;
    check("G\u{1}T / HTTP/1.1\r\n\r\n".to_owned(), 400, "bad_request").await;
    check("GET / HTTP/9.9\r\n\r\n".to_owned(), 400, "bad_request").await;
    check("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400, "bad_request").await;
    check("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".to_owned(), 400, "bad_request").await;
    check("GET http://[ HTTP/1.1\r\n\r\n".to_owned(), 400, "bad_request").await;
    // An answer of a service stays as it is, also on the same connection before such a request.
    let mut wire = Wire::connect(address).await;
    assert_eq!(status(&wire.ask(get("/", "")).await.0), 200);
    wire.send("nonsense\r\n\r\n").await;
    let rest = wire.rest().await;
    assert!(rest.starts_with("HTTP/1.1 400") && rest.contains("\"bad_request\""), "{rest}");
}

#[tokio::test]
async fn a_service_per_connection_knows_its_peer() {
    let (listener, address) = listener().await;
    let make = |peer: Peer| {
        service_fn(move |_| async move {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(peer.address.to_string()))))
        })
    };
    let shutdown = CancellationToken::new();
    tokio::spawn(serve_with(listener, ServeLimits::default(), make, shutdown, LONG));
    let mut wire = Wire::connect(address).await;
    let expect = wire.stream.local_addr().unwrap().to_string();
    assert_eq!(wire.ask(get("/", "")).await.1, expect);
}

#[tokio::test]
async fn a_panic_kills_the_server() {
    let limits = ServeLimits { connections_max: 1, ..ServeLimits::default() };
    let (address, ..) = server(limits, LONG).await;
    for _ in 0..3 {
        let mut wire = Wire::connect(address).await;
        wire.send(get("/panic", "")).await;
        assert_eq!(wire.rest().await, "");
    }
    assert_eq!(status(&Wire::connect(address).await.ask(get("/", "")).await.0), 200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_out_of_turn() {
    let (address, ..) = server(ServeLimits::default(), LONG).await;
    let mut wire = Wire::connect(address).await;
    wire.send(get("/sleep", "") + &get("/", "")).await;
    for _ in 0..2 {
        assert_eq!(status(&wire.answer().await.0), 200);
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_served() {
    let limits = ServeLimits { connections_max: 2, ..ServeLimits::default() };
    let (address, ..) = server(limits, LONG).await;
    let mut first = Wire::connect(address).await;
    let mut second = Wire::connect(address).await;
    first.ask(get("/", "")).await;
    second.ask(get("/", "")).await;
    let mut third = Wire::connect(address).await;
    third.send(get("/", "")).await;
    let waiting = tokio::time::timeout(SHORT, third.answer()).await;
    assert!(waiting.is_err(), "the third was served beside two");
    drop(first);
    assert_eq!(status(&third.answer().await.0), 200);
}

#[tokio::test]
async fn the_drain_cuts_requests_or_waits_for_idle_connections() {
    let (address, shutdown, task) = server(ServeLimits::default(), LONG * 2).await;
    let mut idle = Wire::connect(address).await;
    idle.ask(get("/", "")).await;
    let mut silent = Wire::connect(address).await;
    let mut busy = Wire::connect(address).await;
    busy.send(get("/sleep", "")).await;
    // One answer says that the three before it have been accepted.
    Wire::connect(address).await.ask(get("/", "")).await;
    shutdown.cancel();
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    let (head, _) = busy.answer().await;
    assert_eq!(status(&head), 200);
    assert_eq!(busy.rest().await, "");
    soon(task).await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn the_drain_has_no_end() {
    let (address, shutdown, task) = server(ServeLimits::default(), SHORT).await;
    let mut busy = Wire::connect(address).await;
    busy.send(get("/forever", "")).await;
    let mut half = Wire::connect(address).await;
    half.send("GET / HTTP/1.1\r\n").await;
    Wire::connect(address).await.ask(get("/", "")).await;
    shutdown.cancel();
    soon(task).await.unwrap();
    assert_eq!(busy.rest().await, "");
    assert_eq!(half.rest().await, "");
}

#[tokio::test]
async fn the_drain_cuts_answers_that_stream() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhi").await;
        tokio::time::sleep(SHORT * 2).await;
        wire.send("ho").await;
        wire.rest().await;
    })
    .await;
    let setup = Setup { drain: LONG * 2, ..Setup::default() };
    let mut gateway = Gateway::start(behind.address, setup).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "")).await;
    wire.head().await;
    assert_eq!(wire.take(2).await, "hi");
    gateway.shutdown.cancel();
    assert_eq!(wire.take(2).await, "ho");
    assert_eq!(wire.rest().await, "");
    soon(&mut gateway.task).await.unwrap();
}

#[tokio::test]
async fn dropping_the_server_leaves_upstreams_busy() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(ok("hi")).await;
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    assert_eq!(wire.ask(get("/", "")).await.1, "hi");
    drop(wire);
    gateway.shutdown.cancel();
    eventually(|| gateway.task.is_finished()).await;
}
