//! The one form in which the application refuses: problem details (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A refusal: a status, and a sentence for whoever made the request.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
}

/// `message` repeats the detail for clients that know only the older `{"message", "status"}` form.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    message: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// For all that does not exist; one text, so that it says nothing about what does.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not know this method.")
    }

    /// For a request that the gateway cannot have sent.
    pub(crate) fn not_from_gateway(why: impl AsRef<str>) -> Self {
        let detail = format!("This request did not come through the gateway: {}.", why.as_ref());
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// For a mistake of ours; the log says more than the caller is told.
    pub(crate) fn internal(why: &dyn std::fmt::Display) -> Self {
        tracing::error!(%why, "could not answer");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The application could not answer.")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            message: &self.detail,
        };
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, axum::Json(document)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
