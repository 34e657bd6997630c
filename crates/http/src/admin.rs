//! The admin listener: health and metrics. It serves no keys and takes none.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use hyper::body::Incoming;

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
            "/readyz" => self.state.authority.ready().await.map(|_| text("ready\n")).map_err(Problem::from),
            "/metrics" => Ok(self.metrics()),
            _ => Err(not_found()),
        };
        outcome.unwrap_or_else(|problem| problem.render(&self.state.edge.public_url))
    }

    fn metrics(&self) -> Response {
        let mut response = text(self.state.metrics.page(&self.state.authority));
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
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
