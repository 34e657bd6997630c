//! Bodies that are large, broken, or abandoned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use crate::harness::{Behind, Gateway, PROMPT, Setup, Wire, eventually, get, ok, status};

#[tokio::test]
async fn both_bodies_stream_at_once() {
    // The upstream answers while it still reads.
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..5 {
            let chunk = wire.take(7).await;
            wire.send(chunk).await;
        }
        assert_eq!(wire.take(5).await, "0\r\n\r\n");
        wire.send("0\r\n\r\n").await;
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send("POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.head().await;
    for _ in 0..5 {
        wire.send("2\r\nhi\r\n").await;
        assert_eq!(wire.take(7).await, "2\r\nhi\r\n");
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.take(5).await, "0\r\n\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_all_before_it_reads_waits_forever() {
    const TOTAL: usize = 16 * 1024 * 1024;
    const PIECE: &[u8] = &[b'x'; 64 * 1024];
    // The answer begins at once, and is larger than all buffers.
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        let (mut reading, mut writing) = wire.stream.into_split();
        let answering = async {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {TOTAL}\r\n\r\n");
            writing.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..TOTAL / PIECE.len() {
                writing.write_all(PIECE).await.unwrap();
            }
        };
        let reading = async { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await };
        let _ = tokio::join!(answering, reading);
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send(format!("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: {TOTAL}\r\n\r\n")).await;
    for _ in 0..TOTAL / PIECE.len() {
        wire.send(PIECE).await;
    }
    assert_eq!(status(&wire.head().await), 200);
    wire.skip(TOTAL, || ()).await;
}

#[tokio::test]
async fn a_get_loses_its_body() {
    let behind = Behind::start(|mut wire, _| async move {
        let head = wire.head().await;
        let body = wire.until("0\r\n\r\n").await;
        wire.send(ok(&format!("{head}{body}"))).await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let request = get("/", "transfer-encoding: chunked\r\n") + "2\r\nhi\r\n0\r\n\r\n";
    assert!(gateway.ask(request).await.1.ends_with("\r\n\r\n2\r\nhi\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn errors_of_the_clients_body_are_taken_for_the_upstreams() {
    let clean = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&clean);
    let behind = Behind::start(move |mut wire, _| {
        let count = Arc::clone(&count);
        async move {
            wire.head().await;
            if wire.rest().await.ends_with("0\r\n\r\n") {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let setup = Setup { body_bytes_max: 100, ..Setup::default() };
    let gateway = Gateway::start(behind.address, setup).await;
    let chunked = "POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n";
    for broken in ["2\r\nhi\r\nx\r\n", "2\r\nhix\r\n", "-2\r\nhi\r\n", "2\r\nhi\r\n0\r\nbad trailer\r\n\r\n"]
    {
        let (head, body) = gateway.ask(format!("{chunked}{broken}")).await;
        assert_eq!((status(&head), body.as_str()), (400, "ClientBody"), "{broken}");
    }
    let large = format!("64\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", "x".repeat(100));
    let (head, body) = gateway.ask(format!("{chunked}{large}")).await;
    assert_eq!((status(&head), body.as_str()), (413, "BodyTooLarge"));
    // What is too large by its own word is refused before anybody is bothered.
    let before = behind.connections();
    let request =
        "POST / HTTP/1.1\r\nhost: example.com\r\nexpect: 100-continue\r\ncontent-length: 101\r\n\r\n";
    let (head, body) = gateway.ask(request).await;
    assert_eq!((status(&head), body.as_str()), (413, "BodyTooLarge"));
    assert_eq!((behind.connections(), clean.load(Ordering::SeqCst)), (before, 0));
}

#[tokio::test]
async fn a_truncated_answer_ends_as_if_it_were_complete() {
    for (answer, more, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi", "", "hi"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", "", "2\r\nhi\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", "x\r\n", "2\r\nhi\r\n"),
    ] {
        let behind = Behind::start(move |mut wire, _| async move {
            wire.head().await;
            wire.send(answer).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            wire.send(more).await;
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        let mut wire = gateway.connect().await;
        wire.send(get("/", "")).await;
        assert_eq!(status(&wire.head().await), 200);
        assert_eq!(wire.rest().await, body, "{answer}");
    }
}

/// The upstream says all that it ever will in one go. A client that got nothing of it would take its connection
/// for stale, and perhaps send the request again.
#[tokio::test]
async fn what_came_before_a_break_is_lost() {
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi", "hi"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", "2\r\nhi\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nx\r\n", "2\r\nhi\r\n"),
    ] {
        let behind = Behind::start(move |mut wire, _| async move {
            wire.head().await;
            wire.send(answer).await;
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        for _ in 0..10 {
            let mut wire = gateway.connect().await;
            wire.send("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n").await;
            assert_eq!(status(&wire.head().await), 200);
            assert_eq!(wire.rest().await, body, "{answer}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_lost() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.0 200 OK\r\n\r\nhi").await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    for _ in 0..2 {
        wire.send(get("/", "")).await;
        wire.head().await;
        assert_eq!(wire.until("0\r\n\r\n").await, "2\r\nhi\r\n0\r\n\r\n");
    }
}

#[tokio::test]
async fn an_abandoned_request_goes_on_upstream() {
    let cancelled = Arc::new(AtomicBool::new(false));
    // In turn: before the head of the answer, within its body, within the upload.
    for (request, answer) in [
        (get("/", ""), ""),
        (get("/", ""), "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi"),
        ("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\nhi".to_owned(), ""),
        (
            "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\nhi".to_owned(),
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi",
        ),
    ] {
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
        let mut wire = gateway.connect().await;
        wire.send(&request).await;
        if answer.is_empty() {
            eventually(|| behind.connections() == 1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            wire.head().await;
        }
        assert!(!cancelled.load(Ordering::SeqCst));
        let left = Instant::now();
        drop(wire);
        eventually(|| cancelled.load(Ordering::SeqCst)).await;
        assert!(left.elapsed() < PROMPT, "the upstream worked on for {:?}", left.elapsed());
    }
}
