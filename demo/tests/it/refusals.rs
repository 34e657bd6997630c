//! What holds for every address.

use std::sync::{Arc, Mutex};

use http::Method;

use crate::harness::{Gateway, app, app_seen_by, get, send};

#[tokio::test]
async fn an_unknown_address_or_method_is_a_problem_document() {
    let app = app().await;
    for path in ["/nothing", "/d", "/api/v1", "/api/v1/samples/", "/api/v2/samples", "//d/x.js"] {
        get(&app, path, Gateway::owner()).await.problem(404);
    }
    for (path, allow) in [("/", "GET,HEAD"), ("/api/v1/projects/proj_atlas/runs", "GET,HEAD,POST")] {
        let answer = send(&app, Method::DELETE, path, Gateway::owner(), "").await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn without_the_gateway_only_the_front_page_answers() {
    let app = app().await;
    let direct = || {
        let names = ["subject", "account", "key-id", "scopes", "grants", "resource", "version", "request-id"];
        names.into_iter().fold(Gateway::anonymous(), Gateway::without)
    };
    assert_eq!(get(&app, "/", direct()).await.status, 200);
    let paths = ["/d/x.js", "/embed/x", "/api/v1/account", "/api/v1/samples", "/api/v1/samples/x"];
    for path in paths.into_iter().chain(["/api/v1/projects/proj_atlas/runs"]) {
        get(&app, path, direct()).await.problem(403);
    }
}

#[tokio::test]
async fn the_observer_sees_each_request() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let app = app_seen_by(Some(Arc::new({
        let seen = seen.clone();
        move |parts: &http::request::Parts| {
            let subject = parts.headers["x-claviger-subject"].to_str().unwrap();
            seen.lock().unwrap().push(format!("{} {} {subject}", parts.method, parts.uri));
        }
    })))
    .await;
    get(&app, "/api/v1/samples?a=%41", Gateway::owner()).await;
    send(&app, Method::POST, "/nothing", Gateway::anonymous(), "").await;
    let expected = ["GET /api/v1/samples?a=%41 account:acct_owner", "POST /nothing anonymous"];
    assert_eq!(*seen.lock().unwrap(), expected);
}
