//! `/api/conat/hub` and `/api/conat/project`.

use claviger_demo::App;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Gateway, app, send};

/// The instant at which the harness has stopped the clock.
const NOW: i64 = 1_700_000_000_900;

fn atlas() -> Gateway {
    Gateway::anonymous().with("subject", "project:proj_atlas").with("key-id", "key_7")
}

async fn call(app: &App, to: &str, gateway: Gateway, call: Value) -> Answer {
    send(app, Method::POST, &format!("/api/conat/{to}"), gateway, call.to_string()).await
}

#[tokio::test]
async fn calls_are_answered_for_whom_the_gateway_names() {
    let app = app().await;
    let check = async |to: &str, gateway: Gateway, name: &str, expect: Value| {
        let answer = call(&app, to, gateway, json!({"name": name, "args": [{}]})).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expect), "{to} {name}");
    };
    let team = || Gateway::anonymous().with("subject", "team:team_lab");
    let account = json!({"account_id": "acct_owner", "server_time": NOW});
    let project = json!({"project_id": "proj_atlas", "server_time": NOW});
    check("hub", Gateway::owner(), "system.ping", json!({"now": NOW})).await;
    check("hub", team(), "system.ping", json!({"now": NOW})).await;
    check("hub", Gateway::owner(), "system.test", account).await;
    check("hub", atlas(), "system.test", project.clone()).await;
    check("project", atlas(), "system.ping", json!({"now": NOW})).await;
    check("project", atlas(), "system.test", project).await;

    let refused = |why: &str| json!({ "error": why });
    let neither = refused("the key belongs to neither an account nor a project");
    check("hub", team(), "system.test", neither).await;
    check("hub", Gateway::owner(), "system.halt", refused("there is no call `system.halt` here")).await;
    check("project", atlas(), "system.exec", refused("there is no call `system.exec` here")).await;
    let own_key = refused("calls to a project need a key of that project");
    check("project", Gateway::owner(), "system.test", own_key).await;
}

#[tokio::test]
async fn a_project_that_only_the_body_names_is_not_served() {
    let app = app().await;
    let named = |project: &str| json!({"name": "system.test", "args": [], "project_id": project});
    let answer = call(&app, "project", atlas(), named("proj_atlas")).await;
    assert_eq!(answer.json()["project_id"], "proj_atlas");
    let answer = call(&app, "project", atlas(), named("proj_borealis")).await;
    assert_eq!(
        answer.json(),
        json!({"error": "the key belongs to another project than the one that is called"})
    );
}

#[tokio::test]
async fn a_body_that_is_no_call_is_refused() {
    let app = app().await;
    for body in ["", "[]x", "null", "{}", r#"{"name": 1}"#] {
        for to in ["/api/conat/hub", "/api/conat/project"] {
            send(&app, Method::POST, to, atlas(), body).await.problem(400);
        }
    }
    call(&app, "hub", atlas(), json!({"name": "x".repeat(20_000)})).await.problem(413);
}
