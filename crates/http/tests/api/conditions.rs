//! `If-Match`: a change is made only to the state that the caller saw.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::app::{Answer, OPERATOR};
use crate::world::{World, key};

/// Every route that takes `If-Match`: how it is described, where, and with what body.
fn conditional(w: &World) -> Vec<(&'static str, &'static str, String, Value)> {
    let key = format!("/v1/keys/{}", w.ada_narrow.id);
    let (account, team) = (format!("/v1/accounts/{}", w.ada), format!("/v1/teams/{}", w.lab));
    let project = format!("/v1/projects/{}", w.atlas);
    let notebook = json!({
        "owner": format!("account:{}", w.ada), "visibility": "private", "latest_version": 7, "versions": [],
    });
    let (member, viewer) = (format!("{team}/members/{}", w.eve), format!("{project}/members/{}", w.eve));
    vec![
        ("PUT", "/v1/teams/{id}/members/{account}", member.clone(), json!({"role": "admin"})),
        ("DELETE", "/v1/teams/{id}/members/{account}", member, Value::Null),
        ("PUT", "/v1/projects/{id}/members/{account}", viewer.clone(), json!({"role": "admin"})),
        ("DELETE", "/v1/projects/{id}/members/{account}", viewer, Value::Null),
        ("DELETE", "/v1/resources/{reference}", "/v1/resources/notebook:alpha".into(), Value::Null),
        ("PATCH", "/v1/keys/{id}", key.clone(), json!({"name": "m"})),
        ("DELETE", "/v1/keys/{id}", key.clone(), Value::Null),
        ("POST", "/v1/keys/{id}/rotate", format!("{key}/rotate"), json!({})),
        ("PATCH", "/v1/accounts/{id}", account.clone(), json!({"name": "m"})),
        ("DELETE", "/v1/accounts/{id}", account, Value::Null),
        ("PATCH", "/v1/teams/{id}", team.clone(), json!({"name": "m"})),
        ("DELETE", "/v1/teams/{id}", team, Value::Null),
        ("PATCH", "/v1/projects/{id}", project.clone(), json!({"name": "m"})),
        ("DELETE", "/v1/projects/{id}", project, Value::Null),
        ("PUT", "/v1/resources/{reference}", "/v1/resources/notebook:alpha".into(), notebook),
    ]
}

async fn send(w: &World, method: &str, path: &str, tags: &[&str], body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("x-api-key", OPERATOR);
    for tag in tags {
        request = request.header("if-match", *tag);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    w.app.send(request.header("content-type", "application/json").body(Body::from(body)).unwrap()).await
}

/// Where the state of what a route changes is shown.
fn shown(path: &str) -> &str {
    let path = path.trim_end_matches("/rotate");
    path.split_once("/members/").map_or(path, |(group, _)| group)
}

#[tokio::test]
async fn every_route_that_takes_one() {
    for n in 0..conditional(&World::new().await).len() {
        // A world for each, as some of them end what they change.
        let w = World::new().await;
        let (method, route, path, body) = conditional(&w).swap_remove(n);
        let tag = w.app.get(OPERATOR, shown(&path)).await.header("etag").to_owned();
        assert!(tag.starts_with("\"r"), "{route}: {tag}");
        let before = w.app.sequence().await;
        for wrong in ["\"r99\"", "\"r0\"", "\"x\"", "\"\"", "W/\"r99\"", "\"r98\", W/\"r99\"", "\"r98-gzip\""]
        {
            let answer = send(&w, method, &path, &[wrong], &body).await;
            assert_eq!(answer.status, 412, "{method} {route} {wrong}: {}", answer.text());
            assert_eq!(answer.json()["code"], "stale");
        }
        for unreadable in ["r1", "1", "", "\"r1", "r1, r2", "*, \"r1\"", "\"r1\" \"r2\""] {
            let answer = send(&w, method, &path, &[unreadable], &body).await;
            answer.refused(400, "invalid_request");
            assert!(answer.text().contains("\\\"r1\\\""), "an example: {}", answer.text());
        }
        assert_eq!(w.app.sequence().await, before, "{method} {route} has written something");
        // A list in two fields, and the tag as a proxy that compresses weakens it.
        let done = send(&w, method, &path, &["\"r98\", \"x\"", &format!("W/{tag}")], &body).await;
        assert!(done.status.is_success(), "{method} {route}: {}", done.text());
        assert!(w.app.sequence().await > before, "{method} {route}");
        // What was seen before is not what is there now.
        let again = send(&w, method, &path, &[&tag], &body).await;
        let gone = method == "DELETE" && ["/v1/keys/{id}", "/v1/resources/{reference}"].contains(&route);
        again.refused(if gone { 404 } else { 412 }, if gone { "not_found" } else { "stale" });
    }
}

#[tokio::test]
async fn a_star_is_any_state() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    for name in ["a", "b"] {
        send(&w, "PATCH", &path, &["*"], &json!({"name": name})).await.ok(200);
    }
    let tag = w.app.get(OPERATOR, &path).await.header("etag").to_owned();
    assert_eq!(tag, "\"r3\"");
}

/// A revocation that any state allows is not kept out by those who keep changing the record, in whatever state it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_of_any_state_wins_against_changes_of_the_same_record() {
    let w = Arc::new(World::new().await);
    let path = format!("/v1/accounts/{}", w.bob);
    let rename = json!({"name": "k", "subject": format!("account:{}", w.bob), "scopes": ["account:update"]});
    let over = Arc::new(AtomicBool::new(false));
    let mut attackers = Vec::new();
    for attacker in 0..4 {
        let secret = key(&w.app, rename.clone()).await.secret;
        let (w, path, over) = (w.clone(), path.clone(), over.clone());
        attackers.push(tokio::spawn(async move {
            let mut renamed = 0_u32;
            while !over.load(Ordering::SeqCst) {
                let name = json!({"name": format!("{attacker}-{renamed}")});
                renamed += u32::from(w.app.patch(&secret, &path, name).await.status == 200);
            }
            renamed
        }));
    }
    let at_any = (0..2_000).map(|revision| format!("\"r{revision}\"")).collect::<Vec<_>>().join(", ");
    for round in 0..20 {
        // Others come first in the line now and then.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let tags = if round % 2 == 0 { "*" } else { &at_any };
        send(&w, "DELETE", &path, &[tags], &Value::Null).await.ok(200);
        send(&w, "PATCH", &path, &[], &json!({"closed": false})).await.ok(200);
    }
    over.store(true, Ordering::SeqCst);
    for attacker in attackers {
        assert!(attacker.await.unwrap() > 0, "each has changed the record");
    }
}

#[tokio::test]
async fn tags_that_a_compressing_proxy_has_changed_name_the_same_state() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    for (n, tag) in ["W/\"r1\"", "\"r2-gzip\"", "\"r3-br\"", "W/\"r4-zstd\""].into_iter().enumerate() {
        send(&w, "PATCH", &path, &[tag], &json!({"name": format!("n{n}")})).await.ok(200);
    }
}

#[tokio::test]
async fn a_resource_is_made_or_replaced_only_as_asked() {
    let w = World::new().await;
    let (path, body) = (
        "/v1/resources/notebook:brand.new",
        json!({"owner": format!("account:{}", w.ada), "visibility": "private"}),
    );
    let put = async |header: &str, value: &str| {
        let request =
            Request::builder().method("PUT").uri(path).header("x-api-key", OPERATOR).header(header, value);
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string()));
        w.app.send(request.unwrap()).await
    };
    let before = w.app.sequence().await;
    put("if-match", "*").await.refused(412, "stale");
    put("if-match", "\"r1\"").await.refused(412, "stale");
    put("if-none-match", "\"r1\"").await.refused(400, "invalid_request");
    w.app.get(OPERATOR, path).await.refused(404, "not_found");
    assert_eq!(w.app.sequence().await, before);
    let made = put("if-none-match", "*").await.ok(201);
    assert_eq!((&made["latest_version"], &made["versions"]), (&json!(1), &json!([])), "the defaults");
    put("if-none-match", "*").await.refused(412, "stale");
    put("if-match", "*").await.ok(200);
    put("if-match", "W/\"r1\"").await.ok(200);
}

/// The document says which routes take it; each of them has a row here.
#[tokio::test]
async fn the_rows_are_complete() {
    let w = World::new().await;
    let document = w.app.call("GET", "/openapi.json", None, None).await.json();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            if parameters.iter().any(|parameter| parameter["name"] == "If-Match") {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let rows = conditional(&w).into_iter().map(|(method, route, ..)| (method.to_owned(), route.to_owned()));
    assert_eq!(described, rows.collect());
}
