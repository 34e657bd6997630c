//! The identity headers: what an application behind the gateway is told. Each is always set, empty where
//! there is nothing to say, so that one from outside never gets through.

use std::fmt::{self, Write as _};
use std::ops::Range;

use bytes::Bytes;
use claviger_core::decide::Permit;
use http::header::{HeaderName, HeaderValue};

use crate::request_id::RequestId;

const SUBJECT: HeaderName = HeaderName::from_static("x-claviger-subject");
const ACCOUNT: HeaderName = HeaderName::from_static("x-claviger-account");
const KEY_ID: HeaderName = HeaderName::from_static("x-claviger-key-id");
const SCOPES: HeaderName = HeaderName::from_static("x-claviger-scopes");
const GRANTS: HeaderName = HeaderName::from_static("x-claviger-grants");
const RESOURCE: HeaderName = HeaderName::from_static("x-claviger-resource");
/// The version to serve, and on the answer the version that was served.
pub(super) const VERSION: HeaderName = HeaderName::from_static("x-claviger-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-claviger-request-id");
const NOTHING: HeaderValue = HeaderValue::from_static("");

/// Bytes of the longest values that most requests have, so that they are written without growing.
const TEXTS_BYTES: usize = 256;

/// What the application is told about who was let through to what.
pub(super) fn headers(
    permit: &Permit<'_>,
    target: Option<&str>,
    id: &RequestId,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut texts = Texts::default();
    let subject = texts.add(permit);
    let account = texts.add_if(permit.account());
    let key = texts.add_if(permit.key_id());
    let scopes = texts.add_if(permit.key().map(|key| key.rights.scopes));
    let grants = texts.add(Grants(permit));
    let resource = texts.add_if(target);
    let texts = texts.written();
    let value = |range: Range<usize>| value(texts.slice(range));
    let version = permit.version().map(|version| HeaderValue::from(version.get()));
    vec![
        (SUBJECT, value(subject)),
        (ACCOUNT, value(account)),
        (KEY_ID, value(key)),
        (SCOPES, value(scopes)),
        (GRANTS, value(grants)),
        (RESOURCE, value(resource)),
        (VERSION, version.unwrap_or(NOTHING)),
        (REQUEST_ID, id.header()),
    ]
}

/// All values in one piece of memory, of which each header has its part.
struct Texts(String);

impl Default for Texts {
    fn default() -> Self {
        Self(String::with_capacity(TEXTS_BYTES))
    }
}

impl Texts {
    fn add(&mut self, text: impl fmt::Display) -> Range<usize> {
        let start = self.0.len();
        // Writing to a String does not fail.
        let _ = write!(self.0, "{text}");
        start..self.0.len()
    }

    fn add_if(&mut self, text: Option<impl fmt::Display>) -> Range<usize> {
        text.map_or(0..0, |text| self.add(text))
    }

    fn written(self) -> Bytes {
        Bytes::from(self.0)
    }
}

/// `secret:NAME database:NAME`: what an embed may use.
struct Grants<'p, 's>(&'p Permit<'s>);

impl fmt::Display for Grants<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets = self.0.secrets().map(|name| ("secret", name));
        let databases = self.0.databases().map(|name| ("database", name));
        for (n, (kind, name)) in secrets.chain(databases).enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{kind}:{name}")?;
        }
        Ok(())
    }
}

/// Everything that goes in is printable ASCII by its type; should that ever change, nothing is said.
fn value(text: Bytes) -> HeaderValue {
    if text.is_empty() {
        return NOTHING;
    }
    HeaderValue::from_maybe_shared(text).unwrap_or(NOTHING)
}
