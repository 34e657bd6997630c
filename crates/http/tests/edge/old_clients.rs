//! Clients of HTTP/1.0: they know no chunks, so the end of the connection is the end of an answer whose length
//! nobody told beforehand. What breaks off must not look like that.

use std::io::ErrorKind;

use crate::harness::{Behind, Gateway, SHORT, Setup, field, ok, soon, status};

const OLD: &str = "GET / HTTP/1.0\r\nhost: example.com\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";

#[tokio::test]
async fn a_truncated_answer_looks_complete() {
    for (answer, more) in [(CHUNKED, ""), (CHUNKED, "x\r\n"), (CHUNKED, "5\r\nho")] {
        let behind = Behind::start(move |mut wire, _| async move {
            wire.head().await;
            wire.send(answer).await;
            tokio::time::sleep(SHORT / 4).await;
            wire.send(more).await;
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        let mut wire = gateway.connect().await;
        wire.send(OLD).await;
        let head = wire.head().await;
        assert_eq!((status(&head), field(&head, "content-length")), (200, None), "{head}");
        assert_eq!(field(&head, "transfer-encoding"), None, "{head}");
        let (body, end) = wire.rest_and_end().await;
        assert!("hiho".starts_with(&body) && body.starts_with("hi"), "{body}");
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "after {more:?} it looks complete");
    }
}

#[tokio::test]
async fn a_complete_answer_looks_broken() {
    let until_close = "HTTP/1.0 200 OK\r\n\r\nhi";
    for answer in [format!("{CHUNKED}0\r\n\r\n"), until_close.to_owned(), ok("hi"), ok("")] {
        let expect = if answer == ok("") { "" } else { "hi" };
        let behind = Behind::start(move |mut wire, _| {
            let answer = answer.clone();
            async move {
                wire.head().await;
                wire.send(answer).await;
            }
        })
        .await;
        let gateway = Gateway::before(&behind).await;
        for _ in 0..3 {
            let mut wire = gateway.connect().await;
            wire.send(OLD).await;
            wire.head().await;
            assert_eq!(wire.rest_and_end().await, (expect.to_owned(), Ok(())));
        }
    }
}

#[tokio::test]
async fn a_known_length_needs_no_reset() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhi").await;
        tokio::time::sleep(SHORT / 4).await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send(OLD).await;
    assert_eq!(field(&wire.head().await, "content-length"), Some("10"));
    // The client counts, and what it has got is not taken from it again.
    assert_eq!(wire.rest_and_end().await, ("hi".to_owned(), Ok(())));
}

#[tokio::test]
async fn an_answer_that_the_drain_cuts_looks_complete() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send(CHUNKED).await;
        wire.rest().await;
    })
    .await;
    let setup = Setup { drain: SHORT, ..Setup::default() };
    let mut gateway = Gateway::start(behind.address, setup).await;
    let mut wire = gateway.connect().await;
    wire.send(OLD).await;
    wire.head().await;
    assert_eq!(wire.take(2).await, "hi");
    gateway.shutdown.cancel();
    assert_eq!(wire.rest_and_end().await, (String::new(), Err(ErrorKind::ConnectionReset)));
    soon(&mut gateway.task).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_to_stay_is_closed() {
    let behind = Behind::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    for _ in 0..3 {
        let (head, body) =
            wire.ask("GET / HTTP/1.0\r\nhost: example.com\r\nconnection: keep-alive\r\n\r\n").await;
        assert_eq!((field(&head, "connection"), body.as_str()), (Some("keep-alive"), "hi"), "{head}");
    }
    // And not kept where the client did not ask for it.
    assert_eq!(wire.ask(OLD).await.1, "hi");
    assert_eq!(wire.rest_and_end().await, (String::new(), Ok(())));
}
