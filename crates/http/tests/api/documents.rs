//! The description of the API, the pages about problems, and what errors look like.

use std::fmt::Write;

use claviger_http::problem::CODES;
use serde_json::{Value, json};

use crate::app::{OPERATOR, TestApp};
use crate::denials::PUBLIC;
use crate::world::World;

async fn document() -> Value {
    let answer = TestApp::start().await.call("GET", "/openapi.json", None, None).await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.ok(200)
}

#[tokio::test]
async fn the_description_is_as_it_was() {
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document().await).unwrap());
}

/// Every `$ref` leads somewhere, every operation has a name of its own, and only pages take no credential.
#[tokio::test]
async fn the_description_holds_together() {
    let document = document().await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(name, value)| match value {
                Value::String(text) if name == "$ref" => found.push(text.clone()),
                value => references(value, found),
            }),
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            Value::Null => panic!("something is described as nothing"),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place}");
            assert!(
                operation["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{place} is described"
            );
            let public = operation["security"].as_array().is_some_and(|list| list.contains(&json!({})));
            let known = PUBLIC.iter().any(|row| row.0 == method.to_uppercase() && row.1 == path);
            assert_eq!(public, known, "{place}");
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "operations share a name");
}

/// What a generator of clients, or a person, needs to know of each operation.
#[tokio::test]
async fn the_description_is_complete() {
    let document = document().await;
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["api_key", "basic", "bearer", "query", "x_api_key"]);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = &parameter["name"];
                assert!(
                    parameter["description"].as_str().is_some_and(|text| !text.is_empty()),
                    "{place} {name}"
                );
                assert!(!parameter["example"].is_null(), "{place}: an example of {name}");
            }
            if let Some(body) = operation.get("requestBody") {
                let reference = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
                let schema = document.pointer(&reference[1..]).unwrap();
                assert!(schema["example"].is_object(), "{place}: an example of its body");
            }
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().all(|status| !status.contains('X')), "{place} names each status");
            for status in ["400", "403", "429", "503"] {
                let told = responses.contains_key(status) || !path.starts_with("/v1/");
                assert!(told, "{place} tells of {status}");
            }
        }
    }
    let text = document.to_string();
    assert!(!text.contains("\"format\":\"int"), "what is never negative has no sign");
}

/// What the description gives as an example is what the server takes.
#[tokio::test]
async fn the_examples_can_be_sent() {
    let app = TestApp::start().await;
    let document = app.call("GET", "/openapi.json", None, None).await.ok(200);
    let mut sent = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let (mut path, mut query) = (path.clone(), Vec::new());
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                let example = &parameter["example"];
                let example = example.as_str().map_or_else(|| example.to_string(), ToOwned::to_owned);
                match parameter["in"].as_str().unwrap() {
                    "path" => path = path.replace(&format!("{{{name}}}"), &example),
                    // Pages that nobody asked for before have no cursor.
                    "query" if name != "cursor" => query.push(format!("{name}={example}")),
                    _ => {}
                }
            }
            let body = operation.pointer("/requestBody/content/application~1json/schema/$ref");
            let body = body.map(|reference| {
                document.pointer(&reference.as_str().unwrap()[1..]).unwrap()["example"].clone()
            });
            let target = if query.is_empty() { path.clone() } else { format!("{path}?{}", query.join("&")) };
            let answer = app.call(&method.to_uppercase(), &target, Some(OPERATOR), body).await;
            // What the examples name does not exist here, and the operator's key may not do everything.
            let absent = answer.text().contains("there is no such account");
            let fine = answer.status.is_success() || [403, 404, 409].contains(&answer.status.as_u16());
            let fine = fine || absent;
            assert!(fine, "{method} {target}: {}", answer.text());
            sent += 1;
        }
    }
    // The last one deleted the key that all were sent with.
    assert!(sent > 40);
    app.call("GET", "/v1/whoami", Some(OPERATOR), None).await.refused(401, "invalid_key");
}

#[tokio::test]
async fn pages_about_problems() {
    let app = TestApp::start().await;
    let list = app.call("GET", "/problems/", None, None).await;
    for (code, _, _) in CODES {
        assert!(list.text().contains(&format!("href=\"{code}\"")), "{code} is listed");
        let page = app.call("GET", &format!("/problems/{code}"), None, None).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"));
        assert!(!page.text().contains("<script") && !page.text().contains(" style="));
    }
    for odd in ["nope", "%3Cscript%3E", "..", "%00", "INVALID_KEY"] {
        app.call("GET", &format!("/problems/{odd}"), None, None).await.refused(404, "not_found");
    }
    insta::assert_snapshot!(
        "problem_page",
        app.call("GET", "/problems/invalid_key", None, None).await.text()
    );
}

#[tokio::test]
async fn errors_are_as_they_were() {
    let w = World::new().await;
    let key = format!("/v1/keys/{}", w.ada_narrow.id);
    let verify = json!({"key": "x"});
    let rows: Vec<(&str, &str, Option<&str>, Option<Value>)> = vec![
        ("GET", "/v1/keys", None, None),
        ("GET", "/v1/keys", Some("sk_0000000000000000000000000000000000000"), None),
        ("GET", "/v1/keys", Some(&w.ada_disabled.secret), None),
        ("GET", "/v1/keys", Some(&w.ada_expired.secret), None),
        ("GET", "/v1/keys", Some("short"), None),
        ("GET", "/v1/keys", Some(&w.ada_narrow.secret), None),
        ("GET", "/v1/keys", Some(&w.pinned.secret), None),
        ("GET", "/v1/accounts", Some(&w.ada_full.secret), None),
        ("GET", &key, Some(&w.bob_full.secret), None),
        ("PUT", &key, Some(OPERATOR), None),
        ("PATCH", &key, Some(OPERATOR), None),
        ("PATCH", &key, Some(OPERATOR), Some(json!([]))),
        ("PATCH", &key, Some(OPERATOR), Some(json!({"nmae": "x"}))),
        ("PATCH", &key, Some(OPERATOR), Some(json!({"name": 1}))),
        ("PATCH", &key, Some(OPERATOR), Some(json!({"name": ""}))),
        ("PATCH", &key, Some(OPERATOR), Some(json!({"expires_at": "soon"}))),
        ("GET", "/v1/keys?limit=0", Some(OPERATOR), None),
        ("GET", "/v1/keys?limit=x", Some(OPERATOR), None),
        ("GET", "/v1/keys?cursor=x", Some(OPERATOR), None),
        ("GET", "/v1/keys?nmae=x", Some(OPERATOR), None),
        ("POST", "/v1/accounts", Some(OPERATOR), Some(json!({"external_id": "Ada"}))),
        ("POST", "/v1/verify", Some(&w.ada_full.secret), Some(verify.clone())),
        ("POST", "/v1/verify", Some(&w.pinned.secret), Some(verify)),
        ("DELETE", "/v1/whoami/key", Some(&w.pinned.secret), None),
    ];
    let mut page = String::new();
    for (method, path, key, body) in rows {
        let answer = w.app.call(method, path, key, body.clone()).await;
        let path = path.split_once("key_").map_or(path, |(before, _)| before);
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        let problem = answer.json();
        let (code, detail) = (problem["code"].as_str().unwrap(), problem["detail"].as_str().unwrap());
        writeln!(page, "{method} {path}{body}\n  {} {code}\n  {detail}", answer.status.as_u16()).unwrap();
    }
    insta::assert_snapshot!("errors", page);
    let whole = w.app.call("GET", "/v1/keys", None, None).await.json();
    insta::assert_snapshot!("problem", serde_json::to_string_pretty(&whole).unwrap());
}
