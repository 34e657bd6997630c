//! Messages that two parsers could read differently.

use crate::harness::{Behind, Gateway, field, fields, get, status};

const HOST: &str = "host: example.com\r\n";

/// Sends a request and expects a refusal with this status, a problem document if hyper makes it (no code), and nothing
/// upstream.
async fn refused(gateway: &Gateway, behind: &Behind, request: &str, expect: u16, code: &str) {
    let before = behind.connections();
    let (head, body) = gateway.ask(request).await;
    let of_hyper = code.is_empty();
    if of_hyper {
        let document: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status(&head), &document["status"]), (expect, &expect.into()), "{request}");
        assert_eq!(field(&head, "content-type"), Some("application/problem+json"), "{request}");
    } else {
        assert_eq!((status(&head), body.as_str()), (expect, code), "{request}");
    }
    assert_eq!(behind.connections(), before, "{request} reached the upstream");
}

#[tokio::test]
async fn methods_targets_and_hosts_that_mean_something_else() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    for (line, headers, expect, code) in [
        ("CONNECT example.com:80 HTTP/1.1", HOST, 400, "connect_not_supported"),
        ("TRACE / HTTP/1.1", HOST, 400, "trace_not_supported"),
        ("OPTIONS * HTTP/1.1", HOST, 400, "target_without_path"),
        ("GET example.com:80 HTTP/1.1", HOST, 400, "target_without_path"),
        ("GET http://example.com?x HTTP/1.1", HOST, 400, "target_without_path"),
        ("GET a HTTP/1.1", HOST, 400, "target_without_path"),
        ("GET ftp://example.com/ HTTP/1.1", HOST, 400, "target_scheme_not_supported"),
        ("GET / HTTP/1.1", "", 400, "host_missing"),
        ("GET / HTTP/1.0", "", 400, "host_missing"),
        ("GET / HTTP/1.1", "host: a\r\nhost: b\r\n", 400, "host_repeated"),
        ("GET / HTTP/1.1", "host: a\r\nhost: a\r\n", 400, "host_repeated"),
        ("GET / HTTP/1.1", "host: \r\n", 400, "host_invalid"),
        ("GET / HTTP/1.1", "host: u@a\r\n", 400, "host_invalid"),
        ("GET http://other.com/ HTTP/1.1", HOST, 400, "host_mismatch"),
        // These hyper refuses.
        ("GET ?x HTTP/1.1", HOST, 400, ""),
        ("GET  / HTTP/1.1", HOST, 400, ""),
        ("GET / HTTP/1.1", "host : example.com\r\n", 400, ""),
        ("GET / HTTP/1.1", "host: example.com\r\nx-a: 1\r\n folded: 2\r\n", 400, ""),
        ("GET / HTTP/1.1", "host: example.com\r\n x-a: 1\r\n", 400, ""),
        ("GET / HTTP/1.1", "host: example.com\r\nx-a\r\n", 400, ""),
        ("GET / HTTP/1.1", "host: example.com\r\nx-a: 1\rx-b: 2\r\n", 400, ""),
        ("GET / HTTP/1.1", "host: example.com\r\nx-a: \0\r\n", 400, ""),
        ("GET / HTTP/2.0", HOST, 400, ""),
    ] {
        refused(&gateway, &behind, &format!("{line}\r\n{headers}\r\n"), expect, code).await;
    }
}

#[tokio::test]
async fn a_body_is_framed_in_two_ways() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let post = |lines: &str| format!("POST / HTTP/1.1\r\n{HOST}{lines}\r\n0\r\n\r\n");
    let unsupported = "transfer_encoding_not_supported";
    for (lines, code) in [
        ("transfer-encoding: gzip, chunked\r\n", unsupported),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", unsupported),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", unsupported),
        // These hyper refuses, without a body.
        ("transfer-encoding: gzip\r\n", ""),
        ("transfer-encoding: chunked, gzip\r\n", ""),
        ("transfer-encoding: chunked;x\r\n", ""),
        ("transfer-encoding: \x0bchunked\r\n", ""),
        ("content-length: 5\r\ncontent-length: 6\r\n", ""),
        ("content-length: 5, 5\r\n", ""),
        ("content-length: +5\r\n", ""),
        ("content-length: -5\r\n", ""),
        ("content-length: 0x5\r\n", ""),
        ("content-length: \r\n", ""),
        ("content-length: 99999999999999999999\r\n", ""),
    ] {
        refused(&gateway, &behind, &post(lines), 400, code).await;
    }
    let old = format!("POST / HTTP/1.0\r\n{HOST}transfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    refused(&gateway, &behind, &old, 400, "").await;
}

#[tokio::test]
async fn both_length_and_encoding_smuggle_a_request() {
    // hyper takes the encoding, drops the length, and closes the connection after the answer, as RFC 9112
    // section 6.3 has it: the request that hides behind is never read.
    for lines in [
        "content-length: 40\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 40\r\n",
        "content-length: 40\r\ntransfer-encoding: chunked\r\ncontent-length: 41\r\n",
    ] {
        let behind = Behind::start(|mut wire, _| async move {
            let head = wire.head().await;
            let body = wire.until("0\r\n\r\n").await;
            let seen = format!("{head}{body}");
            wire.send(crate::harness::ok(&seen)).await;
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        let mut wire = gateway.connect().await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: example.com\r\n\r\n";
        wire.send(format!("POST / HTTP/1.1\r\n{HOST}{lines}\r\n0\r\n\r\n{smuggled}")).await;
        let (head, seen) = wire.answer().await;
        assert_eq!(status(&head), 200, "{lines}");
        assert_eq!(field(&seen, "transfer-encoding"), Some("chunked"));
        assert_eq!(fields(&seen, "content-length").count(), 0, "{seen}");
        assert_eq!(wire.rest().await, "", "the connection goes on after {lines}");
        assert_eq!(behind.connections(), 1);
    }
}

#[tokio::test]
async fn targets_are_changed_on_the_way() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    for target in [
        "/a%2Fb//c?x=%20+",
        "/",
        "//",
        "/?",
        "/a/../b/./c",
        "/%2e%2E/%00?a=b?c=d&e",
        "/a;b=c,d:@!$&'()*~",
        "/\u{e9}?\u{fc}",
        "/a{b}\"c\"|d",
    ] {
        let (head, seen) = gateway.get(target, "").await;
        assert_eq!(status(&head), 200, "{target}");
        assert_eq!(seen.lines().next(), Some(format!("GET {target} HTTP/1.1").as_str()));
    }
    let (_, seen) = gateway.ask(format!("GET http://EXAMPLE.com:80/a?b HTTP/1.1\r\n{HOST}\r\n")).await;
    assert_eq!(seen.lines().next(), Some("GET /a?b HTTP/1.1"));
}

#[tokio::test]
async fn too_many_or_too_large_header_fields() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let many = "x: y\r\n".repeat(100);
    refused(&gateway, &behind, &get("/", &many), 431, "").await;
    let large = format!("x: {}\r\n", "y".repeat(40_000));
    let (head, _) = gateway.get("/", &large).await;
    assert_eq!(status(&head), 431);
    let long = format!("/{}", "a".repeat(70_000));
    let (head, _) = gateway.get(&long, "").await;
    assert!([414, 431].contains(&status(&head)), "{head}");
    assert_eq!(behind.connections(), 0);
}

#[tokio::test]
async fn answers_that_cannot_be_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: 1\r\n folded: 2\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a : 1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/1.1 99 Odd\r\n\r\n",
    ] {
        let behind = Behind::answering(answer).await;
        let gateway = Gateway::before(&behind).await;
        let (head, body) = gateway.get("/", "").await;
        assert_eq!(status(&head), 502, "{answer}: {head}");
        assert!(["UpstreamResponse", "UpstreamProtocol"].contains(&body.as_str()), "{answer}: {body}");
        assert_eq!(behind.connections(), 1, "{answer} was asked for again");
    }
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(100_000));
    let behind = Behind::start(move |mut wire, _| {
        let large = large.clone();
        async move {
            wire.head().await;
            wire.send(large).await;
            wire.rest().await;
        }
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    assert_eq!(status(&gateway.get("/", "").await.0), 502);
}

#[tokio::test]
async fn answers_that_need_care() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let behind = Behind::answering(chunked).await;
    let gateway = Gateway::before(&behind).await;
    // An HTTP/1.0 client knows no chunks.
    let mut wire = gateway.connect().await;
    wire.send(format!("GET / HTTP/1.0\r\n{HOST}\r\n")).await;
    let head = wire.head().await;
    assert_eq!((field(&head, "transfer-encoding"), wire.rest().await.as_str()), (None, "hi"), "{head}");

    // The answer to HEAD keeps its length and has no body.
    let behind = Behind::answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    for _ in 0..2 {
        wire.send(format!("HEAD / HTTP/1.1\r\n{HOST}\r\n")).await;
        assert_eq!(field(&wire.head().await, "content-length"), Some("1234"));
    }
    assert_eq!(behind.connections(), 1);

    // 204 and 304 have neither.
    for code in [204, 304] {
        let behind = Behind::start(move |mut wire, _| async move {
            while wire.try_head().await.is_some() {
                wire.send(format!("HTTP/1.1 {code} X\r\ncontent-length: 5\r\netag: \"a\"\r\n\r\n")).await;
            }
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        let mut wire = gateway.connect().await;
        for _ in 0..2 {
            let (head, _) = wire.ask(get("/", "")).await;
            assert_eq!((status(&head), field(&head, "content-length")), (code, None), "{head}");
            assert_eq!(field(&head, "etag"), Some("\"a\""));
        }
    }

    // Interim answers are for us; equal lengths are merged.
    let behind = Behind::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    )
    .await;
    let gateway = Gateway::before(&behind).await;
    let (head, body) = gateway.get("/", "").await;
    assert_eq!((status(&head), body.as_str()), (200, "hi"));
}
