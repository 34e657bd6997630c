//! `GET /playground`: every operation with a form to try it, made of the description of the API.
//!
//! The page is a reference without scripts, and sends requests with its own script. It asks nothing of any
//! other host, and keeps the key in the memory of the page alone.

mod fields;
mod render;

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// What the page loads: where from, of which type, and what. The addresses are below the page's own.
const ASSETS: [(&str, &str, &str); 3] = [
    ("/playground/page.css", "text/css; charset=utf-8", include_str!("../../assets/playground.css")),
    ("/playground/page.js", "text/javascript; charset=utf-8", include_str!("../../assets/playground.js")),
    ("/playground/key.svg", "image/svg+xml", include_str!("../../assets/key.svg")),
];

/// Its own script, sheet and picture, requests to its own origin, and nothing else. Trusted Types keep the
/// script from ever turning an answer into markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

pub(super) fn router() -> OpenApiRouter<AppState> {
    let mut router = OpenApiRouter::new().routes(routes!(read));
    for (path, media_type, text) in ASSETS {
        router = router.route(path, get(move || async move { answer(media_type, text.into()) }));
    }
    router
}

/// The page, rendered once.
#[derive(Clone)]
pub(super) struct Page(Arc<Bytes>);

impl Page {
    /// Renders it.
    pub(super) fn of(document: &Value) -> Self {
        Self(Arc::new(render::page(document).into()))
    }
}

/// A playground
///
/// Every operation with a form to try it. The key that it is given stays in the memory of the page.
#[utoipa::path(
    get, path = "/playground", operation_id = "read_playground", tag = "documentation", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html"))
)]
async fn read(Extension(Page(html)): Extension<Page>) -> Response {
    answer("text/html; charset=utf-8", Bytes::clone(&html))
}

fn answer(media_type: &'static str, body: Bytes) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}
