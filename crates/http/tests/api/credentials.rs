//! Every way of presenting a key, over the API.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use claviger_http::serve::Peer;
use http::Request;
use http_body_util::BodyExt;

use crate::app::{Answer, OPERATOR, TestApp};

async fn ask(app: &TestApp, headers: &[(&str, &str)], query: &str) -> Answer {
    let mut request = Request::builder().uri(format!("/v1/whoami{query}"));
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    app.send(request.body(Body::empty()).unwrap()).await
}

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[tokio::test]
async fn every_way() {
    let app = TestApp::start().await;
    for scheme in ["Bearer", "bearer", "BEARER", "ApiKey", "apikey", "APIKEY"] {
        ask(&app, &[("authorization", &format!("{scheme} {OPERATOR}"))], "").await.ok(200);
    }
    ask(&app, &[("authorization", &basic(&format!("{OPERATOR}:")))], "").await.ok(200);
    ask(&app, &[("x-api-key", OPERATOR)], "").await.ok(200);
    ask(&app, &[], &format!("?api_key={OPERATOR}")).await.ok(200);
    // The query is for GET alone; and the key is taken out before what is left is read.
    let listed = Request::builder().uri(format!("/v1/keys?limit=1&api_key={OPERATOR}"));
    app.send(listed.body(Body::empty()).unwrap()).await.ok(200);
    let posted = Request::builder().method("DELETE").uri(format!("/v1/whoami/key?api_key={OPERATOR}"));
    app.send(posted.body(Body::empty()).unwrap()).await.refused(401, "credentials_required");
}

#[tokio::test]
async fn the_same_key_twice_is_fine_and_anything_else_is_ambiguous() {
    let app = TestApp::start().await;
    let (bearer, query) = (format!("Bearer {OPERATOR}"), format!("?api_key={OPERATOR}"));
    ask(&app, &[("authorization", &bearer), ("x-api-key", OPERATOR)], &query).await.ok(200);
    let other = "sk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for (headers, query) in [
        (vec![("authorization", bearer.as_str()), ("x-api-key", other)], ""),
        (vec![("x-api-key", other)], query.as_str()),
        (vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())], ""),
        (vec![("x-api-key", OPERATOR), ("x-api-key", OPERATOR)], ""),
        (vec![], &format!("{query}&api_key={OPERATOR}")),
    ] {
        ask(&app, &headers, query).await.refused(400, "ambiguous_credentials");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_never_taken_for_nothing() {
    let app = TestApp::start().await;
    let password = basic(&format!("{OPERATOR}:secret"));
    let latin = format!("Bearer {OPERATOR}é");
    for value in ["", "Bearer", "Bearer ", "Basic !", "Token x", OPERATOR, &password, &latin, "Bearer a,b"] {
        ask(&app, &[("authorization", value)], "").await.refused(400, "malformed_credentials");
    }
    for value in ["", "short", &"x".repeat(257)] {
        ask(&app, &[("x-api-key", value)], "").await.refused(400, "malformed_credentials");
    }
    for query in ["?api_key", "?api_key=", "?api_key=%00", "?api_key=%ff%ff%ff"] {
        ask(&app, &[], query).await.refused(400, "malformed_credentials");
    }
    let told = ask(&app, &[("x-api-key", "short"), ("authorization", &latin)], "").await;
    assert!(!told.text().contains("operator-0123"), "nothing of it comes back");
}

#[tokio::test]
async fn challenges() {
    let app = TestApp::start().await;
    let schemes = "ApiKey realm=\"claviger\", Basic realm=\"claviger\", charset=\"UTF-8\"";
    let none = ask(&app, &[], "").await;
    none.refused(401, "credentials_required");
    assert_eq!(none.header("www-authenticate"), format!("Bearer realm=\"claviger\", {schemes}"));
    let wrong = ask(&app, &[("x-api-key", "sk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")], "").await;
    wrong.refused(401, "invalid_key");
    let expect = format!("Bearer realm=\"claviger\", error=\"invalid_token\", {schemes}");
    assert_eq!(wrong.header("www-authenticate"), expect);
}

/// A key that came over plain HTTP is refused, on the word of the socket.
#[tokio::test]
async fn insecure_transport() {
    let app = TestApp::start().await;
    let send = async |headers: &[(&str, &str)]| {
        let mut request = Request::builder().uri("/v1/whoami");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let (address, local) = ("192.0.2.9:50000".parse().unwrap(), "203.0.113.1:80".parse().unwrap());
        request.extensions_mut().insert(Peer { address, local, tls: false });
        let (parts, body) = app.service.answer(request).await.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    };
    send(&[("x-api-key", OPERATOR)]).await.refused(403, "insecure_transport");
    send(&[("x-api-key", OPERATOR), ("x-forwarded-proto", "https")]).await.refused(403, "insecure_transport");
    send(&[]).await.refused(401, "credentials_required");
}

/// Who is not known learns nothing: neither that a body is wrong, nor that an identifier is.
#[tokio::test]
async fn authentication_comes_before_everything_else() {
    let app = TestApp::start().await;
    for (method, path, body) in [
        ("POST", "/v1/keys", "nonsense"),
        ("PATCH", "/v1/keys/nonsense", "nonsense"),
        ("GET", "/v1/keys?limit=0", ""),
        ("PUT", "/v1/resources/Nonsense", "[]"),
        ("POST", "/v1/verify", "{"),
        ("DELETE", "/v1/teams/x/members/y", ""),
        ("GET", "/v1/changes/x", ""),
    ] {
        let request = Request::builder().method(method).uri(path).header("if-match", "nonsense");
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        answer.refused(401, "credentials_required");
    }
}
