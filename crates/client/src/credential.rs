//! Where a service's own callers present their keys.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use zeroize::Zeroizing;

use crate::secret::Secret;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Longer texts are no keys; they are refused before anybody is asked about them.
const KEY_BYTES_MAX: usize = 256;

/// The places in which a layer looks for a key. What is not listed is neither read nor taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// `Authorization: Bearer KEY`
    pub bearer: bool,
    /// `Authorization: ApiKey KEY`
    pub api_key: bool,
    /// `Authorization: Basic base64(KEY:)`, the password empty
    pub basic: bool,
    /// `X-API-Key: KEY`
    pub x_api_key: bool,
    /// `?api_key=KEY`, on GET; for trying things out, as addresses end up in logs
    pub query: bool,
}

impl Slots {
    /// Every header, and not the query.
    pub const HEADERS: Self =
        Self { bearer: true, api_key: true, basic: true, x_api_key: true, query: false };
    /// None: to begin with.
    pub const NONE: Self =
        Self { bearer: false, api_key: false, basic: false, x_api_key: false, query: false };

    /// The schemes that a 401 names.
    pub(crate) fn challenge(self) -> Option<HeaderValue> {
        let schemes = [(self.bearer, "Bearer"), (self.api_key, "ApiKey"), (self.basic, "Basic")];
        let named = schemes.iter().filter(|(on, _)| *on).map(|(_, name)| format!("{name} realm=\"api\""));
        let text = named.collect::<Vec<_>>().join(", ");
        if text.is_empty() { None } else { HeaderValue::from_str(&text).ok() }
    }
}

/// Why a request's credentials cannot be read: 400, never taken for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Ambiguous,
    Malformed(&'static str),
}

/// Base 64 as clients write it: padded or not (RFC 4648, section 4).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Takes the key out of a request: whatever comes after this sees a request without it.
pub(crate) fn take(parts: &mut Parts, slots: Slots) -> Result<Option<Secret>, Unreadable> {
    let mut found: Option<Secret> = None;
    if (slots.bearer || slots.api_key || slots.basic)
        && let Some(value) = single(&parts.headers, &AUTHORIZATION)?
        && let Some(key) = of_authorization(value, slots)?
    {
        found = add(found, key)?;
        parts.headers.remove(AUTHORIZATION);
    }
    if slots.x_api_key
        && let Some(value) = single(&parts.headers, &X_API_KEY)?
    {
        found = add(found, value.trim().to_owned().into())?;
        parts.headers.remove(X_API_KEY);
    }
    if slots.query && parts.method == http::Method::GET {
        found = take_from_query(parts, found)?;
    }
    Ok(found)
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Unreadable> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Unreadable::Ambiguous);
    }
    let text = |value: &'h HeaderValue| {
        value.to_str().map_err(|_| Unreadable::Malformed("the header has characters beyond printable ASCII"))
    };
    first.map(text).transpose()
}

/// The key in `Authorization`, if its scheme is one of the slots. Another scheme is the service's own affair.
fn of_authorization(value: &str, slots: Slots) -> Result<Option<Secret>, Unreadable> {
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    if (is("bearer") && slots.bearer) || (is("apikey") && slots.api_key) {
        Ok(Some(rest.trim().to_owned().into()))
    } else if is("basic") && slots.basic {
        of_basic(rest.trim()).map(Some)
    } else {
        Ok(None)
    }
}

fn of_basic(text: &str) -> Result<Secret, Unreadable> {
    let malformed = Unreadable::Malformed("`Basic` is followed by the base 64 of `KEY:` (RFC 7617)");
    let decoded = Zeroizing::new(BASE64.decode(text).map_err(|_| malformed)?);
    let text = std::str::from_utf8(&decoded).map_err(|_| malformed)?;
    match text.split_once(':') {
        None => Err(malformed),
        Some((key, "")) => Ok(key.into()),
        Some(_) => {
            Err(Unreadable::Malformed("with `Basic`, the key is the user name and the password stays empty"))
        }
    }
}

fn take_from_query(parts: &mut Parts, mut found: Option<Secret>) -> Result<Option<Secret>, Unreadable> {
    let Some(query) = parts.uri.query() else { return Ok(found) };
    // Names are decoded too: `api%5Fkey` is the same parameter to whoever reads the query after us.
    let decoded = |text: &str| {
        let bytes = percent_encoding::percent_decode_str(text).collect::<Vec<_>>();
        String::from_utf8(bytes).map_err(|_| Unreadable::Malformed("the query is not valid UTF-8"))
    };
    let mut kept = Vec::new();
    let mut taken = false;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(name).is_ok_and(|name| name == "api_key") {
            found = add(found, decoded(value)?.into())?;
            taken = true;
        } else {
            kept.push(pair);
        }
    }
    if taken {
        let query = kept.join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("{}{mark}{query}", parts.uri.path());
        parts.uri = with_target(&parts.uri, &target).ok_or(Unreadable::Malformed("the address"))?;
    }
    Ok(found)
}

fn with_target(uri: &Uri, target: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// Adds a key that was found; the same one in two places is fine.
fn add(found: Option<Secret>, key: Secret) -> Result<Option<Secret>, Unreadable> {
    let text = key.expose();
    if text.is_empty() {
        return Err(Unreadable::Malformed("the key is empty"));
    }
    if text.len() > KEY_BYTES_MAX || !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return Err(Unreadable::Malformed("no key looks like this"));
    }
    match found {
        Some(other) if other.expose() != text => Err(Unreadable::Ambiguous),
        _ => Ok(Some(key)),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const KEY: &str = "sk_0123456789abcdef0123456789abcdef";
    const ALL: Slots = Slots { query: true, ..Slots::HEADERS };

    fn taken(uri: &str, headers: &[(&str, &str)]) -> (Result<Option<String>, Unreadable>, Parts) {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let found = take(&mut parts, ALL).map(|found| found.map(|key| key.expose().to_owned()));
        (found, parts)
    }

    #[test]
    fn a_key_is_found_in_every_slot_and_taken_out() {
        let basic = format!("Basic {}", BASE64.encode(format!("{KEY}:")));
        for (name, value) in [
            ("authorization", format!("bearer {KEY}")),
            ("authorization", format!("ApiKey  {KEY}")),
            ("authorization", basic),
            ("x-api-key", format!(" {KEY} ")),
        ] {
            let (found, parts) = taken("/a?b=c", &[(name, &value)]);
            assert_eq!(found.unwrap().as_deref(), Some(KEY), "{name}: {value}");
            assert!(parts.headers.is_empty());
        }
        let (found, parts) = taken(&format!("/a?b=c&api%5Fkey={KEY}&d"), &[]);
        assert_eq!((found.unwrap().as_deref(), parts.uri.to_string()), (Some(KEY), "/a?b=c&d".to_owned()));
        let (found, parts) = taken(&format!("/a?api_key={KEY}"), &[]);
        assert_eq!((found.unwrap().as_deref(), parts.uri.to_string()), (Some(KEY), "/a".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_never_taken_for_none() {
        let bearer = format!("Bearer {KEY}");
        let check = |headers: &[(&str, &str)], expect: fn(&Unreadable) -> bool| {
            let (found, _) = taken("/", headers);
            assert!(found.as_ref().is_err_and(expect), "{headers:?}: {found:?}");
        };
        let malformed = |unreadable: &Unreadable| matches!(unreadable, Unreadable::Malformed(_));
        let ambiguous = |unreadable: &Unreadable| *unreadable == Unreadable::Ambiguous;
        check(&[("authorization", "Bearer")], malformed);
        check(&[("authorization", "Bearer a b")], malformed);
        check(&[("authorization", "Basic !!!")], malformed);
        check(&[("authorization", "Basic c2s6cGFzc3dvcmQ=")], malformed);
        check(&[("x-api-key", "")], malformed);
        check(&[("authorization", &bearer), ("authorization", &bearer)], ambiguous);
        check(&[("authorization", &bearer), ("x-api-key", "another")], ambiguous);
        assert!(taken("/", &[("authorization", &bearer), ("x-api-key", KEY)]).0.is_ok());
    }

    #[test]
    fn another_scheme_is_left_alone() {
        let (found, parts) = taken("/", &[("authorization", "Digest x")]);
        assert_eq!((found, parts.headers.len()), (Ok(None), 1));
    }
}
