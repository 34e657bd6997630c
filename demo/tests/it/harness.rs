//! What the tests share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claviger_demo::{App, Config, MirrorKey, Observer, People, Projects, start};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

pub(crate) const OWNER: &str = "acct_owner";
pub(crate) const MEMBER: &str = "acct_member";
pub(crate) const MIRROR_KEY: &str = "ck_test_of_the_mirror";

/// One request that the stand-in authority got.
#[derive(Clone, Debug)]
pub(crate) struct Mirrored {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) document: Value,
}

/// What the stand-in says to the n-th request.
type Script = fn(usize) -> Response;

/// Records what is mirrored; knows nothing else of an authority.
#[derive(Clone)]
pub(crate) struct Authority {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Mirrored>>>,
    script: Script,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        Self::with(|_| StatusCode::CREATED.into_response()).await
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
        seen.push(mirrored);
        seen.len() - 1
    };
    (authority.script)(position)
}

pub(crate) fn config(authority: SocketAddr) -> Config {
    Config {
        authority: format!("http://{authority}"),
        mirror_key: MirrorKey::new(MIRROR_KEY),
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
        let names =
            ["authority", "account", "key-id", "scopes", "grants", "resource", "version", "request-id"];
        let gateway = Self(names.map(|name| (name, String::new())).into());
        gateway.with("authority", "anonymous").with("request-id", "req_1")
    }

    pub(crate) fn owner() -> Self {
        let scopes = "notebook:read sample:read";
        let gateway = Self::anonymous().with("authority", "account:acct_owner").with("account", OWNER);
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
    let mut request = http::Request::builder().method(method).uri(format!("http://{}{path}", app.address));
    for (name, value) in gateway.0 {
        request = request.header(format!("X-Claviger-{name}"), value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}
