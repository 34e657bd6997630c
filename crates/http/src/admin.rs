//! The admin listener: health and metrics. It serves no keys and takes none.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::response::Response;
use claviger_authority::ClockState;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use hyper::body::Incoming;
use serde::Serialize;

use crate::extract::not_found;
use crate::problem::Problem;
use crate::state::AppState;

/// The service for [`crate::serve`].
#[derive(Clone)]
pub struct AdminService {
    state: AppState,
}

impl AdminService {
    /// The service.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        Self { state }
    }

    /// Answers one request.
    pub async fn answer(&self, method: &Method, path: &str) -> Response {
        let outcome = match path {
            "/livez" | "/readyz" | "/metrics" if !matches!(*method, Method::GET | Method::HEAD) => {
                Err(Problem::method_not_allowed().with(ALLOW, HeaderValue::from_static("GET, HEAD")))
            }
            "/livez" => Ok(text("ok\n")),
            "/readyz" => self.readiness().await,
            "/metrics" => Ok(self.metrics().await),
            _ => Err(not_found()),
        };
        outcome.unwrap_or_else(|problem| problem.render(&self.state.edge.public_url))
    }

    /// 200 while verification can be served; the body says whether changes can be made.
    async fn readiness(&self) -> Result<Response, Problem> {
        let authority = &self.state.authority;
        authority.ready()?;
        let obstacle = authority.try_changes().await;
        let clock = authority.clock_state();
        let body = Readiness {
            verification: true,
            changes: obstacle.is_none(),
            obstacle: obstacle.map(|obstacle| obstacle.to_string()),
            clock: clock.as_str(),
            clock_off_seconds: match clock {
                ClockState::Steady => None,
                ClockState::Behind { by } | ClockState::Ahead { by } => Some(by.as_secs()),
            },
            deletions_wait: matches!(clock, ClockState::Ahead { .. }),
        };
        let mut response = text(serde_json::to_vec(&body).unwrap_or_default());
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Ok(response)
    }

    async fn metrics(&self) -> Response {
        // What the page says of changes is tried, too.
        let _obstacle = self.state.authority.try_changes().await;
        let mut response = text(self.state.metrics.page(&self.state.authority));
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    /// Whether verification is served.
    verification: bool,
    /// Whether changes can be made.
    changes: bool,
    /// What is in their way.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<String>,
    /// `steady`, `behind` or `ahead`.
    clock: &'static str,
    /// By how much, compared with the latest change.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_off_seconds: Option<u64>,
    /// Whether nothing is deleted for its age.
    deletions_wait: bool,
}

fn text(body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl hyper::service::Service<Request<Incoming>> for AdminService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request.method(), request.uri().path()).await) })
    }
}
