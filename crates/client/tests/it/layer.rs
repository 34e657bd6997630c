//! The tower layer around a service of one's own.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use claviger_client::{
    Asked, Client, Embedded, NewKey, Restrictions, Secret, Slots, Verified, Verifier, VerifyLayer,
};
use http::StatusCode;
use tower::ServiceExt;

use crate::support::Running;

/// A text that could be a key, and is none.
const NOBODYS: &str = "sk_nobody_ever_issued_this_one_here";

/// Tells who calls, and what is left of the request's head.
async fn tell(request: Request) -> String {
    let caller = request.extensions().get::<Verified>().map(|caller| caller.subject.clone());
    let mut names = request.headers().keys().map(ToString::to_string).collect::<Vec<_>>();
    names.sort();
    format!("{} {} {}", caller.unwrap_or_else(|| "nobody".to_owned()), request.uri(), names.join(","))
}

fn guarded<V: Verifier>(layer: VerifyLayer<V>) -> Router {
    Router::new().route("/a", get(tell)).layer(layer)
}

async fn ask(app: &Router, uri: &str, headers: &[(&str, &str)]) -> (StatusCode, http::HeaderMap, String) {
    let mut request = http::Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn key(running: &Running, scopes: &[&str]) -> (Secret, String, String) {
    let subject = format!("account:{}", running.account().await);
    let scopes = Some(scopes.iter().map(ToString::to_string).collect());
    let new = NewKey { scopes, ..NewKey::new("test", &subject) };
    let created = running.operator().keys().create(&new).await.unwrap();
    (created.secret, created.key.id, subject)
}

#[tokio::test]
async fn who_calls_is_told_and_the_key_is_not() {
    let running = Running::start().await;
    let (secret, id, subject) = key(&running, &["report:read"]).await;
    let app = guarded(VerifyLayer::new(running.operator()).slots(Slots { query: true, ..Slots::HEADERS }));
    let bearer = format!("Bearer {}", secret.expose());
    let (status, _, text) = ask(&app, "/a?b", &[("authorization", &bearer), ("x-other", "1")]).await;
    assert_eq!((status.as_u16(), text), (200, format!("{subject} /a?b x-other")));
    let (_, _, text) = ask(&app, &format!("/a?api_key={}&b", secret.expose()), &[]).await;
    assert_eq!(text, format!("{subject} /a?b "));

    let (status, headers, body) = ask(&app, "/a", &[]).await;
    assert_eq!(
        (status.as_u16(), headers["content-type"].to_str().unwrap()),
        (401, "application/problem+json")
    );
    assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    assert!(body.contains("credentials_required"), "{body}");
    let (status, _, body) = ask(&app, "/a", &[("x-api-key", NOBODYS)]).await;
    assert!(status == 401 && body.contains("invalid_key"), "{body}");
    let (status, _, _) = ask(&app, "/a", &[("x-api-key", NOBODYS), ("authorization", &bearer)]).await;
    assert_eq!(status.as_u16(), 400);

    running.operator().keys().disable(&id).await.unwrap();
    let (status, _, body) = ask(&app, "/a", &[("authorization", &bearer)]).await;
    assert!(status == 401 && body.contains("key_disabled"), "{body}");
}

#[tokio::test]
async fn what_a_request_is_about_is_asked() {
    let running = Running::start().await;
    let (secret, _, subject) = key(&running, &["report:read"]).await;
    let target = subject.clone();
    let app = guarded(VerifyLayer::new(running.operator()).asking(move |head| Asked {
        action: Some(head.headers["x-action"].to_str().unwrap().to_owned()),
        target: Some(target.clone()),
        ..Asked::default()
    }));
    let check = async |action: &str, expect: u16| {
        let headers = [("x-api-key", secret.expose()), ("x-action", action)];
        assert_eq!(ask(&app, "/a", &headers).await.0.as_u16(), expect, "{action}");
    };
    check("report:read", 200).await;
    check("report:write", 403).await;
}

#[tokio::test]
async fn a_layer_that_asks_for_nothing_still_refuses_what_is_wrong() {
    let running = Running::start().await;
    let app = guarded(VerifyLayer::new(running.operator()).optional());
    assert_eq!(ask(&app, "/a", &[]).await.2, "nobody /a ");
    assert_eq!(ask(&app, "/a", &[("x-api-key", NOBODYS)]).await.0.as_u16(), 401);
}

#[tokio::test]
async fn an_authority_that_is_away_says_nothing_about_a_key() {
    let client = Client::builder("http://127.0.0.1:1").key("k").build().unwrap();
    let (status, headers, body) =
        ask(&guarded(VerifyLayer::new(client)), "/a", &[("x-api-key", NOBODYS)]).await;
    assert_eq!((status.as_u16(), headers["retry-after"].to_str().unwrap()), (503, "1"));
    assert!(body.contains("unavailable"), "{body}");
    // A service whose own key may not verify is set up wrongly; its callers are not to blame.
    let running = Running::start().await;
    let (weak, _, _) = key(&running, &["report:read"]).await;
    let client = Client::builder(&running.url).key(weak).build().unwrap();
    let (status, _, body) = ask(&guarded(VerifyLayer::new(client)), "/a", &[("x-api-key", NOBODYS)]).await;
    assert!(status == 500 && !body.contains("key:verify"), "{status} {body}");
}

#[tokio::test]
async fn a_key_is_good_from_where_it_may_be_used() {
    let running = Running::start().await;
    let restrictions = Restrictions {
        addresses: Some(vec!["192.0.2.0/24".to_owned()]),
        origins: Some(vec!["https://app.example.org".to_owned()]),
        ..Restrictions::default()
    };
    let subject = format!("account:{}", running.account().await);
    let new = NewKey { restrictions: Some(restrictions), ..NewKey::new("test", &subject) };
    let secret = running.operator().keys().create(&new).await.unwrap().secret;
    // As it may be told by the connection, or by a proxy.
    let from = |head: &http::request::Parts| Asked {
        address: head.headers.get("x-from").map(|value| value.to_str().unwrap().to_owned()),
        ..Asked::default()
    };
    let remote = guarded(VerifyLayer::new(running.operator()).asking(from));
    let embedded = guarded(VerifyLayer::new(Embedded::new(running.authority.clone())).asking(from));
    for app in [remote, embedded] {
        let check = async |from: &[(&str, &str)], expect: u16| {
            let headers = [&[("x-api-key", secret.expose())], from].concat();
            let (status, _, body) = ask(&app, "/a", &headers).await;
            assert_eq!(status.as_u16(), expect, "{from:?}: {body}");
            assert!(expect == 200 || body.contains("\"restricted\""), "{body}");
        };
        check(&[], 403).await;
        check(&[("x-from", "192.0.2.7")], 403).await;
        check(&[("x-from", "192.0.2.7"), ("origin", "https://app.example.org")], 200).await;
        check(&[("x-from", "192.0.2.7"), ("origin", "https://other.example.org")], 403).await;
        check(&[("x-from", "198.51.100.7"), ("origin", "https://app.example.org")], 403).await;
    }
}

#[tokio::test]
async fn an_address_that_names_nothing_is_not_found() {
    let running = Running::start().await;
    let (secret, _, _) = key(&running, &["report:read"]).await;
    let app = guarded(VerifyLayer::new(running.operator()).asking(|head| Asked {
        action: Some("report:read".to_owned()),
        target: Some(format!("report:{}", head.headers["x-id"].to_str().unwrap())),
        ..Asked::default()
    }));
    let mut told = Vec::new();
    for id in ["unknown", "a.b", "", "a:b", &"x".repeat(129)] {
        let (status, _, body) = ask(&app, "/a", &[("x-api-key", secret.expose()), ("x-id", id)]).await;
        assert_eq!(status.as_u16(), 404, "{id}: {body}");
        told.push(body);
    }
    assert!(told.iter().all(|body| *body == told[0]), "they are told the same: {told:?}");
}

#[tokio::test]
async fn the_same_without_a_network() {
    let running = Running::start().await;
    let (secret, _, subject) = key(&running, &["report:read"]).await;
    let embedded = Embedded::new(running.authority.clone());
    let app = guarded(VerifyLayer::new(embedded.clone()));
    let (status, _, text) = ask(&app, "/a", &[("x-api-key", secret.expose())]).await;
    assert_eq!((status.as_u16(), text), (200, format!("{subject} /a ")));
    assert_eq!(ask(&app, "/a", &[("x-api-key", NOBODYS)]).await.0.as_u16(), 401);
    for target in [None, Some(subject.clone()), Some("notebook:none".to_owned())] {
        let question =
            claviger_client::Verify { target, explain: true, ..claviger_client::Verify::new(secret.clone()) };
        let remote = running.operator().verify(&question).await.unwrap();
        assert_eq!(embedded.decide(&question).unwrap(), remote, "both ways say the same");
    }
}
