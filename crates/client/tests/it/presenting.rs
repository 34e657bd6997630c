//! The layer reads credentials as the gateway does, and answers as the API does.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use claviger_client::{
    Asked, ImportOptions, ImportRow, NewKey, Rate, ResourceDescription, Restrictions, Secret, Slots,
    Timestamp, Unverified, Verdict, Verified, Verifier, Verify, VerifyLayer,
};
use claviger_core::decide::{Access, Missing, Refusal};
use claviger_core::scope::Action;
use claviger_http::credential;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::ServiceExt;

use crate::support::{OPERATOR_KEY, Running};

const KEY: &str = "sk_0123456789abcdefghijklmnopqrstuvwx";
const OTHER: &str = "sk_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Lets every key through, and says which one it was.
struct Everybody;

impl Verifier for Everybody {
    async fn verify(&self, question: Verify) -> Result<Verdict, Unverified> {
        let verdict = serde_json::json!({
            "valid": true, "code": "valid", "key_id": question.key.expose(), "subject": "operator",
        });
        Ok(serde_json::from_value(verdict).unwrap())
    }
}

/// The key that was read, and what is left of the request; or the status, code and detail of a refusal.
type Outcome = Result<(Option<String>, HeaderMap, String), (u16, String, String)>;

async fn by_layer(app: &Router, headers: &HeaderMap, query: &str) -> Outcome {
    let mut request = Request::get(format!("/a{query}")).body(Body::empty()).unwrap();
    *request.headers_mut() = headers.clone();
    let response = app.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    if head.status != StatusCode::OK {
        let document: Value = serde_json::from_slice(&body).unwrap();
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        return Err((head.status.as_u16(), text("code"), text("detail")));
    }
    let key = (!body.is_empty()).then(|| String::from_utf8(body.to_vec()).unwrap());
    let target = head.headers["x-target"].to_str().unwrap().to_owned();
    let left = head.headers.iter().filter(|(name, _)| *name == AUTHORIZATION || *name == X_API_KEY);
    Ok((key, left.map(|(name, value)| (name.clone(), value.clone())).collect(), target))
}

fn by_gateway(headers: &HeaderMap, query: &str, slots: Slots) -> Outcome {
    let Slots { bearer, api_key, basic, x_api_key, query: in_query } = slots;
    let slots = credential::Slots { bearer, api_key, basic, x_api_key, query: in_query };
    let found = credential::read(headers, query.strip_prefix('?'), slots);
    let found = found.map_err(|error| (400, error.code().to_owned(), error.to_string()))?;
    let mut left = headers.clone();
    if found.in_authorization {
        left.remove(AUTHORIZATION);
    }
    if found.in_x_api_key {
        left.remove(X_API_KEY);
    }
    let target = match &found.query_without {
        None => format!("/a{query}"),
        Some(None) => "/a".to_owned(),
        Some(Some(rest)) => format!("/a?{rest}"),
    };
    Ok((found.key().map(|key| key.expose().to_owned()), left, target))
}

/// Says which key was let through, and mirrors what is left of the request.
async fn mirror(request: Request) -> http::Response<Body> {
    let key = request.extensions().get::<Verified>().map(|verified| verified.key_id.clone());
    let mut response = http::Response::new(Body::from(key.unwrap_or_default()));
    let target = request.uri().to_string();
    *response.headers_mut() = request.headers().clone();
    response.headers_mut().insert("x-target", target.parse().unwrap());
    response
}

fn authorizations() -> Vec<Vec<String>> {
    use base64::Engine;
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let one = |text: String| vec![text];
    vec![
        vec![],
        one(format!("Bearer {KEY}")),
        one(format!("bEaReR \t{KEY} ")),
        one(format!("ApiKey {KEY}")),
        one(basic(&format!("{KEY}:"))),
        one(basic(&format!("{KEY}:")).trim_end_matches('=').to_owned()),
        one(basic(&format!("{KEY}:password"))),
        one(basic(":")),
        one(basic(KEY)),
        one("Basic !!!".to_owned()),
        one("Basic".to_owned()),
        one("Bearer".to_owned()),
        one(format!("Bearer {KEY} {KEY}")),
        one(format!("Bearer{KEY}")),
        one(format!("Token {KEY}")),
        one("Digest username=\"x\"".to_owned()),
        one(String::new()),
        one("Bearer sk_é0123456789abcdef".to_owned()),
        one("Bearer sk_\"0123456789abcdef".to_owned()),
        vec![format!("Bearer {KEY}"), format!("Bearer {KEY}")],
    ]
}

fn api_keys() -> Vec<Vec<String>> {
    let one = |text: &str| vec![text.to_owned()];
    let mut lists = vec![vec![], one(KEY), one(&format!("\t{KEY} ")), one(OTHER), one(""), one("short")];
    lists.extend([
        one("0123456789abcde"),
        one("0123456789abcdef"),
        one(&"x".repeat(256)),
        one(&"x".repeat(257)),
    ]);
    lists.extend([
        one("sk_0123456789,abcdef"),
        one("sk_0123456789\\abcdef"),
        vec![KEY.to_owned(), KEY.to_owned()],
    ]);
    lists
}

fn queries() -> Vec<String> {
    let with = |text: &str| text.replace("KEY", KEY);
    let all = [
        "",
        "?",
        "?v=3",
        "?api_key=KEY",
        "?v=3&api_key=KEY&x",
        "?api%5Fkey=KEY",
        "?%61pi_key=%73k_0123456789abcdef",
        "?api_key",
        "?api_key=",
        "?api_key=%ff",
        "?api_key=KEY&api_key=KEY",
        "?API_KEY=KEY",
        "?a=%ff&&api_key=KEY",
        "?api_key=a+b",
        "?&api_key=KEY",
        "?api_key=sk_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    ];
    all.map(with).into()
}

#[tokio::test]
async fn credentials_are_read_as_the_gateway_reads_them() {
    let one = |place: fn(&mut Slots)| {
        let mut slots = Slots::NONE;
        place(&mut slots);
        slots
    };
    let slots = [
        Slots { query: true, ..Slots::HEADERS },
        Slots::HEADERS,
        one(|slots| slots.bearer = true),
        one(|slots| slots.basic = true),
        one(|slots| slots.x_api_key = true),
        one(|slots| slots.query = true),
    ];
    let mut compared = 0;
    for slots in slots {
        let layer = VerifyLayer::new(Everybody).slots(slots).optional();
        let app = Router::new().fallback(mirror).layer(layer);
        for authorization in authorizations() {
            for api_key in api_keys() {
                let value = |text: &String| HeaderValue::from_bytes(text.as_bytes()).unwrap();
                let authorization = authorization.iter().map(|text| (AUTHORIZATION, value(text)));
                let api_key = api_key.iter().map(|text| (X_API_KEY, value(text)));
                let mut headers = HeaderMap::new();
                authorization.chain(api_key).for_each(|(name, value)| {
                    headers.append(name, value);
                });
                for query in queries() {
                    let expected = by_gateway(&headers, &query, slots);
                    let told = by_layer(&app, &headers, &query).await;
                    assert_eq!(told, expected, "{slots:?} {headers:?} {query}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 20_000, "{compared}");
}

#[tokio::test]
async fn a_query_is_read_on_get_alone() {
    let layer = VerifyLayer::new(Everybody).slots(Slots { query: true, ..Slots::NONE }).optional();
    let app = Router::new().fallback(mirror).layer(layer);
    let request = Request::post(format!("/a?api_key={KEY}")).body(Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-target"], format!("/a?api_key={KEY}"));
}

/// What of an answer is for its reader.
async fn told(
    response: http::Response<impl axum::body::HttpBody<Error: std::fmt::Debug>>,
) -> (u16, Value, Vec<String>) {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let names = ["content-type", "cache-control", "www-authenticate", "retry-after"];
    let headers = names.into_iter().filter_map(|name| Some(format!("{name}: {}", header(name)?))).collect();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap(), headers)
}

/// A key that is past its date, and one that was disabled.
async fn ended(running: &Running, subject: &str) -> [Secret; 2] {
    let operator = running.operator();
    let keys = operator.keys();
    let old = Secret::new("old_0123456789abcdefghijklmnopqrstuvwx");
    let row = ImportRow {
        key: Some(old.clone()),
        name: "old".to_owned(),
        subject: subject.to_owned(),
        expires_at: Some(Timestamp::UNIX_EPOCH),
        ..ImportRow::default()
    };
    assert!(keys.import(&[row], ImportOptions::default()).await.unwrap().outcomes[0].is_good());
    let lost = keys.create(&NewKey::new("lost", subject)).await.unwrap();
    keys.disable(&lost.key.id).await.unwrap();
    [old, lost.secret]
}

#[tokio::test]
async fn refusals_are_those_of_the_api() {
    let running = Running::start().await;
    let subject = format!("account:{}", running.account().await);
    let [expired, disabled] = ended(&running, &subject).await;
    let layer = VerifyLayer::new(running.operator());
    let app = Router::new().fallback(mirror).layer(layer.problem_pages(&running.url));
    let http = Http::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let check = async |headers: &[(&str, &str)], code: &str| {
        let mut request = http::Request::get(format!("{}/v1/whoami", running.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let asked = request.body(Empty::new()).unwrap();
        let (head, _) = asked.clone().into_parts();
        let by_api = told(http.request(asked).await.unwrap()).await;
        let by_layer = app.clone().oneshot(Request::from_parts(head, Body::empty())).await.unwrap();
        assert_eq!(told(by_layer).await, by_api, "{code}");
        assert_eq!(by_api.1["code"], code);
    };
    check(&[], "credentials_required").await;
    check(&[("x-api-key", "short")], "malformed_credentials").await;
    check(&[("x-api-key", KEY), ("authorization", &format!("Bearer {OTHER}"))], "ambiguous_credentials")
        .await;
    check(&[("x-api-key", KEY)], "invalid_key").await;
    check(&[("x-api-key", expired.expose())], "key_expired").await;
    check(&[("x-api-key", disabled.expose())], "key_disabled").await;
}

#[tokio::test]
async fn what_is_missing_is_named_as_the_gateway_names_it() {
    let running = Running::start().await;
    let operator = running.operator();
    let owner = format!("account:{}", running.account().await);
    let visibility = "private".to_owned();
    let notebook =
        ResourceDescription { owner: owner.clone(), visibility, latest_version: 3, ..<_>::default() };
    operator.resources().put("notebook:a", &notebook, None).await.unwrap();
    let reads = NewKey { scopes: Some(vec!["notebook:read".to_owned()]), ..NewKey::new("reads", &owner) };
    let pinned = NewKey { versions: Some("@2".to_owned()), ..NewKey::new("pinned", "notebook:a") };
    let secret = async |new: &NewKey| operator.keys().create(new).await.unwrap().secret;
    let [reads, pinned] = [secret(&reads).await, secret(&pinned).await];
    let check = async |key: &str, action: &'static str, version: u32, missing: Missing| {
        let asked = Asked {
            action: Some(action.to_owned()),
            target: Some("notebook:a".to_owned()),
            version: Some(version),
            address: None,
        };
        let layer = VerifyLayer::new(running.operator()).asking(move |_| asked.clone());
        let app = Router::new().fallback(mirror).layer(layer);
        let request = Request::get("/a").header("x-api-key", key).body(Body::empty()).unwrap();
        let (status, document, _) = told(app.oneshot(request).await.unwrap()).await;
        let expected = Refusal::Forbidden(missing).detail(&Action::parse(action).unwrap().to_string());
        assert_eq!((status, document["detail"].as_str()), (403, Some(expected.as_str())), "{action}");
    };
    check(reads.expose(), "notebook:update", 3, Missing::Scope).await;
    check(pinned.expose(), "notebook:read", 3, Missing::Version).await;
    check(pinned.expose(), "notebook:update", 2, Missing::Access(Access::Write)).await;
    check(OPERATOR_KEY, "notebook:read", 2, Missing::NotForOperators).await;
}

#[tokio::test]
async fn a_key_that_is_used_too_often_is_told_when_to_come_back() {
    let running = Running::start().await;
    let rate = Some(Rate { limit: 1, period_seconds: 3600 });
    let restrictions = Some(Restrictions { rate, ..Restrictions::default() });
    let new = NewKey { restrictions, ..NewKey::new("slow", format!("account:{}", running.account().await)) };
    let key = async || running.operator().keys().create(&new).await.unwrap().secret;
    let check = async |app: Router, key: Secret| {
        let request = || Request::get("/a").header("x-api-key", key.expose()).body(Body::empty()).unwrap();
        assert_eq!(app.clone().oneshot(request()).await.unwrap().status(), 200);
        let response = app.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 429);
        let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((3500..=3600).contains(&wait), "{wait}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["code"], "rate_limited");
    };
    let remote = VerifyLayer::new(running.operator());
    check(Router::new().fallback(mirror).layer(remote), key().await).await;
    let embedded = VerifyLayer::new(claviger_client::Embedded::new(running.authority.clone()));
    check(Router::new().fallback(mirror).layer(embedded), key().await).await;
}
