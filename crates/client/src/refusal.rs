//! What a layer answers to those it does not let through: what the API would answer to the same key.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::credential::{Slots, Unreadable};
use crate::error::ProblemDocument;
use crate::verifier::Unverified;
use crate::verify::Verdict;

/// Seconds after which a caller may try again where the authority cannot be asked and does not say.
const RETRY_SECONDS: u64 = 1;

/// What a request is answered with that does not get through.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: String,
    title: &'static str,
    detail: String,
    retry_after: Option<u64>,
}

impl Refused {
    fn new(status: StatusCode, code: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), title, detail: detail.into(), retry_after: None }
    }

    pub(crate) fn required() -> Self {
        let detail = "This needs a credential. Send an API key, for example as `Authorization: Bearer KEY`.";
        Self::new(StatusCode::UNAUTHORIZED, "credentials_required", "Credentials required", detail)
    }

    pub(crate) fn unreadable(unreadable: Unreadable) -> Self {
        let (code, title, detail) = match unreadable {
            Unreadable::Ambiguous => (
                "ambiguous_credentials",
                "Ambiguous credentials",
                "The request carries two different credentials. Send one.".to_owned(),
            ),
            Unreadable::Malformed(why) => (
                "malformed_credentials",
                "Malformed credentials",
                format!("The credential cannot be read: {why}."),
            ),
        };
        Self::new(StatusCode::BAD_REQUEST, code, title, detail)
    }

    /// An operator key, which no application is ever shown.
    pub(crate) fn operator() -> Self {
        let detail = "Operator keys manage Claviger; they never reach what it protects.";
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// A target that cannot be is answered like one that does not exist.
    pub(crate) fn not_found() -> Self {
        let detail = "There is nothing here, or nothing that this credential may know of.";
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    pub(crate) fn unverified(error: &Unverified) -> Self {
        match error {
            Unverified::Unavailable { retry_after, .. } => {
                let detail =
                    "The key cannot be checked at the moment. Nothing is known about it by this; try again.";
                let seconds = retry_after.map_or(RETRY_SECONDS, |wait| wait.as_secs().max(RETRY_SECONDS));
                let refused =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", detail);
                Self { retry_after: Some(seconds), ..refused }
            }
            Unverified::Refused(_) => {
                let detail = "This service is not set up to check keys.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
            }
        }
    }

    /// What the authority refused to somebody who asked for this action.
    pub(crate) fn by(verdict: &Verdict, action: Option<&str>) -> Self {
        let (status, title, detail) = match verdict.code.as_str() {
            "invalid_key" => (
                StatusCode::UNAUTHORIZED,
                "Invalid key",
                "This key is not known here. It may be mistyped, or it was deleted.",
            ),
            "key_disabled" => (
                StatusCode::UNAUTHORIZED,
                "Key disabled",
                "This key is disabled. Its managers can set it back to active, unless its account, team or project was closed.",
            ),
            "key_expired" => (
                StatusCode::UNAUTHORIZED,
                "Key expired",
                "This key has expired. Create a new one, or ask one of its managers to change its date.",
            ),
            "key_retired" => (
                StatusCode::UNAUTHORIZED,
                "Key retired",
                "This key was replaced by another one. Use the key that replaces it, or ask a manager of the key for a new one.",
            ),
            "restricted" => (StatusCode::FORBIDDEN, "Restricted", outside(verdict)),
            "not_found" => return Self::not_found(),
            "target_required" => (
                StatusCode::FORBIDDEN,
                "Target required",
                "A key of one resource is good for that resource only: name it as the target.",
            ),
            "rate_limited" | "quota_exceeded" => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                "This key was used as often as it may be for now. `Retry-After` says when it may be used again.",
            ),
            // Whatever a later authority calls it: it is refused.
            code => {
                let detail = missing(verdict, action.unwrap_or("this"));
                return Self::new(StatusCode::FORBIDDEN, code, "Forbidden", detail);
            }
        };
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        let retry_after = limited.then(|| verdict.retry_after_seconds.unwrap_or(RETRY_SECONDS));
        Self { retry_after, ..Self::new(status, &verdict.code, title, detail) }
    }

    /// The answer. Its type is the page of the problem, where `pages` says where those are.
    pub(crate) fn render<R: From<Bytes>>(self, slots: Slots, pages: Option<&str>) -> Response<R> {
        let presented = self.code != "credentials_required";
        let (kind, title) = match pages {
            Some(pages) => (format!("{pages}/problems/{}", self.code), self.title),
            // RFC 9457, section 4.2.1.
            None => ("about:blank".to_owned(), self.status.canonical_reason().unwrap_or(self.title)),
        };
        let document = ProblemDocument {
            kind,
            title: title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            message: self.detail,
            change: None,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(R::from(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = slots.challenge(presented)
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The finding that decided: the last one.
fn decisive(verdict: &Verdict) -> &str {
    verdict.reasons.as_deref().and_then(<[_]>::last).map_or("", |reason| &reason.code)
}

/// From where the key may not be used.
fn outside(verdict: &Verdict) -> &'static str {
    match decisive(verdict) {
        "address_outside" => "This key may not be used from this address.",
        "origin_outside" => "This key may not be used from this origin.",
        _ => "This key may not be used from here.",
    }
}

/// What the key lacks. Only what is said of a target that it knows of: of others it is told nothing.
fn missing(verdict: &Verdict, action: &str) -> String {
    match decisive(verdict) {
        "scope_missing" => format!("This key lacks a scope that covers `{action}`."),
        "needs_more" if action.ends_with(":admin") => {
            format!("Only those who administer the target may use `{action}`.")
        }
        "needs_more" | "resource_keys_read" => {
            format!("`{action}` needs more than the right to read the target.")
        }
        "version_not_selected" => "This version is outside those that the key was made for.".to_owned(),
        "not_an_operator" => format!("Only operator keys may use `{action}`."),
        "operators_run_only" => {
            "Operator keys manage Claviger; they never reach what it protects.".to_owned()
        }
        _ => "This key does not allow this.".to_owned(),
    }
}
