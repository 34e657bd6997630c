//! `/api/v1/projects/{id}/runs`.

use claviger_demo::App;
use http::Method;
use serde_json::json;

use crate::harness::{Answer, Gateway, app, get, send};

const PATH: &str = "/api/v1/projects/proj_atlas/runs";

fn atlas() -> Gateway {
    let gateway = Gateway::anonymous().with("subject", "project:proj_atlas").with("key-id", "key_7");
    gateway.with("resource", "project:proj_atlas")
}

async fn post(app: &App, body: impl Into<bytes::Bytes>) -> Answer {
    send(app, Method::POST, PATH, atlas(), body).await
}

#[tokio::test]
async fn a_run_is_created_and_listed_newest_first() {
    let app = app().await;
    assert_eq!(get(&app, PATH, atlas()).await.json(), json!([]));
    let first = post(&app, r#"{"name": "  Nightly  "}"#).await;
    assert_eq!(first.status, 201);
    let expected = json!({
        "id": "run_00000001", "project": "proj_atlas", "name": "Nightly", "origin": "api",
        "started_by": "key_7", "created_at": "2023-11-14T22:13:20Z",
    });
    assert_eq!(first.json(), expected);
    let second = post(&app, json!({"name": "Ü".repeat(128)}).to_string()).await;
    assert_eq!(second.status, 201);
    assert_eq!(get(&app, PATH, atlas()).await.json(), json!([second.json(), first.json()]));

    let borealis = atlas().with("resource", "project:proj_borealis");
    let others = get(&app, "/api/v1/projects/proj_borealis/runs", borealis).await;
    assert_eq!(others.json(), json!([]));
}

#[tokio::test]
async fn only_the_project_that_the_gateway_names_is_served() {
    let app = app().await;
    for gateway in [atlas().with("resource", "project:proj_borealis"), atlas().with("resource", "")] {
        get(&app, PATH, gateway).await.problem(403);
    }
    send(&app, Method::POST, PATH, atlas().with("resource", ""), r#"{"name": "x"}"#).await.problem(403);
    assert_eq!(get(&app, PATH, atlas()).await.json(), json!([]));
}

#[tokio::test]
async fn a_body_that_is_no_run_is_refused() {
    let app = app().await;
    let refusals = [
        ("", "not a JSON object"),
        ("{", "EOF while parsing"),
        ("[]", "not a JSON object"),
        (r#"["x"]"#, "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "missing field"),
        (r#"{"name": 1}"#, "invalid type"),
        (r#"{"name": "x", "origin": "site"}"#, "unknown field `origin`"),
        (r#"{"name": "x", "name": "y"}"#, "duplicate field"),
        (r#"{"name": "x"} y"#, "trailing characters"),
        (r#"{"name": "   "}"#, "`name` is empty."),
        (r#"{"name": "a\u0000b"}"#, "control characters"),
    ];
    for (body, why) in refusals {
        let detail = post(&app, body).await.problem(400);
        assert!(detail.contains(why), "{body}: {detail}");
    }
    post(&app, &b"{\"name\": \"\xff\"}"[..]).await.problem(400);
    let detail = post(&app, json!({"name": "x".repeat(129)}).to_string()).await.problem(400);
    assert_eq!(detail, "`name` has more than 128 characters.");
    post(&app, json!({"name": "x".repeat(20_000)}).to_string()).await.problem(413);
    assert_eq!(get(&app, PATH, atlas()).await.json(), json!([]));
}
