//! Clients and upstreams that say nothing, or not enough, or take nothing.

use std::time::Duration;

use claviger_http::LeastSpeed;
use tokio::net::TcpListener;

use crate::harness::{Behind, Gateway, LONG, SHORT, Setup, Wire, get, ok, soon, status};

fn impatient_server() -> Setup {
    let mut setup = Setup::default();
    setup.serve.sniff_timeout = SHORT;
    setup.serve.header_read_timeout = SHORT;
    setup
}

fn impatient_proxy() -> Setup {
    let mut setup = Setup::default();
    setup.times.response_header = SHORT;
    setup.times.upload_idle = SHORT;
    setup.times.response_idle = SHORT;
    setup
}

#[tokio::test]
async fn clients_say_nothing_or_half_a_word() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::start(behind.address, impatient_server()).await;
    for said in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n\r\n",
        "G",
        "GET / HTTP/1.1\r\nhost: exa",
        "GET / HTTP/1.1\r\nhost: example.com\r\n",
        "\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut wire = gateway.connect().await;
        wire.send(said).await;
        wire.rest().await;
    }
}

#[tokio::test]
async fn a_head_comes_byte_by_byte() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::start(behind.address, impatient_server()).await;
    let mut wire = gateway.connect().await;
    wire.send("GET / HTTP/1.1\r\nhost: example.com\r\nx: ").await;
    soon(async {
        let dripped = async {
            loop {
                tokio::time::sleep(SHORT / 10).await;
                if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, b"x").await.is_err() {
                    return;
                }
            }
        };
        dripped.await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_stays_after_its_requests() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::start(behind.address, impatient_server()).await;
    let mut wire = gateway.connect().await;
    for _ in 0..6 {
        assert_eq!(status(&wire.ask(get("/", "")).await.0), 200);
        // Alive, for the limit counts from the last request.
        tokio::time::sleep(SHORT / 3).await;
    }
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_slow_answer_is_taken_for_idleness() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        tokio::time::sleep(SHORT * 4).await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhi").await;
        tokio::time::sleep(SHORT * 4).await;
        wire.send("hi").await;
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_server()).await;
    assert_eq!(gateway.get("/", "").await.1, "hihi");
}

#[tokio::test]
async fn a_client_takes_nothing() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\n\r\n").await;
        let chunk = vec![b'x'; 64 * 1024];
        while tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &chunk).await.is_ok() {}
    })
    .await;
    let mut setup = Setup::default();
    setup.serve.write_stall_timeout = SHORT;
    setup.drain = LONG * 2;
    let gateway = Gateway::start(behind.address, setup).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "")).await;
    wire.head().await;
    // Nothing is read from here on. The gateway gives up, so its drain has nothing to wait for.
    tokio::time::sleep(SHORT).await;
    gateway.shutdown.cancel();
    let mut gateway = gateway;
    soon(&mut gateway.task).await.unwrap();
}

#[tokio::test]
async fn a_long_upload_is_cut_although_it_gets_on() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.take(20).await;
        wire.send(ok("hi")).await;
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    let mut wire = gateway.connect().await;
    wire.send("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 20\r\n\r\n").await;
    for _ in 0..10 {
        wire.send("xx").await;
        tokio::time::sleep(SHORT / 3).await;
    }
    assert_eq!(wire.answer().await.1, "hi");
}

/// Each byte comes soon after the one before, and all of them would take for ever.
#[tokio::test]
async fn an_upload_that_drips_is_cut_unless_the_route_lets_it() {
    for (bytes_per_second, expect) in [(1_000, (408, "ClientTooSlow")), (0, (200, "hi"))] {
        let behind = Behind::start(|mut wire, _| async move {
            wire.head().await;
            wire.take(20).await;
            wire.send(ok("hi")).await;
        })
        .await;
        let mut setup = impatient_proxy();
        setup.times.upload_speed = LeastSpeed { grace: SHORT, bytes_per_second };
        let gateway = Gateway::start(behind.address, setup).await;
        let mut wire = gateway.connect().await;
        wire.send("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 20\r\n\r\n").await;
        for _ in 0..20 {
            // Once it is cut, nobody takes the rest.
            wire.try_send("x").await;
            tokio::time::sleep(SHORT / 3).await;
        }
        let (head, body) = wire.answer().await;
        assert_eq!((status(&head), body.as_str()), expect, "{bytes_per_second}");
    }
}

#[tokio::test]
async fn an_upload_stops() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    let mut wire = gateway.connect().await;
    wire.send("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 20\r\n\r\nxx").await;
    let (head, body) = wire.answer().await;
    assert_eq!((status(&head), body.as_str()), (408, "ClientTimeout"));
}

#[tokio::test]
async fn an_upstream_takes_nothing_of_an_upload() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        tokio::time::sleep(LONG).await;
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    let wire = gateway.connect().await;
    let (reading, mut writing) = wire.stream.into_split();
    let uploading = tokio::spawn(async move {
        let head = "POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut next = head;
        while tokio::io::AsyncWriteExt::write_all(&mut writing, next.as_bytes()).await.is_ok() {
            next = &chunk;
        }
    });
    // The answer may get lost in the reset that the rest of the upload causes, but the connection ends.
    let mut answer = Vec::new();
    let mut reading = reading;
    let _ = soon(tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 504"), "{answer}");
    soon(uploading).await.unwrap();
}

#[tokio::test]
async fn an_upstream_hangs() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    for request in
        [get("/", ""), "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 2\r\n\r\nhi".into()]
    {
        let (head, body) = gateway.ask(request).await;
        assert_eq!((status(&head), body.as_str()), (504, "UpstreamTimeout"));
    }
}

#[tokio::test]
async fn an_upstream_drips_its_head_or_interim_answers() {
    let behind = Behind::start(|mut wire, number| async move {
        wire.head().await;
        let drop = if number == 0 { "HTTP/1.1 100 Continue\r\n\r\n" } else { "H" };
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut wire.stream, drop.as_bytes()).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 10).await;
            if number == 1 {
                wire.rest().await;
                return;
            }
        }
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    for _ in 0..2 {
        assert_eq!(status(&gateway.get("/", "").await.0), 504);
    }
}

#[tokio::test]
async fn an_upstream_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = Gateway::start(address, Setup::default()).await;
    let (head, body) = gateway.get("/", "").await;
    assert_eq!((status(&head), body.as_str()), (502, "UpstreamUnreachable"));
}

#[tokio::test]
async fn an_answer_falls_silent() {
    let silent = |kind: &'static str| {
        Behind::start(move |mut wire: Wire, _| async move {
            wire.head().await;
            wire.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
            ))
            .await;
            wire.send("2\r\nhi\r\n").await;
            tokio::time::sleep(SHORT * 4).await;
            wire.send("2\r\nho\r\n0\r\n\r\n").await;
            wire.rest().await;
        })
    };
    let behind = silent("text/plain").await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "")).await;
    wire.head().await;
    assert_eq!(wire.rest().await, "2\r\nhi\r\n", "a body that broke off ends as if it were complete");

    // An event stream may be silent for longer.
    let behind = silent("text/event-stream").await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/", "")).await;
    wire.head().await;
    assert_eq!(wire.until("0\r\n\r\n").await, "2\r\nhi\r\n2\r\nho\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_that_gets_on_is_cut() {
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
        for _ in 0..10 {
            wire.send("x").await;
            tokio::time::sleep(SHORT / 3).await;
        }
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    assert_eq!(gateway.get("/", "").await.1, "xxxxxxxxxx");
}

#[tokio::test]
async fn an_early_answer_waits_for_a_long_upload() {
    // The head of the answer comes before the upload is over, its body after.
    let behind = Behind::start(|mut wire, _| async move {
        wire.head().await;
        wire.take(1).await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await;
        wire.take(19).await;
        wire.send("hi").await;
        wire.rest().await;
    })
    .await;
    let gateway = Gateway::start(behind.address, impatient_proxy()).await;
    let mut wire = gateway.connect().await;
    wire.send("POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 20\r\n\r\n").await;
    for _ in 0..20 {
        wire.send("x").await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(wire.answer().await.1, "hi");
}
