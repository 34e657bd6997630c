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
            let mut head = vec![0; 4096];
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
