//! No error ever quotes a value that was sent: people put keys where they do not belong, and errors are logged,
//! shared and shown. Here the text of a key goes everywhere, one place at a time, and is looked for in what is
//! refused.

use std::collections::BTreeMap;

use axum::body::Body;
use claviger_http::serve::Peer;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Map, Value, json};

use crate::app::{Answer, OPERATOR};
use crate::world::World;

/// What is sent in the place of a value.
struct Canary(String);

impl Canary {
    /// Nothing of it comes back in a problem, in whatever case or encoding; what was accepted may be shown.
    #[track_caller]
    fn is_not_in(&self, answer: &Answer, place: &str) {
        if answer.status.is_success() {
            return;
        }
        let head =
            answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect::<String>();
        let all = format!("{head}{}", String::from_utf8_lossy(&answer.body)).to_lowercase();
        // A part would be as bad as the whole.
        let part = &self.0[..self.0.len() - 6].to_lowercase();
        assert!(!all.contains(part), "{place} is quoted: {all}");
    }
}

/// The properties of a schema, wherever they are described.
fn properties(document: &Value, schema: &Value, depth: usize) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    if depth == 0 {
        return found;
    }
    if let Some(pointer) = schema["$ref"].as_str() {
        return properties(document, document.pointer(&pointer[1..]).unwrap(), depth - 1);
    }
    for list in ["allOf", "oneOf", "anyOf"] {
        for part in schema[list].as_array().into_iter().flatten() {
            found.extend(properties(document, part, depth - 1));
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(name.clone(), property.clone());
    }
    found
}

/// Bodies that are right but for one value or one name.
fn bodies(document: &Value, operation: &Value, canary: &Value) -> Vec<(String, Value)> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_null() {
        return Vec::new();
    }
    let target = match schema["$ref"].as_str() {
        Some(pointer) => document.pointer(&pointer[1..]).unwrap(),
        None => schema,
    };
    let base = target["example"].as_object().cloned().unwrap_or_default();
    let text = canary.as_str().unwrap();
    let mut all = vec![
        ("the body".to_owned(), canary.clone()),
        ("a list".to_owned(), json!([canary])),
        ("an unknown field".to_owned(), with(&base, text, json!(1))),
        ("a field of an unknown field".to_owned(), with(&base, "unknown", json!({text: text}))),
    ];
    for (name, property) in properties(document, schema, 4) {
        let mut put =
            |value: Value| all.push((format!("`{name}` as {value:.40}"), with(&base, &name, value)));
        put(canary.clone());
        put(json!(["a:b", canary]));
        put(json!({text: text}));
        put(json!({"a": canary}));
        for part in [
            format!("{text}:read"),
            format!("account:{text}"),
            format!("notebook:{text}:x"),
            format!("@{text}"),
        ] {
            put(json!(part));
            put(json!([part]));
        }
        let mut inner = properties(document, &property, 4);
        inner.extend(properties(document, &property["items"], 4));
        for (inside, _) in inner {
            put(json!({inside.clone(): canary}));
            put(json!([{inside.clone(): canary}]));
            put(json!({inside.clone(): [canary]}));
            put(json!({inside: {"limit": canary, "period": canary}}));
        }
    }
    all
}

fn with(base: &Map<String, Value>, name: &str, value: Value) -> Value {
    let mut body = base.clone();
    body.insert(name.to_owned(), value);
    Value::Object(body)
}

/// The path of an operation that names things that exist.
fn existing(w: &World, path: &str) -> String {
    let id = match path.split('/').nth(2) {
        Some("teams") => &w.lab,
        Some("projects") => &w.atlas,
        Some("keys" | "usage") => &w.ada_narrow.id,
        _ => &w.ada,
    };
    path.replace("{id}", id)
        .replace("{account}", &w.eve)
        .replace("{reference}", "notebook:alpha")
        .replace("{key}", &w.ada_narrow.id)
        .replace("{change}", "chg_00000000000000000000000000000000")
        .replace("{code}", "not_found")
}

/// Not by way of the application's own `send`, which holds each answer against the description: here are requests that
/// no description covers.
async fn send(w: &World, request: http::request::Builder, body: String) -> Answer {
    let mut request = request.body(Body::from(body)).unwrap();
    let local = "127.0.0.1:8080".parse().unwrap();
    request.extensions_mut().insert(Peer { address: "127.0.0.1:50000".parse().unwrap(), local, tls: false });
    let (parts, body) = w.app.service.answer(request).await.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

#[tokio::test]
async fn no_error_quotes_what_was_sent() {
    let w = World::new().await;
    let document = w.app.call("GET", "/openapi.json", None, None).await.json();
    // A key that may do something, so that the text is a credential wherever it is taken for one.
    let canary = Canary(w.bob_full.secret.clone());
    let text = canary.0.clone();
    let (mut sent, mut refused) = (0, 0);
    for (route, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let path = existing(&w, route);
            // Deleting would take away what the others need.
            let path = if method == "DELETE" {
                path.replace(&w.lab, "team_x").replace(&w.ada, "acct_x")
            } else {
                path
            };
            let start =
                |uri: &str| Request::builder().method(&*method).uri(uri).header("x-api-key", OPERATOR);
            let json = "application/json";
            let mut check = |answer: Answer, place: &str| {
                sent += 1;
                refused += usize::from(!answer.status.is_success());
                canary.is_not_in(&answer, &format!("{method} {route}: {place}"));
            };
            for (place, body) in bodies(&document, operation, &json!(text)) {
                let answer = send(&w, start(&path).header("content-type", json), body.to_string()).await;
                check(answer, &place);
            }
            let torn =
                [text.clone(), format!("{{\"{text}"), format!("{{\"a\": {text}}}"), format!("{{}} {text}")];
            for body in torn {
                check(send(&w, start(&path).header("content-type", json), body).await, "a torn body");
            }
            for header in [
                "content-type",
                "if-match",
                "if-none-match",
                "idempotency-key",
                "accept",
                "origin",
                "cookie",
                "host",
                "range",
                "x-forwarded-for",
                "x-request-id",
                "forwarded",
                "x-http-method-override",
                "authorization",
            ] {
                for value in [text.clone(), format!("Token {text}"), format!("\"{text}\"")] {
                    let request = start(&path).header(header, &value);
                    check(send(&w, request, "{}".to_owned()).await, header);
                }
            }
            let mut queries = vec![
                format!("{text}=1"),
                format!("unknown={text}"),
                format!("api_key={text}&api_key=x{text}"),
            ];
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] == "query" {
                    queries.extend([
                        format!("{name}={text}"),
                        format!("{name}=account:{text}"),
                        format!("{name}={text}:x&{name}=y"),
                    ]);
                }
            }
            for query in queries {
                check(send(&w, start(&format!("{path}?{query}")), String::new()).await, &query);
            }
            for segment in [
                text.clone(),
                format!("notebook:{text}+"),
                format!("{text}:x"),
                format!("%{text}"),
                format!("{text}%ff"),
            ] {
                for name in ["{id}", "{account}", "{reference}", "{change}", "{code}", "{key}"] {
                    if route.contains(name) {
                        let path = existing(&w, &route.replace(name, &segment));
                        if path.parse::<http::Uri>().is_ok() {
                            check(
                                send(&w, start(&path), "{}".to_owned()).await,
                                &format!("{name} in the path"),
                            );
                        }
                    }
                }
            }
            check(send(&w, start(&format!("{path}/{text}")), String::new()).await, "one more segment");
            let other =
                Request::builder().method(&*text.replace('_', "-")).uri(&path).header("x-api-key", OPERATOR);
            check(send(&w, other, String::new()).await, "the method");
        }
    }
    assert!(refused > 2_000 && sent > refused, "{refused} of {sent}");
}
