//! The API in this process, on a store of its own, with an operator and an account.

use std::sync::Arc;

use axum::body::Body;
use claviger_authority::ports::Ports;
use claviger_authority::settings::Settings;
use claviger_authority::{Authority, SqliteOptions};
use claviger_http::api::ApiService;
use claviger_http::metrics::Metrics;
use claviger_http::serve::Peer;
use claviger_http::state::{AppState, EdgeSettings};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

pub(crate) const OPERATOR: &str = "operator-key-0123456789abcdefghijklmnop";

pub(crate) struct House {
    pub(crate) api: ApiService,
    pub(crate) state: AppState,
    /// `account:acct_…`
    pub(crate) account: String,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::at(folder.path().join("claviger.db"));
        let authority = Authority::open(options, Settings::default(), Ports::system()).await.unwrap();
        authority.first_start(folder.path(), Some(OPERATOR.to_owned())).await.unwrap();
        let edge = EdgeSettings { public_url: "https://keys.example".to_owned(), ..EdgeSettings::default() };
        let state = AppState { authority, edge: Arc::new(edge), metrics: Metrics::default() };
        let api = ApiService::new(state.clone());
        let mut house = Self { api, state, account: String::new(), _folder: folder };
        let made = house.post("/v1/accounts", json!({"external_id": "ada"})).await;
        assert_eq!(made.status, 201, "{}", made.body);
        house.account = format!("account:{}", made.text("id"));
        house
    }

    /// The same folder in a process that starts anew, after the authority was closed.
    pub(crate) async fn reopened(self) -> Self {
        let options = SqliteOptions::at(self._folder.path().join("claviger.db"));
        let authority = Authority::open(options, Settings::default(), Ports::system()).await.unwrap();
        let state = AppState { authority, ..self.state };
        Self { api: ApiService::new(state.clone()), state, ..self }
    }

    /// A request with a key, and perhaps with more headers.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header("x-api-key", key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(peer());
        let response = self.api.answer(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, OPERATOR, &[], Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, OPERATOR, &[], None).await
    }

    /// A key of the account: its identifier and its text.
    pub(crate) async fn key(&self, more: Value) -> (String, String) {
        let mut body = json!({"name": "CI", "subject": self.account, "scopes": ["*:*"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.post("/v1/keys", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        (made.body["key"]["id"].as_str().unwrap().to_owned(), made.text("secret"))
    }
}

pub(crate) fn peer() -> Peer {
    let address = "127.0.0.1:4000".parse().unwrap();
    Peer { address, local: address, tls: false }
}
