//! Connections to upstreams that are used again, or better not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Behind, Gateway, SHORT, Setup, Wire, eventually, get, ok, status};

/// An upstream that answers the first request on its first connection and, when a second one comes there,
/// reads it and closes without a word. Counts the requests that reach it.
async fn dying(requests: Arc<AtomicUsize>) -> Behind {
    Behind::start(move |mut wire, number| {
        let requests = Arc::clone(&requests);
        async move {
            let mut served = 0;
            while wire.try_head().await.is_some() {
                requests.fetch_add(1, Ordering::SeqCst);
                if number == 0 && served == 1 {
                    return;
                }
                served += 1;
                wire.send(ok("hi")).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn connections_are_not_used_again() {
    let behind = Behind::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let gateway = Gateway::before(&behind).await;
    for _ in 0..5 {
        assert_eq!(gateway.get("/", "").await.1, "hi");
    }
    assert_eq!(behind.connections(), 1);
    let chunked =
        Behind::answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").await;
    let gateway = Gateway::before(&chunked).await;
    let mut wire = gateway.connect().await;
    for _ in 0..5 {
        wire.send(get("/", "")).await;
        wire.head().await;
        wire.until("0\r\n\r\n").await;
    }
    assert_eq!(chunked.connections(), 1);
    let echo = Behind::echoing().await;
    let gateway = Gateway::before(&echo).await;
    for _ in 0..5 {
        let post = "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 2\r\n\r\nhi";
        assert!(gateway.ask(post).await.1.ends_with("\r\n\r\nhi"));
    }
    assert_eq!(echo.connections(), 1);
}

#[tokio::test]
async fn a_get_on_a_dead_pooled_connection_is_sent_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let behind = dying(Arc::clone(&requests)).await;
    let gateway = Gateway::before(&behind).await;
    assert_eq!(gateway.get("/", "").await.1, "hi");
    assert_eq!(gateway.get("/", "").await.1, "hi");
    assert_eq!((behind.connections(), requests.load(Ordering::SeqCst)), (2, 3));
}

#[tokio::test]
async fn nothing_but_a_get_is_sent_again_on_a_dead_pooled_connection() {
    for post in [
        "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 2\r\n\r\nhi",
        "PUT / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 2\r\n\r\nhi",
        "PUT / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n",
        "DELETE / HTTP/1.1\r\nhost: example.com\r\n\r\n",
        "DELETE / HTTP/1.1\r\nhost: example.com\r\nif-match: \"r1\"\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nhost: example.com\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 2\r\n\r\nhi",
    ] {
        let requests = Arc::new(AtomicUsize::new(0));
        let behind = dying(Arc::clone(&requests)).await;
        let gateway = Gateway::before(&behind).await;
        assert_eq!(gateway.get("/", "").await.1, "hi");
        let (head, body) = gateway.ask(post).await;
        assert_eq!((status(&head), body.as_str()), (502, "UpstreamClosed"), "{post}");
        assert_eq!((behind.connections(), requests.load(Ordering::SeqCst)), (1, 2), "{post}");
    }
}

#[tokio::test]
async fn a_request_is_sent_again_and_again() {
    // Every connection answers once and dies on the second request; a fresh one dies at once.
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let behind = Behind::start(move |mut wire, number| {
        let count = Arc::clone(&count);
        async move {
            while wire.try_head().await.is_some() {
                if count.fetch_add(1, Ordering::SeqCst) > 0 || number > 0 {
                    return;
                }
                wire.send(ok("hi")).await;
            }
        }
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    assert_eq!(gateway.get("/", "").await.1, "hi");
    let (head, body) = gateway.get("/", "").await;
    assert_eq!((status(&head), body.as_str()), (502, "UpstreamClosed"));
    assert_eq!(requests.load(Ordering::SeqCst), 3, "one, its successor, and one copy of that");
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_is_used() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(ok("hi")).await;
        // The connection closes later, and without a `Connection: close`.
        tokio::time::sleep(Duration::from_millis(30)).await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    for round in 1..4 {
        let post = "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(status(&gateway.ask(post).await.0), 200, "round {round}");
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(behind.connections(), 3);
}

#[tokio::test]
async fn extra_bytes_after_an_answer_poison_the_next() {
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for pause in [Duration::ZERO, Duration::from_millis(30)] {
        let behind = Behind::start(move |mut wire, _| async move {
            while wire.try_head().await.is_some() {
                if pause.is_zero() {
                    wire.send(ok("hi") + evil).await;
                } else {
                    wire.send(ok("hi")).await;
                    tokio::time::sleep(pause).await;
                    wire.send(evil).await;
                }
            }
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        for _ in 0..3 {
            assert_eq!(gateway.get("/", "").await.1, "hi");
            tokio::time::sleep(pause * 4).await;
        }
        assert_eq!(behind.connections(), 3);
    }
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_is_kept() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ] {
        let behind = Behind::answering(answer).await;
        let gateway = Gateway::before(&behind).await;
        let mut wire = gateway.connect().await;
        for _ in 0..3 {
            assert_eq!(wire.ask(get("/", "")).await.1, "hi");
        }
        assert_eq!(behind.connections(), 3, "{answer}");
    }
}

#[tokio::test]
async fn idle_connections_are_kept_forever() {
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let behind = Behind::start(move |mut wire: Wire, _| {
        let count = Arc::clone(&count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            wire.head().await;
            wire.send(ok("hi")).await;
            wire.rest().await;
            count.fetch_sub(1, Ordering::SeqCst);
        }
    })
    .await;
    let mut setup = Setup::default();
    setup.proxy.idle_timeout = SHORT;
    let gateway = Gateway::start(behind.address, setup).await;
    assert_eq!(gateway.get("/", "").await.1, "hi");
    assert_eq!(open.load(Ordering::SeqCst), 1);
    eventually(|| open.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn an_upstream_gets_more_requests_than_it_may() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.rest().await;
    })
    .await;
    let mut setup = Setup::default();
    setup.proxy.requests_max = 1;
    setup.times.connect = SHORT;
    let gateway = Gateway::start(behind.address, setup).await;
    let mut first = gateway.connect().await;
    first.send(get("/", "")).await;
    eventually(|| behind.connections() == 1).await;
    let (head, body) = gateway.get("/", "").await;
    assert_eq!((status(&head), body.as_str()), (503, "UpstreamBusy"));
    // Whoever leaves makes room.
    drop(first);
    let mut second = gateway.connect().await;
    second.send(get("/", "")).await;
    eventually(|| behind.connections() == 2).await;
}
