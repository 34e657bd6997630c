//! What a real authority does not do on demand: break, stall, ask for a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claviger_client::{Builder, Client, Error, NewKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A stand-in that gives these answers in turn, one to a connection; an empty one breaks the connection.
async fn stand_in(answers: Vec<String>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 64 * 1024];
            let _ = stream.read(&mut head).await;
            counter.fetch_add(1, Ordering::SeqCst);
            if !answer.is_empty() {
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
        // Accepts and says nothing.
        let mut silent = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            silent.push(stream);
        }
    });
    (url, asked)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn problem(status: u16, code: &str) -> String {
    format!(r#"{{"type":"x","title":"t","status":{status},"detail":"d","code":"{code}","message":"d"}}"#)
}

fn whoami() -> String {
    answer("200 OK", "", r#"{"kind":"account","account":"acct_1"}"#)
}

fn builder(url: &str) -> Builder {
    Client::builder(url).key("k").timeout(Duration::from_secs(5))
}

#[tokio::test]
async fn a_question_whose_connection_broke_is_asked_once_more() {
    let (url, asked) = stand_in(vec![String::new(), whoami()]).await;
    assert!(builder(&url).build().unwrap().whoami().await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let (url, asked) = stand_in(vec![String::new(), String::new(), whoami()]).await;
    let error = builder(&url).build().unwrap().whoami().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_unavailable(), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_change_whose_connection_broke_is_not_made_twice() {
    let (url, asked) = stand_in(vec![String::new(), whoami()]).await;
    let client = builder(&url).build().unwrap();
    let error = client.keys().create(&NewKey::new("n", "operator")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// The first may have been carried out, and would make the second a 412.
#[tokio::test]
async fn a_change_with_if_match_is_not_sent_twice() {
    let tag = || Some("\"r1\"".to_owned());
    let resource = claviger_client::ResourceDescription::default();
    let busy = answer("503 Service Unavailable", "retry-after: 0\r\n", &problem(503, "outcome_unknown"));
    for first in [String::new(), busy] {
        let (url, asked) = stand_in(vec![first.clone(), whoami()]).await;
        let resources = builder(&url).build().unwrap();
        assert!(resources.resources().put("notebook:x", &resource, tag()).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "PUT");
        let (url, asked) = stand_in(vec![first, whoami()]).await;
        let resources = builder(&url).build().unwrap();
        assert!(resources.resources().delete("notebook:x", tag()).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1, "DELETE");
    }
    // Without one, a PUT says how things are to be, and may be repeated.
    let (url, asked) = stand_in(vec![String::new(), whoami()]).await;
    let _ = builder(&url).build().unwrap().resources().put("notebook:x", &resource, None).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_taken() {
    let busy = answer("429 Too Many Requests", "retry-after: 1\r\n", &problem(429, "rate_limited"));
    let (url, _) = stand_in(vec![busy.clone(), whoami()]).await;
    let since = Instant::now();
    assert!(builder(&url).build().unwrap().whoami().await.is_ok());
    assert!(since.elapsed() >= Duration::from_secs(1));
    // Longer than the client has patience for: the answer is returned, with the time to wait.
    let long = answer("503 Service Unavailable", "retry-after: 60\r\n", &problem(503, "not_fresh"));
    let (url, asked) = stand_in(vec![long, whoami()]).await;
    let error = builder(&url).build().unwrap().whoami().await.unwrap_err();
    assert_eq!(error.problem().unwrap().retry_after, Some(Duration::from_secs(60)));
    assert!(error.is_unavailable());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (url, _) = stand_in(vec![busy, whoami()]).await;
    assert!(builder(&url).patience(Duration::ZERO).build().unwrap().whoami().await.is_err());
}

#[tokio::test]
async fn a_change_with_a_name_may_be_repeated() {
    let created =
        r#"{"id":"acct_1","has_password":false,"closed":false,"created_at":"2027-01-15T08:00:00Z"}"#;
    let busy = answer("503 Service Unavailable", "retry-after: 1\r\n", &problem(503, "unavailable"));
    let done = answer("201 Created", "", created);
    let (url, asked) = stand_in(vec![String::new(), busy.clone(), done.clone()]).await;
    let client = builder(&url).build().unwrap();
    let new = claviger_client::NewAccount::default();
    assert_eq!(client.accounts().create_once(&new, "once").await.unwrap().id, "acct_1");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    // Without one, it is repeated only if it was certainly not made.
    let unknown = answer("503 Service Unavailable", "retry-after: 1\r\n", &problem(503, "outcome_unknown"));
    let (url, asked) = stand_in(vec![unknown, done]).await;
    assert!(builder(&url).build().unwrap().accounts().create(&new).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let refused = client.accounts().create_once(&new, "a\nb").await;
    assert!(matches!(refused, Err(Error::Request { .. })), "{refused:?}");
}

#[tokio::test]
async fn pauses_end_whatever_is_asked_for() {
    let wait = |seconds: u64| {
        answer("503 Service Unavailable", &format!("retry-after: {seconds}\r\n"), &problem(503, "not_fresh"))
    };
    let (url, asked) = stand_in(vec![wait(1), wait(u64::MAX), whoami()]).await;
    let error = builder(&url).build().unwrap().whoami().await.unwrap_err();
    assert_eq!(error.problem().unwrap().retry_after, Some(Duration::from_secs(u64::MAX)));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let (url, asked) = stand_in(vec![wait(0); 10]).await;
    assert!(builder(&url).build().unwrap().whoami().await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 4, "three waits at most");
}

#[tokio::test]
async fn no_answer_is_longer_than_it_may_be() {
    let (url, asked) = stand_in(vec![answer("200 OK", "", &" ".repeat(9 << 20)), whoami()]).await;
    match builder(&url).build().unwrap().whoami().await {
        Err(Error::Answer { reason, .. }) => assert!(reason.contains("longer than"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it is not asked for twice");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, asked_there) = stand_in(vec![whoami()]).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (url, _) =
            stand_in(vec![answer(status, &format!("location: {elsewhere}/v1/whoami\r\n"), "")]).await;
        let error = builder(&url).build().unwrap().whoami().await.unwrap_err();
        assert!(error.to_string().contains("leads elsewhere"), "{error}");
    }
    assert_eq!(asked_there.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn nothing_is_taken_for_done_that_does_not_say_so() {
    for body in ["", "{}", "[]", "null", r#"{"id":"key_1"}"#, r#"{"id":"key_1","deleted":true"#] {
        let (url, _) = stand_in(vec![answer("200 OK", "", body)]).await;
        let gone = builder(&url).build().unwrap().keys().delete("key_1").await;
        assert!(matches!(gone, Err(Error::Answer { .. })), "{body}: {gone:?}");
    }
    let deep = "[".repeat(100_000);
    let (url, _) = stand_in(vec![answer("200 OK", "", &deep)]).await;
    assert!(matches!(builder(&url).build().unwrap().whoami().await, Err(Error::Answer { .. })));
}

#[tokio::test]
async fn what_a_later_authority_adds_is_no_obstacle() {
    let body = r#"{"id":"key_1","deleted":true,"revocation":{"state":"complete","change":null,
        "acknowledged_by":[],"elapsed_ms":0,"new":1},"new":{"a":[1]}}"#;
    let (url, _) = stand_in(vec![answer("200 OK", "x-new: 1\r\n", body)]).await;
    let gone = builder(&url).build().unwrap().keys().delete("key_1").await.unwrap();
    assert!(gone.revocation.unwrap().is_complete() && gone.other.contains_key("new"));
    let body = r#"{"outcomes":["disabled","explained"]}"#;
    let (url, _) = stand_in(vec![answer("200 OK", "", body)]).await;
    let outcomes = builder(&url).build().unwrap().report_leaks(&[]).await.unwrap();
    assert_eq!(outcomes[1], claviger_client::LeakOutcome::Other("explained".to_owned()));
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let (url, _) = stand_in(Vec::new()).await;
    let client = builder(&url).timeout(Duration::from_millis(200)).build().unwrap();
    assert!(matches!(client.whoami().await, Err(Error::Timeout { .. })));
}

#[tokio::test]
async fn what_is_not_an_authority_is_told_apart() {
    let (url, _) = stand_in(vec![answer("404 Not Found", "", "<html>sk_secret</html>")]).await;
    let error = builder(&url).build().unwrap().whoami().await.unwrap_err();
    assert!(matches!(error, Error::Answer { .. }) && !error.to_string().contains("sk_secret"), "{error}");
    let (url, _) = stand_in(vec![answer("200 OK", "", r#"{"kind":7}"#)]).await;
    assert!(matches!(builder(&url).build().unwrap().whoami().await, Err(Error::Answer { .. })));
}

#[tokio::test]
async fn nobody_there() {
    let client = builder("http://127.0.0.1:1").build().unwrap();
    let error = client.whoami().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
