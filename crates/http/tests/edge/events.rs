//! Event streams: each event is passed on at once, and silence between events is no failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::harness::{Behind, Gateway, PROMPT, SHORT, Setup, Wire, eventually, field, get, soon};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
                    transfer-encoding: chunked\r\n\r\n";

fn event(n: usize) -> String {
    let event = format!("id: {n}\ndata: {n}\n\n");
    format!("{:X}\r\n{event}\r\n", event.len())
}

#[tokio::test]
async fn an_event_waits_for_the_next() {
    let behind = Behind::start(|mut wire: Wire, _| async move {
        wire.head().await;
        wire.send(HEAD).await;
        for n in 0..20 {
            wire.send(event(n)).await;
            // Nothing follows for a while, and nothing else ever makes the gateway write.
            tokio::time::sleep(SHORT / 10).await;
        }
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "accept: text/event-stream\r\n")).await;
    let head = wire.head().await;
    assert_eq!(field(&head, "content-type"), Some("text/event-stream"));
    let mut came = Vec::new();
    for n in 0..20 {
        assert_eq!(wire.take(event(n).len()).await, event(n));
        came.push(Instant::now());
    }
    let spread = came[19] - came[0];
    assert!(spread >= SHORT, "the events came all at once, within {spread:?}");
}

#[tokio::test]
async fn a_stream_is_cut_for_its_silence_or_lives_without_end() {
    let closed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&closed);
    let behind = Behind::start(move |mut wire: Wire, _| {
        let flag = Arc::clone(&flag);
        async move {
            wire.head().await;
            wire.send(HEAD).await;
            for n in 0..3 {
                wire.send(event(n)).await;
                tokio::time::sleep(SHORT * 3).await;
            }
            wire.rest().await;
            flag.store(true, Ordering::SeqCst);
        }
    })
    .await;
    let mut setup = Setup::default();
    setup.times.response_idle = SHORT;
    setup.times.event_stream_idle = SHORT * 6;
    let gateway = Gateway::start(behind.address, setup).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "")).await;
    wire.head().await;
    for n in 0..3 {
        assert_eq!(wire.take(event(n).len()).await, event(n), "silence of {:?} cut it", SHORT * 3);
    }
    // Its own limit holds, and the end is not that of a complete body.
    assert_eq!(wire.rest().await, "");
    eventually(|| closed.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_reader_who_leaves_is_noticed_at_the_next_event() {
    let closed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&closed);
    let behind = Behind::start(move |mut wire: Wire, _| {
        let flag = Arc::clone(&flag);
        async move {
            wire.head().await;
            wire.send(format!("{HEAD}{}", event(0))).await;
            // No further event is sent: the silence itself has to end.
            wire.rest().await;
            flag.store(true, Ordering::SeqCst);
        }
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "")).await;
    wire.head().await;
    wire.take(event(0).len()).await;
    let left = Instant::now();
    drop(wire);
    soon(eventually(|| closed.load(Ordering::SeqCst))).await;
    assert!(left.elapsed() < PROMPT, "{:?}", left.elapsed());
}
