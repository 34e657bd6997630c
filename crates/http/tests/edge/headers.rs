//! Identity and hop-by-hop fields, in both directions.

use crate::harness::{Behind, Gateway, REFUSED, Setup, field, get, ok, status};

#[tokio::test]
async fn connection_names_identity_host_or_content_length() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let named = "x-claviger-subject, host, content-length, authorization, x-claviger-grants";
    let request = format!(
        "POST /a HTTP/1.1\r\nhost: example.com\r\nconnection: {named}\r\nauthorization: mine\r\n\
         x-claviger-subject: account:evil\r\ncontent-length: 2\r\n\r\nhi"
    );
    let (_, seen) = gateway.ask(request).await;
    assert_eq!(field(&seen, "x-claviger-subject"), Some("account:acct_1"), "{seen}");
    assert_eq!(field(&seen, "x-claviger-grants"), Some(""), "{seen}");
    assert_eq!(field(&seen, "host"), Some("example.com"));
    assert_eq!(field(&seen, "content-length"), Some("2"));
    assert_eq!(field(&seen, "authorization"), Some("mine"));
    assert_eq!(field(&seen, "connection"), None);
}

#[tokio::test]
async fn identity_is_forged_in_other_spellings() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let lines = "X_Claviger_Subject: account:evil\r\nX.Claviger.Authority: account:evil\r\n\
                 X-Claviger-Subject: account:evil\r\nX-CLAVIGER-AUTHORITY: account:evil\r\n\
                 x-claviger_authority: account:evil\r\nX-Claviger-Other: evil\r\n";
    let (_, seen) = gateway.get("/", lines).await;
    assert!(!seen.contains("evil"), "{seen}");
    assert_eq!(field(&seen, "x-claviger-subject"), Some("account:acct_1"));
}

#[tokio::test]
async fn hop_by_hop_fields_and_credentials_are_passed_on() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let lines = "x-api-key: secret\r\nX-API-Key: secret\r\nproxy-authorization: secret\r\nkeep-alive: x-bad\r\n\
                 proxy-connection: x-bad\r\nte: gzip, trailers\r\nupgrade: h2c\r\nhttp2-settings: x\r\n\
                 connection: upgrade, http2-settings, x-mine\r\nx-mine: x-bad\r\n\
                 forwarded: for=x-bad\r\nx-forwarded-for: 9.9.9.9\r\nx_forwarded_for: 9.9.9.9\r\n";
    let (_, seen) = gateway.get("/", lines).await;
    for bad in ["secret", "x-bad", "h2c", "http2-settings", "gzip", "9.9.9.9"] {
        assert!(!seen.contains(bad), "{bad} in {seen}");
    }
    assert_eq!(field(&seen, "te"), Some("trailers"));
    assert_eq!(field(&seen, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(field(&seen, "x-forwarded-proto"), Some("http"));
    assert_eq!(field(&seen, "x-forwarded-host"), Some("example.com"));
}

#[tokio::test]
async fn the_host_is_the_clients_or_the_upstreams() {
    let behind = Behind::echoing().await;
    let setup = Setup { preserve_host: false, ..Setup::default() };
    let gateway = Gateway::start(behind.address, setup).await;
    let (_, seen) = gateway.get("/", "").await;
    assert_eq!(field(&seen, "host"), Some(behind.address.to_string().as_str()));
    assert_eq!(field(&seen, "x-forwarded-host"), Some("example.com"));
}

#[tokio::test]
async fn the_answer_leaks_hops_or_identity() {
    let behind = Behind::answering(
        "HTTP/1.1 200 OK\r\nconnection: x-hop, keep-alive\r\nx-hop: x-bad\r\nkeep-alive: x-bad\r\n\
         proxy-authenticate: x-bad\r\nx-claviger-subject: x-bad\r\nx_claviger_subject: x-bad\r\n\
         upgrade: x-bad\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\nhi",
    )
    .await;
    let gateway = Gateway::before(&behind).await;
    let (head, body) = gateway.get("/", "").await;
    assert!(!head.contains("x-bad"), "{head}");
    assert_eq!((field(&head, "x-kept"), body.as_str()), (Some("1"), "hi"));
}

#[tokio::test]
async fn reserved_names_hide_in_trailers() {
    let behind = Behind::start(|mut wire, _| async move {
        let head = wire.head().await;
        assert_eq!(field(&head, "trailer"), Some("x-sum"), "{head}");
        let trailers = wire.until("\r\n0\r\n").await + &wire.until("\r\n\r\n").await;
        wire.send(ok(&trailers)).await;
    })
    .await;
    let gateway = Gateway::before(&behind).await;
    let head = "POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\n";
    let body = "2\r\nhi\r\n0\r\nx-sum: 1\r\nx-claviger-subject: evil\r\nx_claviger_subject: evil\r\n\r\n";
    let (_, seen) = gateway.ask(format!("{head}trailer: x-sum\r\n\r\n{body}")).await;
    assert!(seen.contains("x-sum: 1") && !seen.contains("evil"), "{seen}");
    let (head, body) = gateway.ask(format!("{head}trailer: x-sum, x_claviger-authority\r\n\r\n{body}")).await;
    assert_eq!((status(&head), body.as_str()), (400, "reserved_trailer"));
}

#[tokio::test]
async fn trailers_of_the_answer_are_lost() {
    let behind = Behind::answering(
        "HTTP/1.1 200 OK\r\ntrailer: x-sum, x-claviger-a\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nx-sum: 1\r\nx-claviger-a: evil\r\n\r\n",
    )
    .await;
    let gateway = Gateway::before(&behind).await;
    let mut wire = gateway.connect().await;
    for _ in 0..2 {
        wire.send(get("/", "te: trailers\r\nconnection: te\r\n")).await;
        wire.head().await;
        assert_eq!(wire.until("\r\n\r\n").await, "2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n");
    }
    // Without `TE: trailers` they are left out, and the body still ends.
    wire.send(get("/", "")).await;
    wire.head().await;
    assert_eq!(wire.until("0\r\n\r\n").await, "2\r\nhi\r\n0\r\n\r\n");
    assert_eq!(behind.connections(), 1);
}

#[tokio::test]
async fn a_refusal_before_the_body_emits_100() {
    let behind = Behind::echoing().await;
    let gateway = Gateway::before(&behind).await;
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: example.com\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
        )
    };
    let mut wire = gateway.connect().await;
    wire.send(post(REFUSED)).await;
    assert_eq!(status(&wire.head().await), 401);
    let mut wire = gateway.connect().await;
    wire.send(post("/")).await;
    assert_eq!(status(&wire.head().await), 100);
    let (head, seen) = wire.ask("hi").await;
    assert_eq!(status(&head), 200);
    assert!(seen.ends_with("\r\n\r\nhi") && field(&seen, "expect").is_none(), "{seen}");
}
