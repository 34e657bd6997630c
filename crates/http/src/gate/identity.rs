//! The identity headers: what an application behind the gateway is told. Each is always set, empty where
//! there is nothing to say, so that one from outside never gets through.

use std::fmt::Write as _;

use claviger_core::decide::Permit;
use http::header::{HeaderName, HeaderValue};

use crate::request_id::RequestId;

const AUTHORITY: HeaderName = HeaderName::from_static("x-claviger-authority");
const ACCOUNT: HeaderName = HeaderName::from_static("x-claviger-account");
const KEY_ID: HeaderName = HeaderName::from_static("x-claviger-key-id");
const SCOPES: HeaderName = HeaderName::from_static("x-claviger-scopes");
const GRANTS: HeaderName = HeaderName::from_static("x-claviger-grants");
const RESOURCE: HeaderName = HeaderName::from_static("x-claviger-resource");
/// The version to serve, and on the answer the version that was served.
pub(super) const VERSION: HeaderName = HeaderName::from_static("x-claviger-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-claviger-request-id");

/// What the application is told about who was let through to what.
pub(super) fn headers(
    permit: &Permit<'_>,
    target: Option<&str>,
    id: &RequestId,
) -> Vec<(HeaderName, HeaderValue)> {
    let scopes = permit.key().map(|key| key.rights.scopes.to_string());
    let mut grants = String::new();
    for (kind, name) in
        permit.secrets().map(|name| ("secret", name)).chain(permit.databases().map(|name| ("database", name)))
    {
        let space = if grants.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(grants, "{space}{kind}:{name}");
    }
    vec![
        (AUTHORITY, value(&permit.to_string())),
        (ACCOUNT, value(&permit.account().map(|id| id.to_string()).unwrap_or_default())),
        (KEY_ID, value(&permit.key_id().map(|id| id.to_string()).unwrap_or_default())),
        (SCOPES, value(&scopes.unwrap_or_default())),
        (GRANTS, value(&grants)),
        (RESOURCE, value(target.unwrap_or_default())),
        (
            VERSION,
            permit.version().map_or(HeaderValue::from_static(""), |version| HeaderValue::from(version.get())),
        ),
        (REQUEST_ID, id.header()),
    ]
}

/// Everything that goes in is printable ASCII by its type; should that ever change, nothing is said.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
