//! `/internal/runs`: what the application guards itself, and reports.

use std::sync::{Arc, Mutex};

use claviger_demo::{App, Config, start};
use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{APP_KEY, Answer, Authority, Gateway, STAFF_KEY, ask, config, get, refusal};

const PATH: &str = "/internal/runs";

async fn with_key(app: &App, method: Method, key: &str, body: &'static str) -> Answer {
    ask(app, method, PATH, vec![("authorization".to_owned(), format!("Bearer {key}"))], body).await
}

/// What the authority was asked, the resources aside.
fn asked(authority: &Authority) -> Vec<(String, serde_json::Value)> {
    let seen = authority.seen().into_iter().filter(|request| request.method == Method::POST);
    seen.map(|request| (request.path, request.document)).collect()
}

#[tokio::test]
async fn the_authority_is_asked_about_the_key_and_told_of_the_run() {
    let authority = Authority::start().await;
    let app = start(config(authority.address)).await.unwrap();
    assert_eq!(with_key(&app, Method::GET, STAFF_KEY, "").await.json(), json!([]));
    let run = with_key(&app, Method::POST, STAFF_KEY, r#"{"project": "proj_atlas", "name": "Weekly"}"#).await;
    let expected = json!({
        "id": "run_00000001", "project": "proj_atlas", "name": "Weekly", "origin": "site",
        "started_by": "key_staff", "created_at": "2023-11-14T22:13:20Z",
    });
    assert_eq!((run.status.as_u16(), run.json()), (201, expected.clone()));
    assert_eq!(with_key(&app, Method::GET, STAFF_KEY, "").await.json(), json!([expected]));
    let atlas = Gateway::anonymous().with("resource", "project:proj_atlas");
    assert_eq!(get(&app, "/api/v1/projects/proj_atlas/runs", atlas).await.json(), json!([expected]));

    let question = |action: &str| json!({"key": STAFF_KEY, "action": action, "target": "team:team_lab", "ip": "127.0.0.1", "explain": true});
    let row = json!({
        "target": "project:proj_atlas", "action": "run:create",
        "detail": "The site started `Weekly`, asked to by key_staff.",
    });
    let expected = [
        ("/v1/verify", question("run:read")),
        ("/v1/verify", question("run:create")),
        ("/v1/history", json!({"entries": [row]})),
        ("/v1/verify", question("run:read")),
    ];
    assert_eq!(asked(&authority), expected.map(|(path, document)| (path.to_owned(), document)));
    assert!(authority.seen().iter().all(|request| request.authorization == format!("Bearer {APP_KEY}")));
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let authority = Authority::start().await;
    let observed = Arc::new(Mutex::new(Vec::new()));
    let seen = observed.clone();
    let observer = Arc::new(move |head: &http::request::Parts| seen.lock().unwrap().push(head.uri.clone()));
    let app = start(Config { observer: Some(observer), ..config(authority.address) }).await.unwrap();
    let refused = async |headers: Vec<(String, String)>, status: u16, code: &str| {
        let answer = ask(&app, Method::GET, PATH, headers, "").await;
        answer.problem(status);
        assert_eq!(answer.json()["code"], code);
    };
    refused(vec![], 401, "credentials_required").await;
    let header = |value: &str| ("authorization".to_owned(), value.to_owned());
    refused(vec![header("Bearer sk_nobody_ever_issued_this_one")], 401, "invalid_key").await;
    refused(vec![header("Bearer")], 400, "malformed_credentials").await;
    // The gateway's headers open nothing here.
    get(&app, PATH, Gateway::owner()).await.problem(401);
    assert!(observed.lock().unwrap().is_empty(), "what is past the gateway is not recorded");
}

#[tokio::test]
async fn what_is_no_run_of_the_site_is_refused() {
    let app = start(config(Authority::start().await.address)).await.unwrap();
    for body in ["", "{}", r#"{"name": "x"}"#, r#"{"project": "proj_other", "name": "x"}"#] {
        with_key(&app, Method::POST, STAFF_KEY, body).await.problem(400);
    }
    with_key(&app, Method::DELETE, STAFF_KEY, "").await.problem(405);
    assert_eq!(with_key(&app, Method::GET, STAFF_KEY, "").await.json(), json!([]));
}

#[tokio::test]
async fn an_authority_that_cannot_be_asked_refuses_nobody_and_lets_nobody_in() {
    let away = Authority::with(|_, asked| {
        let away = || refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The store cannot answer.");
        asked.path.ends_with("/verify").then(away)
    });
    let app = start(config(away.await.address)).await.unwrap();
    let answer = with_key(&app, Method::GET, STAFF_KEY, "").await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "1");

    let forgetful = Authority::with(|_, asked| {
        let away = || refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The store cannot answer.");
        asked.path.ends_with("/history").then(away)
    });
    let app = start(config(forgetful.await.address)).await.unwrap();
    with_key(&app, Method::POST, STAFF_KEY, r#"{"project": "proj_atlas", "name": "x"}"#).await.problem(503);
    assert_eq!(with_key(&app, Method::GET, STAFF_KEY, "").await.json(), json!([]), "nothing was started");
}
