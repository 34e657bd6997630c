//! How a credential is presented: headers and a query parameter, and what is wrong with one.
//!
//! | slot | form | source |
//! |---|---|---|
//! | `bearer` | `Authorization: Bearer KEY` | RFC 6750, section 2.1 |
//! | `api_key` | `Authorization: ApiKey KEY` | |
//! | `basic` | `Authorization: Basic base64(KEY:)`, the password empty | RFC 7617 |
//! | `x_api_key` | `X-API-Key: KEY` | |
//! | `query` | `?api_key=KEY`, for trying things out | |
//!
//! Only the slots that a route lists are read, and only those are stripped.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use claviger_core::key::{MalformedKey, PresentedKey};
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

/// The header that carries a key by itself.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The query parameter that carries a key.
pub const QUERY_PARAMETER: &str = "api_key";

/// Where a route reads credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// `Authorization: Bearer`.
    pub bearer: bool,
    /// `Authorization: ApiKey`.
    pub api_key: bool,
    /// `Authorization: Basic`.
    pub basic: bool,
    /// `X-API-Key`.
    pub x_api_key: bool,
    /// `?api_key=`.
    pub query: bool,
}

impl Slots {
    /// Every slot.
    pub const ALL: Self = Self { bearer: true, api_key: true, basic: true, x_api_key: true, query: true };
    /// Every header.
    pub const HEADERS: Self = Self { query: false, ..Self::ALL };
    /// None.
    pub const NONE: Self =
        Self { bearer: false, api_key: false, basic: false, x_api_key: false, query: false };

    /// Adds the slot of this name in the configuration.
    #[must_use]
    pub fn with(mut self, name: &str) -> Option<Self> {
        match name {
            "bearer" => self.bearer = true,
            "api_key" => self.api_key = true,
            "basic" => self.basic = true,
            "x_api_key" => self.x_api_key = true,
            "query" => self.query = true,
            _ => return None,
        }
        Some(self)
    }

    const fn authorization(self) -> bool {
        self.bearer || self.api_key || self.basic
    }

    /// The challenge of a 401: the schemes that the route accepts (RFC 9110, section 11.6.1).
    #[must_use]
    pub fn challenge(self, error: Option<&str>) -> Option<HeaderValue> {
        let mut text = String::new();
        let schemes = [(self.bearer, "Bearer"), (self.api_key, "ApiKey"), (self.basic, "Basic")];
        for (_, scheme) in schemes.into_iter().filter(|(accepted, _)| *accepted) {
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(scheme);
            text.push_str(" realm=\"claviger\"");
            match (scheme, error) {
                ("Bearer", Some(error)) => {
                    text.push_str(", error=\"");
                    text.push_str(error);
                    text.push('"');
                }
                ("Basic", _) => text.push_str(", charset=\"UTF-8\""),
                _ => {}
            }
        }
        if text.is_empty() { None } else { HeaderValue::from_str(&text).ok() }
    }
}

/// A credential found in a request, and what has to be taken out before the request goes on.
#[derive(Default)]
pub struct Found<'r> {
    key: Option<Text<'r>>,
    /// `Authorization` carried it.
    pub in_authorization: bool,
    /// `X-API-Key` carried it.
    pub in_x_api_key: bool,
    /// The query without it, if the query carried it.
    pub query_without: Option<Query>,
}

/// What is left of a query: nothing at all, or this text.
pub type Query = Option<String>;

enum Text<'r> {
    Borrowed(&'r str),
    Owned(Zeroizing<String>),
}

impl Text<'_> {
    fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Owned(text) => text,
        }
    }
}

impl Found<'_> {
    /// The key, if one was presented.
    #[must_use]
    pub fn key(&self) -> Option<PresentedKey<'_>> {
        // Every text was parsed when it was added.
        self.key.as_ref().and_then(|text| PresentedKey::parse(text.as_str()).ok())
    }
}

impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Found")
    }
}

/// Why a request's credentials cannot be read. Always 400: never taken for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Two different ones, or one header twice.
    #[error("The request carries two different credentials. Send one.")]
    Ambiguous,
    /// Something that no key can look like.
    #[error("The credential cannot be read: {0}.")]
    Malformed(#[from] Malformed),
}

/// What is wrong with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text is none that a key can have.
    #[error(transparent)]
    Key(#[from] MalformedKey),
    /// Bytes beyond ASCII in a header.
    #[error("the header has characters beyond printable ASCII")]
    Header,
    /// A scheme that is not known.
    #[error("`Authorization` is `Bearer KEY`, `ApiKey KEY` or `Basic BASE64`")]
    Scheme,
    /// Not base 64, or without a colon in it.
    #[error("`Basic` is followed by the base 64 of `KEY:` (RFC 7617)")]
    Basic,
    /// A password.
    #[error("with `Basic`, the key is the user name and the password stays empty")]
    Password,
    /// Percent-encoding that is none.
    #[error("the query parameter `api_key` is not valid UTF-8")]
    Query,
}

impl CredentialError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous_credentials",
            Self::Malformed(_) => "malformed_credentials",
        }
    }
}

/// Base 64 as clients write it: padded or not (RFC 4648, section 4).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the credential from the slots.
///
/// # Errors
/// [`CredentialError`] when there is more than one, or one that cannot be read.
pub fn read<'r>(
    headers: &'r HeaderMap,
    query: Option<&'r str>,
    slots: Slots,
) -> Result<Found<'r>, CredentialError> {
    let mut found = Found::default();
    if slots.authorization()
        && let Some(value) = single(headers, &AUTHORIZATION)?
    {
        found.in_authorization = read_authorization(value, slots, &mut found)?;
    }
    if slots.x_api_key
        && let Some(value) = single(headers, &X_API_KEY)?
    {
        add(&mut found, Text::Borrowed(text_of(value)?.trim_matches([' ', '\t'])))?;
        found.in_x_api_key = true;
    }
    if slots.query
        && let Some(query) = query
    {
        read_query(query, &mut found)?;
    }
    Ok(found)
}

/// The one value of a header.
fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r HeaderValue>, CredentialError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(CredentialError::Ambiguous) } else { Ok(first) }
}

fn text_of(value: &HeaderValue) -> Result<&str, CredentialError> {
    value.to_str().map_err(|_| CredentialError::Malformed(Malformed::Header))
}

/// Reads `Authorization`, and says whether it was in a slot of ours.
fn read_authorization<'r>(
    value: &'r HeaderValue,
    slots: Slots,
    found: &mut Found<'r>,
) -> Result<bool, CredentialError> {
    let text = text_of(value)?.trim_matches([' ', '\t']);
    let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    let listed = match () {
        () if is("bearer") => slots.bearer,
        () if is("apikey") => slots.api_key,
        () if is("basic") => {
            if slots.basic {
                add(found, basic(rest)?)?;
            }
            return Ok(slots.basic);
        }
        () => return Err(Malformed::Scheme.into()),
    };
    if listed {
        add(found, Text::Borrowed(rest))?;
    }
    Ok(listed)
}

fn basic(encoded: &str) -> Result<Text<'static>, CredentialError> {
    let decoded = BASE64.decode(encoded).map_err(|_| Malformed::Basic)?;
    let decoded = String::from_utf8(decoded).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        Malformed::Basic
    })?;
    let decoded = Zeroizing::new(decoded);
    match decoded.split_once(':') {
        None => Err(Malformed::Basic.into()),
        Some((key, "")) => Ok(Text::Owned(Zeroizing::new(key.to_owned()))),
        Some(_) => Err(Malformed::Password.into()),
    }
}

fn read_query<'r>(query: &'r str, found: &mut Found<'r>) -> Result<(), CredentialError> {
    let is_ours = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        name == QUERY_PARAMETER || percent_decode_str(name).eq(QUERY_PARAMETER.bytes())
    };
    let mut ours = query.split('&').filter(is_ours);
    let Some(pair) = ours.next() else { return Ok(()) };
    if ours.next().is_some() {
        return Err(CredentialError::Ambiguous);
    }
    let value = pair.split_once('=').map_or("", |(_, value)| value);
    match percent_decode_str(value).decode_utf8().map_err(|_| Malformed::Query)? {
        Cow::Borrowed(text) => add(found, Text::Borrowed(text))?,
        Cow::Owned(text) => add(found, Text::Owned(Zeroizing::new(text)))?,
    }
    let rest = query.split('&').filter(|pair| !is_ours(pair)).collect::<Vec<_>>().join("&");
    found.query_without = Some(if query == pair { None } else { Some(rest) });
    Ok(())
}

/// Adds a text that was presented: the same key in two places is fine, two different ones are not.
fn add<'r>(found: &mut Found<'r>, text: Text<'r>) -> Result<(), CredentialError> {
    let presented = PresentedKey::parse(text.as_str()).map_err(Malformed::from)?;
    match &found.key {
        Some(known) if known.as_str() != presented.expose() => Err(CredentialError::Ambiguous),
        Some(_) => Ok(()),
        None => {
            found.key = Some(text);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk_0123456789abcdefghijklmnopqrstuvwx";
    const OTHER: &str = "sk_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn basic_of(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    fn check(
        pairs: &[(&'static str, &str)],
        query: Option<&str>,
        expect: Result<Option<&str>, CredentialError>,
    ) {
        let headers = headers(pairs);
        let found = read(&headers, query, Slots::ALL);
        let found = found.as_ref().map(|found| found.key().map(|key| key.expose().to_owned()));
        assert_eq!(found.map_err(|e| *e), expect.map(|key| key.map(str::to_owned)), "{pairs:?} {query:?}");
    }

    #[test]
    fn every_way_of_presenting_a_key() {
        check(&[], None, Ok(None));
        for scheme in ["Bearer", "bearer", "BEARER", "ApiKey", "apikey"] {
            check(&[("authorization", &format!("{scheme} {KEY}"))], None, Ok(Some(KEY)));
            check(&[("authorization", &format!("{scheme}   {KEY}  "))], None, Ok(Some(KEY)));
        }
        check(&[("authorization", &basic_of(&format!("{KEY}:")))], None, Ok(Some(KEY)));
        let unpadded = basic_of(&format!("{KEY}:")).trim_end_matches('=').to_owned();
        check(&[("authorization", &unpadded)], None, Ok(Some(KEY)));
        check(&[("x-api-key", KEY)], None, Ok(Some(KEY)));
        check(&[], Some(&format!("api_key={KEY}")), Ok(Some(KEY)));
        check(&[], Some(&format!("v=3&api_key={KEY}&x")), Ok(Some(KEY)));
        check(&[], Some(&format!("api%5Fkey=%73{}", &KEY[1..])), Ok(Some(KEY)));
        check(&[], Some("v=3&API_KEY=x&api_keys=y"), Ok(None));
    }

    #[test]
    fn the_same_key_twice_is_fine_and_two_keys_are_not() {
        let bearer = format!("Bearer {KEY}");
        check(
            &[("authorization", &bearer), ("x-api-key", KEY)],
            Some(&format!("api_key={KEY}")),
            Ok(Some(KEY)),
        );
        let ambiguous = Err(CredentialError::Ambiguous);
        check(&[("authorization", &bearer), ("x-api-key", OTHER)], None, ambiguous);
        check(&[("x-api-key", OTHER)], Some(&format!("api_key={KEY}")), ambiguous);
        check(&[("authorization", &bearer), ("authorization", &bearer)], None, ambiguous);
        check(&[("x-api-key", KEY), ("x-api-key", KEY)], None, ambiguous);
        check(&[], Some(&format!("api_key={KEY}&api_key={KEY}")), ambiguous);
    }

    #[test]
    fn malformed_credentials_are_never_taken_for_none() {
        let malformed = |why: Malformed| Err(CredentialError::Malformed(why));
        let key = |why: MalformedKey| malformed(Malformed::Key(why));
        for scheme in ["Bearer", "Bearer ", "ApiKey"] {
            check(&[("authorization", scheme)], None, key(MalformedKey::Empty));
        }
        check(&[("authorization", "")], None, malformed(Malformed::Scheme));
        check(&[("authorization", KEY)], None, malformed(Malformed::Scheme));
        check(&[("authorization", &format!("Token {KEY}"))], None, malformed(Malformed::Scheme));
        check(&[("authorization", &format!("Bearer {KEY} {KEY}"))], None, key(MalformedKey::Characters));
        check(&[("authorization", "Bearer sk_é")], None, malformed(Malformed::Header));
        check(&[("authorization", "Basic !!!")], None, malformed(Malformed::Basic));
        check(&[("authorization", &basic_of(KEY))], None, malformed(Malformed::Basic));
        check(
            &[("authorization", &basic_of(&format!("{KEY}:secret")))],
            None,
            malformed(Malformed::Password),
        );
        check(&[("authorization", &basic_of(&format!(":{KEY}")))], None, malformed(Malformed::Password));
        check(&[("authorization", &basic_of(":"))], None, key(MalformedKey::Empty));
        check(&[("x-api-key", "")], None, key(MalformedKey::Empty));
        check(&[("x-api-key", "short")], None, key(MalformedKey::TooShort));
        check(&[("x-api-key", &"x".repeat(300))], None, key(MalformedKey::TooLong));
        check(&[], Some("api_key"), key(MalformedKey::Empty));
        check(&[], Some("api_key=%ff"), malformed(Malformed::Query));
        check(&[], Some("api_key=a+b"), key(MalformedKey::TooShort));
    }

    #[test]
    fn slots_that_are_not_listed_are_neither_read_nor_stripped() {
        let only = Slots::NONE.with("x_api_key").unwrap();
        let map =
            headers(&[("authorization", "Digest whatever"), ("authorization", "x"), ("x-api-key", KEY)]);
        let found = read(&map, Some("api_key=zzz"), only).unwrap();
        assert!(found.key().is_some() && !found.in_authorization && found.in_x_api_key);
        assert_eq!(found.query_without, None);
        let bearer = Slots::NONE.with("bearer").unwrap();
        let map = headers(&[("authorization", "Basic dXNlcjpwYXNz")]);
        let found = read(&map, None, bearer).unwrap();
        assert!(found.key().is_none() && !found.in_authorization, "the application's own Basic");
        assert!(Slots::NONE.with("cookie").is_none());
    }

    #[test]
    fn the_query_is_left_byte_for_byte_but_for_the_key() {
        let check = |query: &str, expect: Query| {
            let query = query.replace("KEY", KEY);
            let map = HeaderMap::new();
            assert_eq!(read(&map, Some(&query), Slots::ALL).unwrap().query_without, Some(expect), "{query}");
        };
        let left = |text: &str| Some(text.to_owned());
        check("api_key=KEY", None);
        check("api_key=KEY&v=3", left("v=3"));
        check("v=3&api_key=KEY", left("v=3"));
        check("a=%2F+&&api_key=KEY&b=x=y&c", left("a=%2F+&&b=x=y&c"));
        check("&api_key=KEY", left(""));
    }

    #[test]
    fn the_challenge_names_the_schemes() {
        let text =
            |slots: Slots, error| slots.challenge(error).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(text(Slots::NONE, None), None);
        let all = "Bearer realm=\"claviger\", ApiKey realm=\"claviger\", Basic realm=\"claviger\", charset=\"UTF-8\"";
        assert_eq!(text(Slots::ALL, None).as_deref(), Some(all));
        let bearer = Slots::NONE.with("bearer").unwrap();
        assert_eq!(
            text(bearer, Some("invalid_token")).as_deref(),
            Some("Bearer realm=\"claviger\", error=\"invalid_token\"")
        );
    }

    proptest! {
        /// A key is read as it is from each place, and what is left of the query is what stood beside it.
        #[test]
        fn a_key_is_the_same_in_every_slot(key in "[A-Za-z0-9_-]{22,64}", before in "[a-z=&%0-9]{0,12}", after in "[a-z=&%0-9]{0,12}") {
            let check = |pairs: &[(&'static str, &str)], query: Option<&str>| {
                let headers = headers(pairs);
                let found = read(&headers, query, Slots::ALL).unwrap();
                assert_eq!(found.key().map(|found| found.expose().to_owned()).as_deref(), Some(&*key), "{pairs:?} {query:?}");
                found.query_without
            };
            for scheme in ["Bearer", "apikey"] {
                check(&[("authorization", &format!("{scheme} {key}"))], None);
            }
            check(&[("authorization", &basic_of(&format!("{key}:")))], None);
            check(&[("x-api-key", &key)], None);
            let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for text in [&key, &encoded] {
                let left = check(&[], Some(&format!("{before}&api_key={text}&{after}")));
                prop_assert_eq!(left.unwrap(), Some(format!("{before}&{after}")));
            }
        }

        #[test]
        fn no_header_and_no_query_panics(value in proptest::collection::vec(0x20_u8..0x7f, 0..80), query in "\\PC{0,80}") {
            let text = String::from_utf8(value).unwrap();
            let map = headers(&[("authorization", &text), ("x-api-key", &text)]);
            let _ = read(&map, Some(&query), Slots::ALL);
            let map = headers(&[("authorization", &format!("Basic {text}"))]);
            let _ = read(&map, Some(&query), Slots::ALL);
        }
    }
}
