//! What the tests share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claviger_client::Secret;
use claviger_demo::{App, Config, Observer, People, Projects, start};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

pub(crate) const OWNER: &str = "acct_owner";
pub(crate) const MEMBER: &str = "acct_member";
pub(crate) const APP_KEY: &str = "ck_test_of_the_application";
/// A key that the stand-in knows.
pub(crate) const STAFF_KEY: &str = "sk-team-of_those_who_operate";

/// One request that the stand-in authority got.
#[derive(Clone, Debug)]
pub(crate) struct Mirrored {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) document: Value,
}

/// What the stand-in says to the n-th request; none for what an authority would say.
type Script = fn(usize, &Mirrored) -> Option<Response>;

/// Records what it is asked, and answers in the form of an authority. What a real one decides is tested end to end.
#[derive(Clone)]
pub(crate) struct Authority {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Mirrored>>>,
    script: Script,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        Self::with(|_, _| None).await
    }

    pub(crate) async fn with(script: Script) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let authority = Self { address, seen: Arc::default(), script };
        let router = Router::new().fallback(record).with_state(authority.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        authority
    }

    pub(crate) fn seen(&self) -> Vec<Mirrored> {
        self.seen.lock().unwrap().clone()
    }
}

async fn record(State(authority): State<Authority>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mirrored = Mirrored {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        authorization: parts.headers["authorization"].to_str().unwrap().to_owned(),
        document: serde_json::from_slice(&body).unwrap(),
    };
    let position = {
        let mut seen = authority.seen.lock().unwrap();
        seen.push(mirrored.clone());
        seen.len() - 1
    };
    (authority.script)(position, &mirrored).unwrap_or_else(|| usual(mirrored))
}

fn usual(asked: Mirrored) -> Response {
    let Mirrored { path, document, .. } = asked;
    match path.as_str() {
        "/v1/verify" if document["key"] == STAFF_KEY => axum::Json(json!({
            "valid": true, "code": "valid", "key_id": "key_staff", "kind": "team", "subject": document["target"],
            "scopes": [], "expires_at": null, "grants": {"secrets": [], "databases": []}, "version": null,
        }))
        .into_response(),
        "/v1/verify" => axum::Json(json!({
            "valid": false, "code": "invalid_key", "key_id": null, "kind": null, "subject": null, "scopes": null,
            "expires_at": null, "grants": {"secrets": [], "databases": []}, "version": null,
        }))
        .into_response(),
        "/v1/history" => {
            let recorded = document["entries"].as_array().unwrap().len();
            (StatusCode::CREATED, axum::Json(json!({"recorded": recorded}))).into_response()
        }
        _ => {
            let mut resource = document;
            let reference = path.trim_start_matches("/v1/resources/");
            let at = "2026-11-21T13:23:18Z";
            resource["reference"] = json!(reference);
            resource["type"] = json!(reference.split(':').next());
            (resource["created_at"], resource["updated_at"]) = (json!(at), json!(at));
            (StatusCode::CREATED, axum::Json(resource)).into_response()
        }
    }
}

/// A refusal as an authority writes it.
pub(crate) fn refusal(status: StatusCode, code: &str, detail: &str) -> Response {
    let document = json!({"status": status.as_u16(), "code": code, "detail": detail});
    (status, axum::Json(document)).into_response()
}

pub(crate) fn config(authority: SocketAddr) -> Config {
    Config {
        authority: format!("http://{authority}"),
        key: Secret::new(APP_KEY),
        listen: "127.0.0.1:0".parse().unwrap(),
        people: People {
            owner: OWNER.to_owned(),
            member: MEMBER.to_owned(),
            stranger: "acct_stranger".to_owned(),
        },
        team: "team_lab".to_owned(),
        projects: Projects { atlas: "proj_atlas".to_owned(), borealis: "proj_borealis".to_owned() },
        observer: None,
        clock: || SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900),
    }
}

/// The application, ready.
pub(crate) async fn app() -> App {
    app_seen_by(None).await
}

pub(crate) async fn app_seen_by(observer: Option<Observer>) -> App {
    let authority = Authority::start().await;
    start(Config { observer, ..config(authority.address) }).await.unwrap()
}

/// The headers of the gateway, as it sends them for an anonymous caller.
pub(crate) struct Gateway(Vec<(&'static str, String)>);

impl Gateway {
    pub(crate) fn anonymous() -> Self {
        let names = ["subject", "account", "key-id", "scopes", "grants", "resource", "version", "request-id"];
        let gateway = Self(names.map(|name| (name, String::new())).into());
        gateway.with("subject", "anonymous").with("request-id", "req_1")
    }

    pub(crate) fn owner() -> Self {
        let scopes = "notebook:read sample:read";
        let gateway = Self::anonymous().with("subject", "account:acct_owner").with("account", OWNER);
        gateway.with("key-id", "key_1").with("scopes", scopes)
    }

    /// What the gateway has resolved.
    pub(crate) fn on(self, resource: &str, version: u32) -> Self {
        self.with("resource", resource).with("version", &version.to_string())
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let header = self.0.iter_mut().find(|(known, _)| *known == name).unwrap();
        header.1 = value.to_owned();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    /// Sends the same header again.
    pub(crate) fn again(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name, value.to_owned()));
        self
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Checks that this is a problem document with this status, and returns its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["type"], "about:blank");
        assert_eq!(document["status"], status);
        assert_eq!(document["title"], self.status.canonical_reason().unwrap());
        assert_eq!(document["detail"], document["message"]);
        document["detail"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn get(app: &App, path: &str, gateway: Gateway) -> Answer {
    send(app, Method::GET, path, gateway, "").await
}

pub(crate) async fn send(
    app: &App,
    method: Method,
    path: &str,
    gateway: Gateway,
    body: impl Into<Bytes>,
) -> Answer {
    let headers = gateway.0.into_iter().map(|(name, value)| (format!("X-Claviger-{name}"), value));
    ask(app, method, path, headers.collect(), body).await
}

/// Sends a request past the gateway, with these headers.
pub(crate) async fn ask(
    app: &App,
    method: Method,
    path: &str,
    headers: Vec<(String, String)>,
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = http::Request::builder().method(method).uri(format!("http://{}{path}", app.address));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}
