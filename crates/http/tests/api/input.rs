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
        ("PUT", "/v1/accounts/external:x".into(), "name"),
        ("POST", "/v1/teams".into(), "name"),
        ("PATCH", format!("/v1/teams/{}", w.lab), "name"),
        ("PUT", format!("/v1/teams/{}/members/{}", w.lab, w.eve), "role"),
        ("POST", "/v1/projects".into(), "name"),
        ("PATCH", format!("/v1/projects/{}", w.atlas), "name"),
        ("PUT", format!("/v1/projects/{}/members/{}", w.atlas, w.eve), "role"),
        ("PUT", "/v1/resources/notebook:alpha".into(), "owner"),
        ("PUT", "/v1/resources?type=notebook".into(), "resources"),
        ("POST", format!("/v1/keys/{}/rotate", w.ada_narrow.id), "unknown"),
        ("POST", "/v1/keys/revoke".into(), "ids"),
        ("POST", "/v1/keys/import".into(), "rows"),
        ("POST", "/v1/keys/imports".into(), "dry_run"),
        ("POST", "/v1/history".into(), "entries"),
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
        // What takes more has limits of its own, which `limits.rs` tries.
        if !["/v1/resources?type=notebook", "/v1/keys/import"].contains(&&*path) {
            let answer = send(&w, method, &path, json, vec![b' '; 3 * 1024 * 1024]).await;
            answer.refused(413, "too_large");
        }
    }
    assert_eq!(w.app.sequence().await, before);
}

/// Serde takes the last of two members with one name; a reader before or after us may take the first.
#[tokio::test]
async fn members_of_metadata_have_each_name_once() {
    let w = World::new().await;
    let (json, path) = (Some("application/json"), format!("/v1/keys/{}", w.ada_narrow.id));
    for metadata in [
        r#"{"a": "1", "a": "2"}"#,
        r#"{"a": "1", "\u0061": "1"}"#,
        r#"[["a", "1"]]"#,
        r#"{"a": 1}"#,
        r#"{"a": null}"#,
    ] {
        let body = format!(r#"{{"metadata": {metadata}}}"#);
        send(&w, "PATCH", &path, json, body).await.refused(400, "malformed_json");
        let body = format!(r#"{{"name": "x", "subject": "account:{}", "metadata": {metadata}}}"#, w.ada);
        send(&w, "POST", "/v1/keys", json, body).await.refused(400, "malformed_json");
    }
    for metadata in [
        json!({"a": "x\ny"}),
        json!({"a\u{0}": "x"}),
        json!({"a": "\u{202e}"}),
        json!({"": ""}),
        json!({"\u{200b}": ""}),
        json!({"é": "1", "e\u{301}": "2"}),
    ] {
        w.app.patch(OPERATOR, &path, json!({"metadata": metadata})).await.refused(400, "invalid_request");
    }
    let composed =
        w.app.patch(OPERATOR, &path, json!({"metadata": {"e\u{301}": "Zoe\u{308}"}})).await.ok(200);
    assert_eq!(composed["metadata"], json!({"é": "Zoë"}));
}

#[tokio::test]
async fn names_can_be_seen() {
    let w = World::new().await;
    let places = [
        ("PATCH", format!("/v1/keys/{}", w.ada_narrow.id), json!({})),
        ("PATCH", format!("/v1/accounts/{}", w.ada), json!({})),
        ("PUT", "/v1/accounts/external:put".into(), json!({})),
        ("PATCH", format!("/v1/teams/{}", w.lab), json!({})),
        ("PATCH", format!("/v1/projects/{}", w.atlas), json!({})),
        ("POST", "/v1/keys".into(), json!({"subject": format!("account:{}", w.ada)})),
        ("POST", "/v1/accounts".into(), json!({"external_id": "x"})),
        ("POST", "/v1/teams".into(), json!({"owner": w.ada})),
        ("POST", "/v1/projects".into(), json!({"owner": format!("account:{}", w.ada)})),
    ];
    for (method, path, rest) in places {
        for name in [
            "",
            " ",
            "\u{200b}",
            "\u{3164}",
            "\u{2800}",
            "\u{301}",
            "\u{feff}\u{200d}",
            "a\u{202e}b",
            "a\u{7}b",
            &"x".repeat(129),
        ] {
            let mut body = rest.clone();
            body["name"] = json!(name);
            w.app.call(method, &path, Some(OPERATOR), Some(body)).await.refused(400, "invalid_request");
        }
        let mut body = rest.clone();
        body["name"] = json!(" Zoe\u{308} 👩\u{200d}💻 ");
        let answer = w.app.call(method, &path, Some(OPERATOR), Some(body)).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let shown = answer.json();
        let name = shown.get("name").or_else(|| shown["key"].get("name"));
        assert_eq!(name.unwrap(), "Zoë 👩\u{200d}💻", "{method} {path}");
    }
}

#[tokio::test]
async fn times_are_read_as_programs_write_them() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    let set = async |text: &str| w.app.patch(OPERATOR, &path, json!({"expires_at": text})).await;
    for (text, shown) in [
        ("2027-01-31T12:00:00.123Z", "2027-01-31T12:00:00Z"),
        ("2027-01-31t12:00:00z", "2027-01-31T12:00:00Z"),
        ("2027-01-31T13:30:00.999999999+01:30", "2027-01-31T12:00:00Z"),
        ("2028-12-31T23:59:60Z", "2029-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ] {
        assert_eq!(set(text).await.ok(200)["expires_at"], shown, "{text}");
        assert_eq!(w.app.get(OPERATOR, &path).await.ok(200)["expires_at"], shown, "{text}");
    }
    for (text, reason) in [
        ("2027-02-30T00:00:00Z", "a day and a time that exist"),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59Z"),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"),
        ("2027-01-31", "RFC 3339"),
        ("2027-01-31T12:00:00", "RFC 3339"),
        ("1801396800", "RFC 3339"),
        ("2027-01-15T08:00:00.999Z", "must be in the future"),
    ] {
        let answer = set(text).await;
        answer.refused(400, "invalid_request");
        assert!(answer.text().contains(reason), "{text}: {}", answer.text());
    }
    // Every parameter that takes a time reads it the same way.
    for query in
        ["/v1/history?since=2027-01-01t00:00:00.5%2B01:00", "/v1/keys?unused_since=9999-12-31T23:59:59Z"]
    {
        w.app.get(OPERATOR, query).await.ok(200);
    }
}

#[tokio::test]
async fn an_id_of_a_resource_is_one_segment_of_a_path() {
    let w = World::new().await;
    let body = json!({"owner": format!("account:{}", w.ada), "visibility": "private"});
    for id in ["v1.2.3", "a~b", ".hidden", "a..b", "...", &"x".repeat(128)] {
        let path = format!("/v1/resources/notebook:{id}");
        w.app.put(OPERATOR, &path, body.clone()).await.ok(201);
        w.app.get(OPERATOR, &path).await.ok(200);
        let target = format!("/v1/verify?target=notebook:{id}");
        assert_eq!(w.app.get(&w.ada_full.secret, &target).await.status, 200, "{id}");
        w.app.delete(OPERATOR, &path).await.ok(200);
    }
    for id in ["", ".", "..", "a%20b", "a+b", "a:b", "a%2Fb", "%C3%A9", "a@1", "%00", &"x".repeat(129)] {
        let path = format!("/v1/resources/notebook:{id}");
        w.app.put(OPERATOR, &path, body.clone()).await.refused(400, "invalid_request");
        w.app.get(OPERATOR, &path).await.refused(400, "invalid_request");
        w.app.delete(OPERATOR, &path).await.refused(400, "invalid_request");
    }
    for reference in ["Notebook:a", "notebook", "team:a", ":a"] {
        w.app.get(OPERATOR, &format!("/v1/resources/{reference}")).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn the_media_type_may_have_parameters() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;x"] {
        send(&w, "PATCH", &path, Some(kind), r#"{"name": "x"}"#).await.ok(200);
    }
}

/// Numbers at and beyond their bounds are taken or refused in plain words, and never end a request otherwise.
#[tokio::test]
async fn numbers_at_their_bounds() {
    let w = World::new().await;
    let of_ada = format!("account:{}", w.ada);
    let resource = |member: &str, number: &str| {
        (
            "PUT",
            "/v1/resources/notebook:n".to_owned(),
            format!(r#"{{"owner": "{of_ada}", "visibility": "public", "{member}": {number}}}"#),
        )
    };
    let key = |restrictions: String| {
        ("PATCH", format!("/v1/keys/{}", w.ada_narrow.id), format!(r#"{{"restrictions": {restrictions}}}"#))
    };
    let numbers = [
        "-1",
        "0",
        "1",
        "1.0",
        "1.5",
        "1e2",
        "-0",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e400",
        "1e-400",
        "01",
        "+1",
        "NaN",
        "0x1",
    ];
    for number in numbers {
        let requests = [
            resource("latest_version", number),
            resource("public_from", number),
            key(format!(r#"{{"rate": {{"limit": {number}, "period_seconds": 1}}}}"#)),
            key(format!(r#"{{"rate": {{"limit": 1, "period_seconds": {number}}}}}"#)),
            key(format!(r#"{{"quota": {{"limit": {number}, "period": "day"}}}}"#)),
            (
                "POST",
                "/v1/verify".to_owned(),
                format!(
                    r#"{{"key": "{}", "target": "notebook:alpha", "version": {number}}}"#,
                    w.ada_full.secret
                ),
            ),
            (
                "POST",
                format!("/v1/keys/{}/rotate", w.bob_full.id),
                format!(r#"{{"overlap_seconds": {number}, "unknown": 1}}"#),
            ),
        ];
        for (method, path, body) in requests {
            let answer = send(&w, method, &path, Some("application/json"), body.clone()).await;
            let status = answer.status.as_u16();
            assert!([200, 201, 400].contains(&status), "{method} {path} {body}: {}", answer.text());
            if status == 400 {
                let detail = answer.json()["detail"].as_str().unwrap().to_owned();
                assert!(number.len() < 3 || !detail.contains(&format!(" {number}")), "{number}: {detail}");
                for word in ["u32", "u64", "i64", "integer `", "sequence", "expected"] {
                    assert!(!detail.contains(word), "{detail}");
                }
            }
        }
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
