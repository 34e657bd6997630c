//! Requests whose clients go away, and what they cost the others.

use std::convert::Infallible;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use claviger_authority::{Disk, DiskFaults, DiskOperation};
use http::Request;
use http_body::{Body, Frame};
use serde_json::{Value, json};

use crate::app::{OPERATOR, TestApp};
use crate::world::key;

/// More than were ever let through of everybody together.
const MANY: usize = 1_100;
/// Requests of one credential whose clients have gone.
const LEFT_MAX: usize = 64;

/// A body of which nothing comes.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// Sends the head of a request and goes away.
async fn leave_before_the_body(app: &TestApp, path: &str, key: Option<&str>) {
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let mut answer = pin!(app.service.answer(request.body(Endless).unwrap()));
    let answered = std::future::poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_ready())).await;
    assert!(!answered, "there is no body yet");
    // What it has started gets on.
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn requests_that_are_left_before_their_body_has_come_stop_nobody() {
    let app = TestApp::start().await;
    let account = json!({"name": "Ada", "external_id": "ada"});
    let id = app.post(OPERATOR, "/v1/accounts", account).await.ok(201)["id"].as_str().unwrap().to_owned();
    for (path, key) in [("/v1/leaks", None), ("/v1/accounts", Some(OPERATOR))] {
        for _ in 0..MANY {
            leave_before_the_body(&app, path, key).await;
        }
        for n in 0..3 {
            app.patch(OPERATOR, &format!("/v1/accounts/{id}"), json!({"name": format!("{n}")})).await.ok(200);
        }
        let other = json!({"external_id": format!("after {path}")});
        app.post(OPERATOR, "/v1/accounts", other).await.ok(201);
    }
    app.delete(OPERATOR, &format!("/v1/accounts/{id}")).await.ok(200);
}

/// A disk that a test can stall.
#[derive(Clone, Default)]
struct Stalling(Arc<AtomicBool>);

impl Stalling {
    fn stall(&self) -> Stalled<'_> {
        self.0.store(true, Ordering::SeqCst);
        Stalled(&self.0)
    }
}

impl DiskFaults for Stalling {
    fn before(&self, _: DiskOperation, _: &Path) -> std::io::Result<()> {
        while self.0.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// The disk stands still while this lives, so a test that fails does not wait for it.
struct Stalled<'d>(&'d AtomicBool);

impl Drop for Stalled<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Sends a request and goes away after a while; its status, if it was answered by then.
async fn leave(app: &TestApp, key: &str, method: &str, path: &str, body: Option<Value>) -> Option<u16> {
    let answer = app.call(method, path, Some(key), body);
    tokio::time::timeout(Duration::from_millis(30), answer).await.ok().map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn a_credential_leaves_only_so_many_requests_behind_and_always_revokes() {
    let disk = Stalling::default();
    let app = TestApp::on_disk(Disk::with_faults(disk.clone())).await;
    let account = async |name: String| {
        app.post(OPERATOR, "/v1/accounts", json!({"external_id": name})).await.ok(201)["id"].clone()
    };
    let id = account("first".into()).await.as_str().unwrap().to_owned();
    let operator = key(&app, json!({"name": "k", "subject": "operator", "scopes": ["account:create"]})).await;
    let leaked =
        key(&app, json!({"name": "k", "subject": format!("account:{id}"), "scopes": ["notebook:read"]}))
            .await;
    let new = |n: usize| Some(json!({"external_id": format!("a{n}")}));
    let still = disk.stall();
    for n in 0..LEFT_MAX {
        assert_eq!(leave(&app, OPERATOR, "POST", "/v1/accounts", new(n)).await, None, "{n}");
    }
    app.post(OPERATOR, "/v1/accounts", json!({"external_id": "refused"})).await.refused(503, "unavailable");
    let others = leave(&app, &operator.secret, "POST", "/v1/accounts", new(LEFT_MAX)).await;
    assert_eq!(others, None, "another credential is not refused for it");
    let ids = Some(json!({"ids": [leaked.id]}));
    assert_eq!(
        leave(&app, OPERATOR, "POST", "/v1/keys/revoke", ids).await,
        None,
        "it waits for the disk only"
    );
    let path = format!("/v1/accounts/{id}");
    assert_eq!(leave(&app, OPERATOR, "PATCH", &path, Some(json!({"closed": true}))).await, None);
    drop(still);
    // All that were left are completed, and none is counted any more.
    for n in 0..=LEFT_MAX {
        let again = async || app.post(OPERATOR, "/v1/accounts", new(n).unwrap()).await;
        while again().await.status == 503 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        again().await.refused(409, "external_id_taken");
    }
    assert_eq!(app.get(&leaked.secret, "/v1/whoami").await.status, 401);
    assert_eq!(app.get(OPERATOR, &path).await.ok(200)["closed"], json!(true));
}
