//! Errors as the public reads them: problem details (RFC 9457), and the one place that maps errors to statuses.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use claviger_authority::{Error, NotFresh};
use claviger_core::decide::{Reasons, Refusal};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::credential::{CredentialError, Slots};

/// The media type of problem details.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Where the page of a problem is found, below the address of the API.
pub const PROBLEM_PAGES: &str = "/problems/";

/// A problem, before it is written down.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The status.
    pub status: StatusCode,
    /// The stable code.
    pub code: &'static str,
    /// What is the matter this time, and what to do.
    pub detail: String,
    /// The change that this is about, where it may have happened.
    pub change: Option<String>,
    /// What else goes into the head of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// If it is the refusal of a credential: what the history says of it.
    pub refusal: Option<Box<Refused>>,
}

/// What the history says of a refusal.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The action that was asked for; empty where only the method says what it was.
    pub action: String,
    /// What led to it.
    pub reasons: Reasons,
}

/// The document (RFC 9457, section 3.1), with `code` and, for older clients, `message`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// A page that explains problems of this kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// What is the matter this time, and what to do.
    pub detail: &'a str,
    /// A code that does not change.
    pub code: &'a str,
    /// The same as `detail`.
    pub message: &'a str,
    /// With `outcome_unknown`: the change that may have happened, to look up with `GET /v1/changes/{change}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<&'a str>,
}

impl Problem {
    /// A problem with nothing special in its head.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), change: None, headers: Vec::new(), refusal: None }
    }

    /// Something in the request that cannot be.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// A key that everybody on the way could read.
    #[must_use]
    pub fn insecure_transport() -> Self {
        let detail = "The key travelled over plain HTTP. Use HTTPS, and consider replacing the key.";
        Self::new(StatusCode::FORBIDDEN, "insecure_transport", detail)
    }

    /// This node may lack a change that was acknowledged, so it decides nothing: never a 401.
    #[must_use]
    pub fn not_fresh() -> Self {
        let detail = "This server may lack a recent change, so it answers nothing about keys at the moment. Try again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_fresh", detail)
            .with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Whether this node could not decide; the same question may be asked again.
    #[must_use]
    pub fn is_not_fresh(&self) -> bool {
        self.code == "not_fresh"
    }

    /// A method that an address does not take; the one that answers adds `Allow`.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let detail = "This address does not take this method; `Allow` names those it does.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// What is left of an address without its key is none.
    #[must_use]
    pub fn unreadable_address() -> Self {
        Self::bad_request("bad_request", "The address cannot be read.")
    }

    /// A record that is not in the state that the caller saw.
    pub(crate) fn stale(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail)
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same problem on a route that accepts these slots: a 401 says what would be accepted.
    #[must_use]
    pub fn challenging(self, slots: Slots) -> Self {
        if self.status != StatusCode::UNAUTHORIZED {
            return self;
        }
        // RFC 6750, section 3.1: no error code where no credential was presented.
        let error = (self.code != "credentials_required").then_some("invalid_token");
        match slots.challenge(error) {
            Some(challenge) => self.with(WWW_AUTHENTICATE, challenge),
            None => self,
        }
    }

    /// Maps a refusal. `action` is what was asked for.
    #[must_use]
    pub fn refused(refusal: Refusal, action: &str) -> Self {
        let status = match refusal {
            Refusal::CredentialsRequired
            | Refusal::InvalidKey
            | Refusal::KeyDisabled
            | Refusal::KeyExpired
            | Refusal::KeyRetired => StatusCode::UNAUTHORIZED,
            Refusal::Restricted(_) | Refusal::Forbidden(_) | Refusal::TargetRequired => StatusCode::FORBIDDEN,
            Refusal::NotFound => StatusCode::NOT_FOUND,
        };
        Self::new(status, refusal.code(), refusal.detail(action))
    }

    /// The same problem with what the history says of it.
    #[must_use]
    pub fn recorded(self, action: impl Into<String>, reasons: Reasons) -> Self {
        Self { refusal: Some(Box::new(Refused { action: action.into(), reasons })), ..self }
    }

    /// The document, its type below this address.
    #[must_use]
    pub fn document(&self, base: &str) -> ProblemDocument<'_> {
        ProblemDocument {
            kind: format!("{base}{PROBLEM_PAGES}{}", self.code),
            title: title(self.code, self.status),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            message: &self.detail,
            change: self.change.as_deref(),
        }
    }

    /// The answer, its type below this address.
    #[must_use]
    pub fn render(&self, base: &str) -> Response {
        let body = serde_json::to_vec(&self.document(base)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        response
    }
}

/// Handlers answer with the problem itself; the edge writes it down, as it alone knows the public address.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        Self::bad_request(error.code(), error.to_string())
    }
}

impl From<NotFresh> for Problem {
    fn from(_: NotFresh) -> Self {
        Self::not_fresh()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { refusal, action, reasons } => {
                Self::refused(refusal, &action).recorded(action, *reasons)
            }
            Error::Invalid { field, detail } => {
                Self::bad_request("invalid_request", format!("`{field}`: {detail}."))
            }
            Error::Stale { current: 0 } => {
                Self::stale("There is no such record yet, so it has no state to match.")
            }
            Error::Stale { current } => Self::stale(format!(
                "The record is at revision {current} by now, and its `ETag` is `\"r{current}\"`. Read it again, then repeat the change."
            )),
            Error::Conflict { code, detail } => Self::new(StatusCode::CONFLICT, code, detail),
            Error::OutcomeUnknown { change, source } => {
                tracing::error!(error = %source, "a change may have happened or not");
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", source.public());
                Self { change: change.map(|change| change.to_string()), ..problem }
                    .with(RETRY_AFTER, HeaderValue::from_static("5"))
            }
            // The first never leaves the authority.
            Error::Overtaken { .. } | Error::Contended => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Too many requests change the same records at once. Nothing was changed; send the request again.",
            )
            .with(RETRY_AFTER, HeaderValue::from_static("1")),
            Error::TooFast { retry_after } => {
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                let detail = format!(
                    "Your account or team has made as many changes, or reported as many rows, as it may for now. Nothing was changed; send the request again in {seconds} s."
                );
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .with(RETRY_AFTER, HeaderValue::from(seconds))
            }
            Error::NotFresh => Self::not_fresh(),
            Error::Store(error) => {
                tracing::error!(%error, "the store cannot answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.public())
                    .with(RETRY_AFTER, HeaderValue::from_static("5"))
            }
        }
    }
}

/// Every code with its title and what to do about it. The pages below `/problems/` are made of it.
pub const CODES: &[(&str, &str, &str)] = &[
    (
        "credentials_required",
        "Credentials required",
        "Send an API key: `Authorization: Bearer KEY`, `Authorization: ApiKey KEY`, HTTP Basic with the key as the user name and an empty password, or `X-API-Key: KEY`. `WWW-Authenticate` names the schemes that the route accepts.",
    ),
    (
        "invalid_key",
        "Invalid key",
        "The key was mistyped, deleted, or never issued here. Compare its last four characters with the preview on the page that lists your keys; if it is not there, create a new one.",
    ),
    (
        "key_disabled",
        "Key disabled",
        "A manager of the key disabled it, or its account, team or project was closed. Ask a manager to set it back to active, or use another key.",
    ),
    (
        "key_expired",
        "Key expired",
        "The key has expired. Create a new key, or ask one of the key's managers for one, and replace the old one wherever it is used.",
    ),
    (
        "key_retired",
        "Key retired",
        "The key was replaced by another one, and nothing brings it back. Use the key that replaces it; if that one is lost, a manager can rotate it or create a new one.",
    ),
    (
        "restricted",
        "Restricted",
        "The key may be used from certain addresses or web origins only, and this request came from another. Send it from one of those, or ask a manager of the key to add yours.",
    ),
    (
        "forbidden",
        "Forbidden",
        "The key is valid but may not do this. The detail names the scope, role or version it lacks; ask someone who manages the key for it, or use another key. `GET /v1/verify?action=…&target=…` with the key returns what it may do. Quote the `X-Request-Id` when you ask.",
    ),
    (
        "target_required",
        "Target required",
        "A key of one resource is good for that resource only, and the request names none. Name the resource as the target, or use a key of an account, team or project.",
    ),
    (
        "not_found",
        "Not found",
        "There is nothing here, or nothing that this credential may know of; the answer is the same for both. Check the spelling of the address and the identifiers in it, then whether you sent the right key.",
    ),
    (
        "method_not_allowed",
        "Method not allowed",
        "The address exists, but not with this method. Use one of those that the header `Allow` of the answer names.",
    ),
    (
        "ambiguous_credentials",
        "Ambiguous credentials",
        "The request carries two different credentials, or the same header twice. Send one. A key in the address and another in a header, or one that a tool adds by itself, are the usual causes.",
    ),
    (
        "malformed_credentials",
        "Malformed credentials",
        "What was sent as a key cannot be one: the detail says why. Check that the whole key was copied, without quotes, spaces or line breaks; an empty variable in a script is another usual cause.",
    ),
    (
        "insecure_transport",
        "Insecure transport",
        "The key travelled over plain HTTP and may have been read on the way. Use HTTPS, and consider replacing the key.",
    ),
    (
        "invalid_request",
        "Invalid request",
        "A field or parameter of the request has a value that it cannot have. The detail names it and says what to write instead; correct it and send the request again.",
    ),
    (
        "malformed_json",
        "Malformed JSON",
        "The body is not a JSON object of the form that this address takes. The detail names the field or the place; `/playground` lists the fields of each address.",
    ),
    (
        "invalid_signature",
        "Invalid signature",
        "The signature of a report does not match its body, or was made with a key that is not configured here. Sign the body exactly as it is sent, and check that this service knows your public key.",
    ),
    (
        "unsupported_media_type",
        "Unsupported media type",
        "The body must be JSON. Send it with the header `Content-Type: application/json`.",
    ),
    (
        "too_large",
        "Too large",
        "The body is larger than this address takes. Send less at once, for example an import in several parts.",
    ),
    (
        "headers_too_large",
        "Headers too large",
        "The head of the request is larger than this server reads, or has too many header fields. Send fewer or shorter ones; cookies are the usual cause.",
    ),
    (
        "address_too_long",
        "Address too long",
        "The address of the request is longer than this server reads. Send long values in a body.",
    ),
    (
        "stale",
        "Changed in the meantime",
        "`If-Match` names an older state of the record, or a record that does not exist; or `If-None-Match: *` asked for one that does not exist yet, and it does. Read it again, then repeat the change.",
    ),
    (
        "key_limit_reached",
        "Too many keys",
        "The account, team, project or resource has as many keys as it may have; expired and disabled ones count. Delete some that are not used.",
    ),
    (
        "member_limit_reached",
        "Too many members",
        "The team or project has as many members as it may have. Remove one first.",
    ),
    ("last_owner", "Last owner", "A team keeps at least one owner. Make another account an owner first."),
    (
        "email_taken",
        "E-mail taken",
        "An account with this e-mail address exists already. Use that account, or another address.",
    ),
    (
        "external_id_taken",
        "External id taken",
        "Another record has this identifier of your application already. List with `external_id` to find what has it.",
    ),
    ("key_exists", "Key exists", "A key with this text exists already, so there is nothing to import."),
    ("id_taken", "Identifier taken", "The identifier is in use already; try again."),
    (
        "resource_exists",
        "Resource exists",
        "The resource was made by somebody else at the same time; try again.",
    ),
    (
        "key_not_active",
        "Key not active",
        "The key is disabled or has expired. A manager who is signed in and an operator can replace it, without an overlap; a key cannot.",
    ),
    (
        "key_replaced",
        "Key replaced",
        "Another key took over from this one: the detail names it, if it lives. Use or rotate that one, or create a new key. A retired key keeps its status; only its name and metadata can be changed.",
    ),
    (
        "idempotency_replayed",
        "Carried out before",
        "This very request was carried out already: the detail names what it made. A secret is never shown twice; if it was lost, rotate the key.",
    ),
    (
        "idempotency_mismatch",
        "Another request under the same name",
        "The `Idempotency-Key` was used for another request within the last day. Choose a new one for each request.",
    ),
    (
        "rate_limited",
        "Too many requests",
        "The key was used as often as it may be for now; or its account or team has made as many changes, or reported as many rows for the history, as it may. `Retry-After` says when to send the request again; `RateLimit` and `RateLimit-Policy` say what is left of a key's own rate.",
    ),
    (
        "quota_exceeded",
        "Quota used up",
        "The key was used as often as it may be in this day or month (UTC). `Retry-After` says when the next one begins; a manager of the key can give it a larger quota.",
    ),
    (
        "import_closed",
        "Import closed",
        "The import was committed or abandoned, or this server was restarted. Begin another; keys that were imported already are not imported twice.",
    ),
    (
        "too_many_imports",
        "Too many imports",
        "As many imports are under way as there may be. Commit or abandon one first.",
    ),
    (
        "import_too_large",
        "Import too large",
        "One import takes only so many rows unless an operator imports. Commit it and begin another.",
    ),
    (
        "key_deleted",
        "Key deleted",
        "The key was deleted, and a deleted key never works again. Create a new one.",
    ),
    (
        "team_limit_reached",
        "Limit of teams reached",
        "As many teams were created for this account as may be; closed ones count. The setting `teams_per_account_max` is the limit.",
    ),
    (
        "project_limit_reached",
        "Limit of projects reached",
        "This owner has as many projects as it may have; closed ones count. The setting `projects_per_owner_max` is the limit.",
    ),
    (
        "import_rights_changed",
        "Rights changed",
        "The caller that began the import has lost rights since. Abandon it and begin another.",
    ),
    (
        "bad_request",
        "Bad request",
        "The request cannot be passed on safely: the detail says why. Correct it and send it again.",
    ),
    (
        "ambiguous_path",
        "Ambiguous path",
        "The path could be read in two ways, and an application might serve something else than what was decided on. Send it in its plain form; a route with `paths = \"any\"` takes paths as they are.",
    ),
    (
        "body_not_allowed",
        "Body not allowed",
        "A GET or HEAD carries a body. Send it without one; a route with `get_body = true` takes one.",
    ),
    (
        "no_upstream",
        "No upstream",
        "The route is for forward-auth alone: another proxy asks about its requests and passes them on. Send the request there.",
    ),
    (
        "proxy_not_trusted",
        "Proxy not trusted",
        "A proxy asks about a request, but its address is not in `trusted_proxies`. Add it to the configuration.",
    ),
    (
        "proxy_headers_missing",
        "Proxy headers missing",
        "A proxy asks about a request and does not name it. The detail says which headers it has to send; docs/GATEWAY.md shows the configuration.",
    ),
    (
        "ambiguous_proxy_headers",
        "Ambiguous proxy headers",
        "A header that the proxy in front sets is there twice, or in a second spelling that an application could take for it. Send no header of that name.",
    ),
    (
        "upstream_unreachable",
        "Upstream unreachable",
        "The application behind the gateway could not be reached, so the request was not carried out. Try again later; if it persists, report it with the `X-Request-Id`.",
    ),
    (
        "upstream_timeout",
        "Upstream timed out",
        "The application behind the gateway did not answer in time. It may have carried the request out: check before you repeat a change.",
    ),
    (
        "upstream_failed",
        "Upstream failed",
        "The application behind the gateway sent an answer that is not valid HTTP. It may have carried the request out: check before you repeat a change, and report it with the `X-Request-Id`.",
    ),
    (
        "request_timeout",
        "Request timed out",
        "The request did not arrive completely in time. Check the connection and send it again.",
    ),
    (
        "not_fresh",
        "Not up to date",
        "The server that answered cannot be sure that it knows every revocation, so it refuses to decide. Nothing is known about your key by this. Try again after the time in `Retry-After`; if it persists, the server's log and `/readyz` say what failed.",
    ),
    (
        "unavailable",
        "Unavailable",
        "The store cannot answer at the moment, or too many requests change the same records at once. If you asked for a change, it was certainly not made. Nothing is known about your key by this; try again after the time in `Retry-After`.",
    ),
    (
        "outcome_unknown",
        "Outcome unknown",
        "The disk failed while the change was being written, so it may have been made or not. `change` names it: `GET /v1/changes/{change}` returns 200 if it was made, 404 if not, and this problem as long as nobody knows. A creation sent with an `Idempotency-Key` can simply be repeated with the same one.",
    ),
    (
        "internal",
        "Internal error",
        "Something failed that should not have. Report it with the `X-Request-Id` of the answer: the log has more under it.",
    ),
];

/// The title of a code.
fn title(code: &str, status: StatusCode) -> &'static str {
    let known = CODES.iter().find(|(known, _, _)| *known == code);
    known.map_or_else(|| status.canonical_reason().unwrap_or("Error"), |(_, title, _)| title)
}

#[cfg(test)]
mod tests {
    use claviger_core::decide::{Access, Missing};

    use super::*;

    #[test]
    fn every_code_is_known_once() {
        let mut codes = CODES.iter().map(|(code, _, _)| *code).collect::<Vec<_>>();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert!(CODES.iter().all(|(_, title, text)| !title.is_empty() && text.len() > 20));
    }

    #[test]
    fn refusals() {
        let check = |refusal: Refusal, status: u16| {
            let problem = Problem::refused(refusal, "notebook:read");
            assert_eq!(problem.status, status, "{refusal:?}");
            assert!(CODES.iter().any(|(code, _, _)| *code == problem.code));
            let document = problem.document("https://keys.example");
            assert_eq!(document.detail, document.message);
        };
        check(Refusal::CredentialsRequired, 401);
        check(Refusal::InvalidKey, 401);
        check(Refusal::KeyDisabled, 401);
        check(Refusal::KeyExpired, 401);
        check(Refusal::KeyRetired, 401);
        check(Refusal::Forbidden(Missing::Scope), 403);
        check(Refusal::Forbidden(Missing::Access(Access::Write)), 403);
        check(Refusal::TargetRequired, 403);
        check(Refusal::NotFound, 404);
    }

    #[test]
    fn only_a_401_is_a_challenge() {
        let headers = |refusal| Problem::refused(refusal, "").challenging(Slots::ALL).headers.len();
        assert_eq!(headers(Refusal::InvalidKey), 1);
        assert_eq!(headers(Refusal::NotFound), 0);
    }
}
