//! `examples/axum_service.rs`, as its comment says it is used.

use claviger_client::NewKey;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;

use crate::support::Running;

#[path = "../../examples/axum_service.rs"]
#[expect(dead_code, reason = "its `main` reads the environment; the test says the same directly")]
mod axum_service;

#[tokio::test]
async fn the_example_guards_its_service() {
    let running = Running::start().await;
    let new = NewKey::new("a caller", format!("account:{}", running.account().await));
    let caller = running.operator().keys().create(&new).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum_service::serve(listener, running.operator()));
    let http = Http::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let check = async |path: &str, key: Option<&str>, status: u16, says: &str| {
        let mut request = http::Request::get(format!("http://{address}{path}"));
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = http.request(request.body(Empty::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains(says), "{path}: {text}");
    };
    check("/health", None, 200, "ok").await;
    check("/hello", None, 401, "credentials_required").await;
    check("/hello", Some("sk_nobody_ever_issued_this_one_here"), 401, "invalid_key").await;
    check("/hello", Some(caller.secret.expose()), 200, &caller.key.id).await;
    running.operator().keys().delete(&caller.key.id).await.unwrap();
    check("/hello", Some(caller.secret.expose()), 401, "invalid_key").await;
    server.abort();
}
