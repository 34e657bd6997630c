//! Where a service's own callers present their keys. The rules are those of the gateway: what it calls ambiguous or
//! malformed is so here, and a test compares the two.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::secret::Secret;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const QUERY_PARAMETER: &str = "api_key";
/// Shorter and longer texts are no keys (those are the authority's bounds); nobody is asked about them.
const KEY_BYTES_MIN: usize = 16;
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
    /// `?api_key=KEY`, on GET; for trying things out, as addresses end up in logs. What has looked at the address
    /// before the layer has seen the key: put the layer around the whole service then, not around one route.
    pub query: bool,
}

impl Slots {
    /// Every header, and not the query.
    pub const HEADERS: Self =
        Self { bearer: true, api_key: true, basic: true, x_api_key: true, query: false };
    /// None: to begin with.
    pub const NONE: Self =
        Self { bearer: false, api_key: false, basic: false, x_api_key: false, query: false };

    /// The challenge of a 401: the schemes that are accepted (RFC 9110, section 11.6.1), with an error where a
    /// key was presented (RFC 6750, section 3.1).
    pub(crate) fn challenge(self, presented: bool) -> Option<HeaderValue> {
        let error = if presented { ", error=\"invalid_token\"" } else { "" };
        let schemes = [
            (self.bearer, "Bearer", error),
            (self.api_key, "ApiKey", ""),
            (self.basic, "Basic", ", charset=\"UTF-8\""),
        ];
        let accepted = schemes.iter().filter(|(accepted, ..)| *accepted);
        let named = accepted.map(|(_, name, more)| format!("{name} realm=\"claviger\"{more}"));
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
    let mut found = None;
    if (slots.bearer || slots.api_key || slots.basic)
        && let Some(value) = single(&parts.headers, &AUTHORIZATION)?
        && let Some(key) = of_authorization(value, slots)?
    {
        found = Some(add(found, key)?);
        parts.headers.remove(AUTHORIZATION);
    }
    if slots.x_api_key
        && let Some(value) = single(&parts.headers, &X_API_KEY)?
    {
        found = Some(add(found, text_of(value)?.trim_matches([' ', '\t']).into())?);
        parts.headers.remove(X_API_KEY);
    }
    if slots.query && parts.method == http::Method::GET {
        found = take_from_query(parts, found)?;
    }
    Ok(found)
}

/// The one value of a header.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Unreadable> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Unreadable::Ambiguous) } else { Ok(first) }
}

fn text_of(value: &HeaderValue) -> Result<&str, Unreadable> {
    value.to_str().map_err(|_| Unreadable::Malformed("the header has characters beyond printable ASCII"))
}

/// The key in `Authorization`, if its scheme is one of the slots. A scheme that is ours and not listed is the
/// service's own affair; one that is nobody's is a mistake.
fn of_authorization(value: &HeaderValue, slots: Slots) -> Result<Option<Secret>, Unreadable> {
    let text = text_of(value)?.trim_matches([' ', '\t']);
    let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match () {
        () if is("bearer") => Ok(slots.bearer.then(|| rest.into())),
        () if is("apikey") => Ok(slots.api_key.then(|| rest.into())),
        () if is("basic") => slots.basic.then(|| of_basic(rest)).transpose(),
        () => Err(Unreadable::Malformed("`Authorization` is `Bearer KEY`, `ApiKey KEY` or `Basic BASE64`")),
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

fn take_from_query(parts: &mut Parts, found: Option<Secret>) -> Result<Option<Secret>, Unreadable> {
    // Names are decoded too: `api%5Fkey` is the same parameter to whoever reads the query after us.
    let is_ours = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        percent_decode_str(name).eq(QUERY_PARAMETER.bytes())
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut ours = query.split('&').filter(is_ours);
    let Some(pair) = ours.next() else { return Ok(found) };
    if ours.next().is_some() {
        return Err(Unreadable::Ambiguous);
    }
    let value = pair.split_once('=').map_or("", |(_, value)| value);
    let value = percent_decode_str(value).decode_utf8();
    let value =
        value.map_err(|_| Unreadable::Malformed("the query parameter `api_key` is not valid UTF-8"))?;
    let found = add(found, value.into_owned().into())?;
    let rest = query.split('&').filter(|pair| !is_ours(pair)).collect::<Vec<_>>().join("&");
    let mark = if query == pair { "" } else { "?" };
    let target = format!("{}{mark}{rest}", parts.uri.path());
    parts.uri = with_target(&parts.uri, &target).ok_or(Unreadable::Malformed("the address"))?;
    Ok(Some(found))
}

fn with_target(uri: &Uri, target: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// Adds a key that was found; the same one in two places is fine.
fn add(found: Option<Secret>, key: Secret) -> Result<Secret, Unreadable> {
    let text = key.expose();
    let in_alphabet = |byte: u8| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'"' | b'\'' | b',' | b'\\');
    if text.is_empty() {
        return Err(Unreadable::Malformed("the key is empty"));
    }
    if text.len() > KEY_BYTES_MAX {
        return Err(Unreadable::Malformed("a key has at most 256 characters"));
    }
    if !text.bytes().all(in_alphabet) {
        return Err(Unreadable::Malformed(
            "a key consists of printable ASCII characters without spaces, quotes, commas and backslashes",
        ));
    }
    if text.len() < KEY_BYTES_MIN {
        return Err(Unreadable::Malformed("a key has at least 16 characters; perhaps it was cut off"));
    }
    match found {
        Some(other) if other.expose() != text => Err(Unreadable::Ambiguous),
        _ => Ok(key),
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
        let another = KEY.replace('0', "1");
        check(&[("authorization", &bearer), ("x-api-key", &another)], ambiguous);
        check(&[("authorization", "Digest x")], malformed);
        check(&[("x-api-key", "too_short")], malformed);
        check(&[("x-api-key", &KEY.repeat(8))], malformed);
        assert!(taken("/", &[("authorization", &bearer), ("x-api-key", KEY)]).0.is_ok());
    }

    #[test]
    fn what_is_not_listed_is_left_alone() {
        let basic = format!("Basic {}", BASE64.encode("name:password"));
        let request = Request::get("/?api_key=x").header("authorization", basic).header("x-api-key", KEY);
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let only = Slots { bearer: true, ..Slots::NONE };
        assert!(take(&mut parts, only).unwrap().is_none());
        assert_eq!((parts.headers.len(), parts.uri.to_string()), (2, "/?api_key=x".to_owned()));
    }
}
