//! The admin listener.

use claviger_http::admin::AdminService;
use http::Method;
use http_body_util::BodyExt;

use claviger_authority::DiskOperation::{Commit, Committed, Write};
use serde_json::{Value, json};

use crate::app::{Breakable, OPERATOR, TestApp};

async fn asked(app: &TestApp, path: &str) -> (u16, String) {
    let admin = AdminService::new(app.state.clone());
    let (parts, body) = admin.answer(&Method::GET, path).await.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (parts.status.as_u16(), text)
}

async fn readiness(app: &TestApp) -> (u16, Value) {
    let (status, text) = asked(app, "/readyz").await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn readiness_is_about_verification_and_says_whether_changes_can_be_made() {
    let disk = Breakable::default();
    let app = TestApp::on(&disk).await;
    let steady = json!({"verification": true, "changes": true, "clock": "steady", "deletions_wait": false});
    assert_eq!(readiness(&app).await, (200, steady.clone()));
    for (broken, part) in [(Write, "journal"), (Commit, "database")] {
        disk.breaks(&[(broken, 0)]);
        app.advance(5);
        let (status, body) = readiness(&app).await;
        assert_eq!((status, &body["changes"]), (200, &json!(false)), "tried, not assumed: {body}");
        let obstacle = body["obstacle"].as_str().unwrap();
        assert!(obstacle.starts_with(&format!("the {part} cannot be written: ")), "{obstacle}");
        assert!(!obstacle.contains('/'), "no path: {obstacle}");
        assert!(asked(&app, "/metrics").await.1.contains("claviger_changes_possible 0\n"));
        assert_eq!(app.get(OPERATOR, "/v1/whoami").await.status, 200, "verification goes on");
        disk.breaks(&[]);
        app.advance(5);
        assert_eq!(readiness(&app).await, (200, steady.clone()));
        assert!(asked(&app, "/metrics").await.1.contains("claviger_changes_possible 1\n"));
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_reported() {
    let app = TestApp::start().await;
    app.advance(90 * 86_400);
    let (_, body) = readiness(&app).await;
    assert_eq!((&body["clock"], &body["deletions_wait"]), (&json!("ahead"), &json!(true)), "{body}");
    assert!(asked(&app, "/metrics").await.1.contains("claviger_clock_ahead_seconds 77"));
    app.advance(-90 * 86_400);
    assert_eq!(readiness(&app).await.1["clock"], "steady");
    app.advance(-3_600);
    let (_, body) = readiness(&app).await;
    assert_eq!((&body["clock"], &body["clock_off_seconds"]), (&json!("behind"), &json!(3_600)), "{body}");
}

#[tokio::test]
async fn answers_tell_made_not_made_and_unknown_apart() {
    let disk = Breakable::default();
    let app = TestApp::on(&disk).await;
    let create = async || {
        app.post(OPERATOR, "/v1/keys", json!({"name": "k", "subject": "operator", "scopes": []})).await
    };
    disk.breaks(&[(Commit, 0)]);
    let refused = create().await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (503, &json!("unavailable")));
    assert!(refused.json().get("change").is_none());

    disk.breaks(&[(Write, 0)]);
    let made = create().await;
    assert_eq!(made.status, 201, "it is in force, so its secret is not withheld");
    assert!(made.json()["secret"].is_string());
    let refused = create().await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (503, &json!("unavailable")));
    disk.breaks(&[]);
    assert_eq!(create().await.status, 201);

    // COMMIT takes place, its answer is lost, and what would settle the matter fails, too.
    disk.breaks(&[(Commit, 1), (Committed, 0)]);
    let unknown = create().await;
    let body = unknown.json();
    assert_eq!((unknown.status.as_u16(), &body["code"]), (503, &json!("outcome_unknown")), "{body}");
    assert!(unknown.headers.contains_key("retry-after"));
    let target = format!("/v1/changes/{}", body["change"].as_str().unwrap());
    assert!(body["detail"].as_str().unwrap().contains(&target), "{body}");
    let still = app.get(OPERATOR, &target).await;
    assert_eq!((still.status.as_u16(), &still.json()["code"]), (503, &json!("outcome_unknown")));
    disk.breaks(&[]);
    assert_eq!(create().await.status, 201);
    assert_eq!(app.get(OPERATOR, &target).await.status, 200, "it had happened");
}

#[tokio::test]
async fn health_and_metrics() {
    let app = TestApp::start().await;
    let admin = AdminService::new(app.state.clone());
    let ask = async |method: Method, path: &str| {
        let (parts, body) = admin.answer(&method, path).await.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (parts.status.as_u16(), parts.headers, text)
    };
    assert_eq!(ask(Method::GET, "/livez").await.0, 200);
    assert_eq!(ask(Method::GET, "/readyz").await.0, 200);
    let (status, headers, page) = ask(Method::GET, "/metrics").await;
    assert_eq!((status, headers["cache-control"].to_str().unwrap()), (200, "no-store"));
    for line in [
        "claviger_keys 1\n",
        "claviger_changes_applied 1\n",
        "claviger_history_rows_dropped_total 0\n",
        "claviger_changes_possible 1\n",
        "claviger_clock_ahead_seconds 0\n",
        "claviger_clock_behind_seconds 0\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(page.ends_with("# EOF\n"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(Method::HEAD, path).await.0, 200);
        let (status, headers, text) = ask(Method::POST, path).await;
        assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD"), "{path}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert!(text.contains("\"method_not_allowed\""), "{text}");
    }
    assert_eq!(ask(Method::GET, "/v1/keys").await.0, 404, "no keys are served here");
    app.state.authority.close().await.unwrap();
    let (status, headers, text) = ask(Method::GET, "/readyz").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "1"));
    assert!(text.contains("\"not_fresh\""));
    assert_eq!(ask(Method::GET, "/livez").await.0, 200, "a store that is away is no reason to be killed");
}
