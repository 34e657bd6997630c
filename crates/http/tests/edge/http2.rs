//! Clients that speak HTTP/2 with prior knowledge, well or badly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{
    Behind, Gateway, LONG, PROMPT, REFUSED, SHORT, Setup, Wire, eventually, field, ok, soon,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET http://a/` in HPACK, from the static table but for the authority.
const GET_ROOT: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

async fn connect(gateway: &Gateway) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn http2_is_not_spoken() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let mut sender = connect(&gateway).await;
    let uri = "http://example.com/a%2Fb//c?x=%20+";
    for round in 0..3 {
        let request = Request::get(uri).header("cookie", "a=1").header("cookie", "b=2");
        let request = request.header("x-claviger-subject", "evil").body(Full::default()).unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2), "{round}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let seen = std::str::from_utf8(&body).unwrap();
        assert_eq!(seen.lines().next(), Some("GET /a%2Fb//c?x=%20+ HTTP/1.1"));
        assert_eq!(field(seen, "host"), Some("example.com"));
        assert_eq!(field(seen, "cookie"), Some("a=1; b=2"));
        assert_eq!(field(seen, "x-claviger-subject"), Some("account:acct_1"));
    }
    let request = Request::post("http://example.com/").body(Full::from("hello")).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"\r\n\r\nhello"), "{}", body.escape_ascii());
    assert_eq!(behind.connections(), 1);
}

#[tokio::test]
async fn authority_and_host_disagree() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let mut sender = connect(&gateway).await;
    for (host, expect) in [("example.com", 200), ("other.com", 400)] {
        let request = Request::get("http://example.com/").header("host", host).body(Full::default()).unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status().as_u16(), expect, "{host}");
    }
}

#[tokio::test]
async fn an_abandoned_stream_goes_on_upstream() {
    let cancelled = Arc::new(AtomicBool::new(false));
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi"] {
        cancelled.store(false, Ordering::SeqCst);
        let flag = Arc::clone(&cancelled);
        let behind = Behind::start(move |mut wire: Wire, _| {
            let flag = Arc::clone(&flag);
            async move {
                wire.head().await;
                wire.send(answer).await;
                wire.rest().await;
                flag.store(true, Ordering::SeqCst);
            }
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        let mut sender = connect(&gateway).await;
        let request = Request::get("http://example.com/").body(Full::default()).unwrap();
        let mut asking = Box::pin(sender.send_request(request));
        let left = if answer.is_empty() {
            assert!(tokio::time::timeout(SHORT, &mut asking).await.is_err());
            assert_eq!(behind.connections(), 1);
            drop(asking);
            Instant::now()
        } else {
            let response = soon(asking).await.unwrap();
            assert!(!cancelled.load(Ordering::SeqCst));
            drop(response);
            Instant::now()
        };
        eventually(|| cancelled.load(Ordering::SeqCst)).await;
        assert!(left.elapsed() < PROMPT, "the upstream worked on for {:?}", left.elapsed());
        // The connection itself lives on.
        assert!(!sender.is_closed());
    }
}

#[tokio::test]
async fn an_abandoned_upload_goes_on_upstream() {
    let got = Arc::new(AtomicUsize::new(0));
    let cancelled = Arc::new(AtomicBool::new(false));
    let (count, flag) = (Arc::clone(&got), Arc::clone(&cancelled));
    let behind = Behind::start(move |mut wire, _| {
        let (count, flag) = (Arc::clone(&count), Arc::clone(&flag));
        async move {
            wire.head().await;
            wire.until("hello").await;
            count.fetch_add(1, Ordering::SeqCst);
            // Neither an end of the body, which would make half of it look like all, nor an endless wait.
            assert!(!wire.rest().await.contains("0\r\n\r\n"));
            flag.store(true, Ordering::SeqCst);
        }
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    // POST http://a/ in HPACK, and half a body.
    let post: &[u8] = &[0x83, 0x86, 0x84, 0x41, 0x01, b'a'];
    let mut said = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    said.extend(frame(HEADERS, END_HEADERS, 1, post));
    said.extend(frame(DATA, 0, 1, b"hello"));
    stream.write_all(&said).await.unwrap();
    eventually(|| got.load(Ordering::SeqCst) == 1).await;
    assert!(!cancelled.load(Ordering::SeqCst));
    let left = Instant::now();
    stream.write_all(&frame(RST_STREAM, 0, 1, &8u32.to_be_bytes())).await.unwrap();
    eventually(|| cancelled.load(Ordering::SeqCst)).await;
    assert!(left.elapsed() < PROMPT, "the upstream waited on for {:?}", left.elapsed());
}

/// An upload that is refused before its end is answered in full, and only then ended, without blame (RFC 9113
/// section 8.1): a client may throw away the answer if the stream is reset with anything else than NO_ERROR.
#[tokio::test]
async fn a_refusal_within_an_upload_gets_lost() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let path = [&[0x04, REFUSED.len() as u8], REFUSED.as_bytes()].concat();
    let post = [&[0x83, 0x86][..], &path, &[0x41, 0x01, b'a']].concat();
    let mut said = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    said.extend(frame(HEADERS, END_HEADERS, 1, &post));
    said.extend(frame(DATA, 0, 1, b"hello"));
    stream.write_all(&said).await.unwrap();
    let mut answer = Vec::new();
    let own = loop {
        soon(stream.read_buf(&mut answer)).await.unwrap();
        let mut frames = &answer[..];
        let mut own = Vec::new();
        while let Some(length) = frames.get(..3).map(|l| usize::from(l[1]) << 8 | usize::from(l[2])) {
            let Some(whole) = frames.get(..9 + length) else { break };
            if whole[8] == 1 {
                own.push((whole[3], whole[4] & END_STREAM, whole[9..].to_vec()));
            }
            frames = &frames[9 + length..];
        }
        if own.last().is_some_and(|(kind, ..)| *kind == RST_STREAM) {
            break own;
        }
    };
    let kinds = own.iter().map(|(kind, end, _)| (*kind, *end)).collect::<Vec<_>>();
    assert_eq!(kinds, [(HEADERS, 0), (DATA, END_STREAM), (RST_STREAM, 0)]);
    assert_eq!((&own[1].2[..], &own[2].2[..]), (&b"credentials_required"[..], &[0; 4][..]));
    assert_eq!(behind.connections(), 0);
}

#[tokio::test]
async fn a_truncated_answer_ends_as_if_it_were_complete() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut sender = connect(&gateway).await;
    let request = Request::get("http://example.com/").body(Full::default()).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert!(soon(response.into_body().collect()).await.is_err());
}

#[tokio::test]
async fn a_header_list_without_end() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let mut sender = connect(&gateway).await;
    let many = (0..400)
        .fold(Request::get("http://example.com/"), |request, n| request.header(format!("x-{n}"), "y"));
    let response = soon(sender.send_request(many.body(Full::default()).unwrap())).await.unwrap();
    assert_eq!(response.status().as_u16(), 400, "too many for HTTP/1 are too many here");
    let large =
        Request::get("http://example.com/").header("x", "y".repeat(40_000)).body(Full::default()).unwrap();
    match soon(sender.send_request(large)).await {
        Ok(response) => assert_eq!(response.status().as_u16(), 431),
        Err(error) => assert!(error.to_string().contains("http2"), "{error}"),
    }
    assert_eq!(behind.connections(), 0);
}

#[tokio::test]
async fn rapid_resets_cost_nothing() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let mut attack = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for stream in (1..20_000).step_by(2) {
        attack.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, GET_ROOT));
        attack.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    let attacking = tokio::spawn(async move {
        // It may well be cut off in the middle.
        let _ = writing.write_all(&attack).await;
        writing
    });
    let mut answer = Vec::new();
    let _ = soon(reading.read_to_end(&mut answer)).await;
    let mut frames = &answer[..];
    let mut kinds = Vec::new();
    while frames.len() >= 9 {
        kinds.push(frames[3]);
        let length = usize::from(frames[0]) << 16 | usize::from(frames[1]) << 8 | usize::from(frames[2]);
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    // The farewell may get lost in the reset of the connection; the connection must have ended.
    assert!(kinds.is_empty() || kinds.contains(&SETTINGS), "{kinds:?}");
    assert!(kinds.iter().filter(|kind| **kind == GOAWAY).count() <= 2, "{kinds:?}");
    drop(soon(attacking).await.unwrap());
    assert!(behind.connections() < 100, "{} requests got through", behind.connections());
}

#[tokio::test]
async fn an_idle_connection_stays() {
    let behind = Behind::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let mut setup = Setup::default();
    setup.serve.header_read_timeout = SHORT;
    // Pings keep the connection busy; they are no reason to keep it.
    setup.serve.h2_ping_interval = SHORT / 10;
    let gateway = Gateway::start(behind.address, setup).await;
    let mut sender = connect(&gateway).await;
    for _ in 0..4 {
        let request = Request::get("http://example.com/").body(Full::default()).unwrap();
        assert!(soon(sender.send_request(request)).await.is_ok());
        tokio::time::sleep(SHORT / 3).await;
    }
    eventually(|| sender.is_closed()).await;
}

#[tokio::test]
async fn the_drain_cuts_streams() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        tokio::time::sleep(SHORT).await;
        wire.send(ok("hi")).await;
    })
    .await;
    let setup = Setup { drain: LONG * 2, ..Setup::default() };
    let mut gateway = Gateway::start(behind.address, setup).await;
    let mut sender = connect(&gateway).await;
    let request = Request::get("http://example.com/").body(Full::default()).unwrap();
    let asking = tokio::spawn(sender.send_request(request));
    eventually(|| behind.connections() == 1).await;
    gateway.shutdown.cancel();
    let response = soon(asking).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hi");
    soon(&mut gateway.task).await.unwrap();
}
