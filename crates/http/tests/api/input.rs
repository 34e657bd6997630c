//! Bodies and addresses that are not as they should be, on every route that takes them.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::app::{Answer, OPERATOR};
use crate::world::World;

/// Every route with a body: method, path, and a field that takes a text.
fn bodies(w: &World) -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("POST", "/v1/keys".into(), "name"),
        ("PATCH", format!("/v1/keys/{}", w.ada_narrow.id), "name"),
        ("POST", "/v1/verify".into(), "key"),
        ("POST", "/v1/verify/batch".into(), "requests"),
        ("POST", "/v1/accounts".into(), "name"),
        ("PATCH", format!("/v1/accounts/{}", w.ada), "name"),
        ("POST", "/v1/teams".into(), "name"),
        ("PATCH", format!("/v1/teams/{}", w.lab), "name"),
        ("PUT", format!("/v1/teams/{}/members/{}", w.lab, w.eve), "role"),
        ("POST", "/v1/projects".into(), "name"),
        ("PATCH", format!("/v1/projects/{}", w.atlas), "name"),
        ("PUT", format!("/v1/projects/{}/members/{}", w.atlas, w.eve), "role"),
        ("PUT", "/v1/resources/notebook:alpha".into(), "holder"),
    ]
}

async fn send(w: &World, method: &str, path: &str, kind: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("x-api-key", OPERATOR);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    w.app.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn malformed_bodies() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let json = Some("application/json");
    for (method, path, field) in bodies(&w) {
        let deep = format!("{{\"{field}\":{}", "[".repeat(10_000));
        for body in [
            String::new(),
            " ".to_owned(),
            "\0".to_owned(),
            "{".to_owned(),
            "null".to_owned(),
            "true".to_owned(),
            "\"text\"".to_owned(),
            "[]".to_owned(),
            r#"["a", "b", null, null, null, null, null, null, null]"#.to_owned(),
            format!(r#"{{"{field}": 1}}"#),
            format!(r#"{{"{field}": {{}}}}"#),
            format!(r#"{{"{field}": "x", "{field}": "y"}}"#),
            r#"{"unknown": 1}"#.to_owned(),
            r#"{"__proto__": {}}"#.to_owned(),
            format!(r#"{{"{field}": "x"}} trailing"#),
            format!(r#"{{"{field}": "\ud800"}}"#),
            format!("{{\"{field}\": \"a\nb\"}}"),
            deep,
        ] {
            let answer = send(&w, method, &path, json, body.clone()).await;
            assert_eq!(answer.status, 400, "{method} {path} {:.60}: {}", body, answer.text());
            assert_eq!(answer.json()["code"], "malformed_json", "{method} {path} {body:.60}");
        }
        let answer = send(&w, method, &path, json, b"{\"\xff\": 1}".to_vec()).await;
        answer.refused(400, "malformed_json");
        for kind in
            [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
        {
            let answer = send(&w, method, &path, kind, r#"{"name": "x"}"#).await;
            answer.refused(415, "unsupported_media_type");
        }
        let answer = send(&w, method, &path, json, vec![b' '; 3 * 1024 * 1024]).await;
        answer.refused(413, "too_large");
    }
    assert_eq!(w.app.sequence().await, before);
}

#[tokio::test]
async fn the_media_type_may_have_parameters() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;x"] {
        send(&w, "PATCH", &path, Some(kind), r#"{"name": "x"}"#).await.ok(200);
    }
}

#[tokio::test]
async fn pages_out_of_bounds() {
    let w = World::new().await;
    let listings = [
        "/v1/keys".to_owned(),
        "/v1/accounts".to_owned(),
        "/v1/teams".to_owned(),
        "/v1/projects".to_owned(),
        "/v1/resources".to_owned(),
        "/v1/history".to_owned(),
        format!("/v1/teams/{}/members", w.lab),
        format!("/v1/projects/{}/members", w.atlas),
    ];
    let numbers = ["limit=0", "limit=201", "limit=-1", "limit=1.5", "limit=x", "limit=99999999999", "limit="];
    let others = ["limit=1&limit=1", "cursor=%00", "cursor=x%20y", "cursor=", "offset=1", "%00=1"];
    for path in listings {
        for query in numbers.into_iter().chain(others) {
            let answer = w.app.get(OPERATOR, &format!("{path}?{query}")).await;
            assert_eq!(answer.status, 400, "{path}?{query}: {}", answer.text());
            assert_eq!(answer.json()["code"], "invalid_request");
        }
        w.app.get(OPERATOR, &format!("{path}?limit=200")).await.ok(200);
        // One at a time is the same as all at once.
        let all = w.app.get(OPERATOR, &format!("{path}?limit=200")).await.json();
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = w.app.get(OPERATOR, &format!("{path}?limit=1{cursor}")).await.ok(200);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(items), all["items"], "{path}");
        assert!(all["next_cursor"].is_null() && !items.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn addresses_and_methods() {
    let w = World::new().await;
    for path in ["/", "/v1", "/v1/", "/v1/keys/", "/v2/keys", "/v1/keys/a/b", "/v1//keys", "/problems/nope"] {
        w.app.get(OPERATOR, path).await.refused(404, "not_found");
    }
    let wrong = w.app.call("PUT", "/v1/keys", Some(OPERATOR), None).await;
    wrong.refused(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), "GET,HEAD,POST");
    let head = w.app.call("HEAD", "/v1/whoami", Some(OPERATOR), None).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
}

/// What takes no credential takes no nonsense, either.
#[tokio::test]
async fn reports_of_leaks() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let report = async |body: serde_json::Value| w.app.call("POST", "/v1/leaks", None, Some(body)).await;
    for leaks in
        [json!([["sk_x"]]), json!([null]), json!(["sk_x"]), json!({}), json!([{"key": 1}]), json!(null)]
    {
        report(json!({"leaks": leaks})).await.refused(400, "malformed_json");
    }
    report(json!({"leaks": [], "more": 1})).await.refused(400, "malformed_json");
    let unknown = report(json!({"leaks": [{"key": ""}, {"key": "sk_x"}, {"key": "\u{0}"}]})).await.ok(200);
    assert_eq!(unknown, json!({"outcomes": ["unknown", "unknown", "unknown"]}));
    assert_eq!(w.app.sequence().await, before);
}
