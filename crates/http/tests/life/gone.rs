//! Clients that go away in the middle of a request.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::house::{House, OPERATOR, peer};

/// More polls than any request here takes.
const POLLS_MAX: usize = 100;

/// A body in one piece, and a channel that is closed once it has been read and dropped.
struct Told {
    body: Full<Bytes>,
    _read: oneshot::Sender<()>,
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// Sends a request and goes away so many polls after its body was read; whether the answer was there by then.
async fn left(house: &House, polls: usize, method: &str, path: &str, body: &Value) -> bool {
    let request = Request::builder().method(method).uri(path).header("x-api-key", OPERATOR);
    let request = request.header("content-type", "application/json");
    let (told, read) = oneshot::channel();
    let body = Told { body: Full::from(body.to_string()), _read: told };
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(peer());
    let mut answer = pin!(house.api.answer(request));
    if std::future::poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_ready())).await {
        return true;
    }
    let _closed = read.await;
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left -= 1;
        match answer.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn rows(house: &House, polls: usize) -> Value {
    let key = |n| format!("imported-{polls:04}-{n}-kq7Zp2Xw9Lr4Tn8Vb3Ms6Yc1Hd5Jf0");
    let row = |n| json!({"key": key(n), "name": "old", "subject": house.account});
    json!({"rows": [row(1), row(2), row(3)]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_client_goes_away_is_carried_on() {
    let house = House::new().await;
    for polls in 1..POLLS_MAX {
        let body = rows(&house, polls);
        let answered = left(&house, polls, "POST", "/v1/keys/import", &body).await;
        // What is carried on holds up nobody: the same rows are duplicates, of a key or of a row under way.
        let key = body["rows"][2]["key"].clone();
        let mut valid = false;
        for _ in 0..1_000 {
            valid = house.post("/v1/verify", json!({"key": key})).await.body["valid"] == json!(true);
            if valid {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(valid, "{polls} polls");
        if answered {
            return;
        }
    }
    panic!("it takes more polls than there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_waits_for_requests_whose_clients_have_gone() {
    let house = House::new().await;
    let body = rows(&house, 1);
    assert!(!left(&house, 1, "POST", "/v1/keys/import", &body).await, "it cannot be done in one poll");
    house.state.authority.close().await.unwrap();
    let house = house.reopened().await;
    for row in body["rows"].as_array().unwrap() {
        let answer = house.post("/v1/verify", json!({"key": row["key"]})).await;
        assert_eq!(answer.body["valid"], json!(true), "{}", answer.body);
    }
}
