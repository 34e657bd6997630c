//! Upgrades: only where asked for, and no longer than the gateway lives.

use crate::harness::{Behind, Gateway, SHORT, Setup, eventually, field, get, ok, soon, status};

const UPGRADE: &str = "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: k\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: a\r\nx-claviger-subject: evil\r\n";

/// Switches and then sends everything back; says how many tunnels are open by holding them.
async fn switching() -> Behind {
    Behind::start(|mut wire, _| async move {
        let head = wire.head().await;
        assert_eq!(field(&head, "upgrade"), Some("websocket"), "{head}");
        assert_eq!(field(&head, "connection"), Some("upgrade"), "{head}");
        assert_eq!(field(&head, "sec-websocket-key"), Some("k"), "{head}");
        assert_eq!(field(&head, "x-claviger-subject"), Some("account:acct_1"), "{head}");
        // The first words come with the head.
        wire.send(format!("{SWITCH}\r\nhello")).await;
        let (mut reading, mut writing) = wire.stream.into_split();
        let _ = tokio::io::copy(&mut reading, &mut writing).await;
    })
    .await
}

#[tokio::test]
async fn a_tunnel_carries_both_ways() {
    let behind = switching().await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/ws", UPGRADE)).await;
    let head = wire.head().await;
    assert_eq!(status(&head), 101);
    assert_eq!(field(&head, "upgrade"), Some("websocket"));
    assert_eq!(field(&head, "connection"), Some("upgrade"));
    assert_eq!(field(&head, "sec-websocket-accept"), Some("a"));
    assert!(!head.contains("evil"), "{head}");
    assert_eq!(wire.take(5).await, "hello");
    for word in ["one", "two", "three"] {
        wire.send(word).await;
        assert_eq!(wire.take(word.len()).await, word);
    }
    assert_eq!(gateway.tunnels.open(), 1);
    drop(wire);
    eventually(|| gateway.tunnels.open() == 0).await;
}

#[tokio::test]
async fn the_drain_waits_for_tunnels() {
    let behind = switching().await;
    let mut gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/ws", UPGRADE)).await;
    wire.head().await;
    assert_eq!(wire.take(5).await, "hello");
    gateway.shutdown.cancel();
    assert_eq!(wire.rest().await, "");
    soon(gateway.tunnels.ended()).await;
    soon(&mut gateway.task).await.unwrap();
}

#[tokio::test]
async fn a_tunnel_is_silent_forever() {
    let behind = switching().await;
    let mut setup = Setup::default();
    setup.times.tunnel_idle = SHORT;
    let gateway = Gateway::start(behind.address, setup).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/ws", UPGRADE)).await;
    wire.head().await;
    wire.take(5).await;
    for _ in 0..6 {
        wire.send("x").await;
        assert_eq!(wire.take(1).await, "x");
        tokio::time::sleep(SHORT / 3).await;
    }
    assert_eq!(wire.rest().await, "");
}

#[tokio::test]
async fn a_tunnel_counts_as_no_connection() {
    let behind = switching().await;
    let mut setup = Setup::default();
    setup.serve.connections_max = 1;
    let gateway = Gateway::start(behind.address, setup).await;
    let mut wire = gateway.connect().await;
    wire.send(get("/ws", UPGRADE)).await;
    wire.head().await;
    wire.take(5).await;
    let mut second = gateway.connect().await;
    second.send(get("/ws", UPGRADE)).await;
    tokio::time::sleep(SHORT).await;
    assert_eq!(behind.connections(), 1, "the tunnel's slot was given away");
    drop(wire);
    assert_eq!(status(&second.head().await), 101);
}

#[tokio::test]
async fn upgrades_that_are_not_for_us_are_passed_on() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let host = "host: example.com\r\n";
    for request in [
        get("/", "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n"),
        get("/", "connection: upgrade\r\nupgrade: websocket, h2c\r\n"),
        get("/", "connection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n"),
        get("/", "connection: upgrade\r\nupgrade: TLS/1.0\r\n"),
        get("/", "upgrade: websocket\r\n"),
        format!("POST / HTTP/1.1\r\n{host}{UPGRADE}content-length: 2\r\n\r\nhi"),
        format!("GET / HTTP/1.1\r\n{host}{UPGRADE}content-length: 2\r\n\r\nhi"),
        format!("GET / HTTP/1.0\r\n{host}{UPGRADE}\r\n"),
    ] {
        let (head, seen) = gateway.ask(&request).await;
        assert_eq!(status(&head), 200, "{request}");
        assert_eq!((field(&seen, "upgrade"), field(&seen, "connection")), (None, None), "{seen}");
    }
}

#[tokio::test]
async fn an_upgrade_that_the_upstream_refuses_hangs() {
    let behind = Behind::start(|mut wire, _| async move {
        while wire.try_head().await.is_some() {
            wire.send(ok("no")).await;
        }
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    for _ in 0..2 {
        assert_eq!(wire.ask(get("/ws", UPGRADE)).await.1, "no");
    }
    assert_eq!((behind.connections(), gateway.tunnels.open()), (1, 0));
}

#[tokio::test]
async fn an_upstream_switches_to_something_else() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let behind = Behind::answering(answer).await;
        let gateway = Gateway::before(&behind).await;
        let (head, body) = gateway.get("/ws", UPGRADE).await;
        assert_eq!((status(&head), body.as_str()), (502, "UpstreamProtocol"), "{answer}");
    }
}
