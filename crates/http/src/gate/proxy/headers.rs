//! Header fields on their way through.
//!
//! What belongs to one connection stays there, what only the gateway may say is removed from what others
//! say, and only then is it said: whatever a client names in `Connection`, and however it spells a name, it
//! can neither set identity nor take it away.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Forward;

/// The beginning of the names that only the gateway sets, folded (see [`fold`]). CGI and its heirs (WSGI, Rack, PHP)
/// cannot distinguish such spellings, so a client could otherwise set identity.
const RESERVED_PREFIX: &[u8] = b"x-claviger-";

/// Fields that we add beside identity, at most: the host, three about the client, two of an upgrade or of
/// trailers, and one about the body.
const OWN_FIELDS: usize = 7;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Whether only the gateway may set a header or trailer of this name, in whatever spelling.
pub fn is_reserved(name: &str) -> bool {
    begins_folded(name, RESERVED_PREFIX)
}

/// The members of a comma-separated field, trimmed; none if it is not text.
pub(super) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// Whether a comma-separated field has this member, in whatever case.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| tokens(value).any(|found| found.eq_ignore_ascii_case(token)))
}

/// Turns the header fields of a client's request into those of ours.
pub(super) fn to_upstream(
    headers: &mut HeaderMap,
    forward: &mut Forward,
    original_host: HeaderValue,
    upstream_host: HeaderValue,
    upgrade: Option<HeaderValue>,
) {
    let trailers = has_token(headers, &TE, "trailers");
    let doomed = |name: &HeaderName| {
        is_hop_by_hop(name)
            || is_reserved(name.as_str())
            || is_override(name.as_str())
            || *name == EXPECT
            || is_respelled(name)
            || is_stripped(&forward.strip, name)
    };
    remove(headers, doomed);
    // Growing once, not with every few fields.
    headers.reserve(OWN_FIELDS + forward.identity.len());
    headers.insert(HOST, upstream_host);
    headers.insert(FORWARDED_FOR, forward.forwarded_for.clone());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(forward.forwarded_proto.as_str()));
    headers.insert(FORWARDED_HOST, original_host);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
    for (name, value) in forward.identity.drain(..) {
        headers.insert(name, value);
    }
}

/// Turns the header fields of an upstream's answer into those of ours.
pub(super) fn to_client(headers: &mut HeaderMap, status: StatusCode) {
    remove(headers, |name| is_hop_by_hop(name) || is_reserved(name.as_str()));
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // The first must not have it (RFC 9110 section 8.6); hyper would drop it from the second, with a
        // warning each time.
        headers.remove(CONTENT_LENGTH);
    }
}

/// Removes from trailers what has to stand in the head or may not be said at all (RFC 9110 section 6.5.1).
pub(super) fn filter_trailers(trailers: &mut HeaderMap, strip: &[HeaderName]) {
    remove(trailers, |name| {
        is_hop_by_hop(name)
            || is_reserved(name.as_str())
            || is_override(name.as_str())
            || is_end_to_end(name)
            || *name == EXPECT
            || is_respelled(name)
            || is_stripped(strip, name)
    });
}

/// Joins the cookies that HTTP/2 may send apart (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // What was valid apart is valid together.
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Removes all fields that are doomed or that `Connection` names.
fn remove(headers: &mut HeaderMap, doomed: impl Fn(&HeaderName) -> bool) {
    // Most messages have nothing to remove, and then nothing is allocated either.
    let mut removed: Vec<HeaderName> = headers.keys().filter(|name| doomed(name)).cloned().collect();
    if headers.contains_key(CONNECTION) {
        let named = headers.get_all(CONNECTION).iter().flat_map(tokens);
        let named = named.filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok());
        removed.extend(named.filter(|name| !is_end_to_end(name)));
    }
    for name in removed {
        headers.remove(name);
    }
}

/// Fields that belong to one connection (RFC 9110 section 7.6.1). `Trailer` is not among them any more.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == TE
        || *name == PROXY_AUTHORIZATION
        || *name == PROXY_AUTHENTICATE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// Fields that are for the other end, so that `Connection` must not name them (RFC 9110 section 7.6.1), and
/// that a client could do harm with by taking them from what was decided on.
fn is_end_to_end(name: &HeaderName) -> bool {
    *name == HOST
        || *name == CONTENT_LENGTH
        || *name == CONTENT_TYPE
        || *name == CONTENT_ENCODING
        || *name == AUTHORIZATION
        || *name == COOKIE
        || *name == SET_COOKIE
        || *name == TRAILER
}

/// Fields with a dash in their name that the gateway reads, removes or vouches for under this very name.
const SPELLED: [HeaderName; 9] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    SET_COOKIE,
    TRANSFER_ENCODING,
];

/// Whether a name is another spelling of one of [`SPELLED`], such as `Proxy_Authorization` or `Content_Length`: an
/// application that folds names would read it as if it had passed all checks.
fn is_respelled(name: &HeaderName) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !name.as_str().bytes().all(plain)
        && SPELLED.iter().any(|known| same_folded(known.as_str(), name.as_str()))
}

/// Whether a field is one of those that carry a credential, in whatever spelling.
fn is_stripped(strip: &[HeaderName], name: &HeaderName) -> bool {
    strip.iter().any(|slot| same_folded(slot.as_str(), name.as_str()))
}

/// Whether a field names another method, path, scheme, host or client address than the request has, in any spelling
/// that an upstream could read. Applications and frameworks that believe one would serve something else than what was
/// decided on, or to somebody else. The truth is said by us.
pub fn is_override(name: &str) -> bool {
    // Most names begin with another letter than any of these.
    let first = name.as_bytes().first().map(u8::to_ascii_lowercase);
    if !first.is_some_and(|first| OVERRIDES_BEGIN.contains(&first)) {
        return false;
    }
    begins_folded(name, b"x-forwarded-")
        || begins_folded(name, b"x-envoy-")
        || OVERRIDES.binary_search_by(|known| known.bytes().cmp(name.bytes().map(fold))).is_ok()
}

/// The first letters of [`OVERRIDES`].
const OVERRIDES_BEGIN: &[u8] = b"abcdfhmopqrstuvwx";

/// The names themselves, beside everything that begins with `X-Forwarded-` or `X-Envoy-`. In order, so that one is
/// found quickly.
const OVERRIDES: [&str; 138] = [
    "ali-cdn-real-ip",
    "base-url",
    "cdn-real-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "cf-visitor",
    "client-ip",
    "cloudfront-forwarded-proto",
    "cloudfront-viewer-address",
    "do-connecting-ip",
    "fastly-client-ip",
    "fastly-ssl",
    "fly-client-ip",
    "fly-forwarded-proto",
    "forwarded",
    "forwarded-for",
    "forwarded-for-ip",
    "forwarded-host",
    "forwarded-ip",
    "forwarded-proto",
    "front-end-https",
    "host-override",
    "http-client-ip",
    "http-host",
    "http-method",
    "http-method-override",
    "http-x-forwarded-for",
    "method-override",
    "original-forwarded-for",
    "original-uri",
    "original-url",
    "path-info",
    "path-translated",
    "proxy",
    "proxy-client-ip",
    "proxy-host",
    "proxy-url",
    "query-string",
    "real-ip",
    "remote-addr",
    "remote-host",
    "remote-ident",
    "remote-port",
    "remote-user",
    "request-method",
    "request-path",
    "request-scheme",
    "request-uri",
    "rewrite-uri",
    "rewrite-url",
    "script-name",
    "server-name",
    "server-port",
    "server-protocol",
    "true-client-ip",
    "url-scheme",
    "via-client-ip",
    "wl-proxy-client-ip",
    "x-accel-mapping",
    "x-akamai-client-ip",
    "x-appengine-user-ip",
    "x-arr-ssl",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-base-url",
    "x-cf-connecting-ip",
    "x-client-host",
    "x-client-ip",
    "x-client-real-ip",
    "x-client-scheme",
    "x-cluster-client-ip",
    "x-connecting-ip",
    "x-forward-for",
    "x-forward-host",
    "x-forward-ip",
    "x-forward-proto",
    "x-forwarded",
    "x-forwarder-for",
    "x-host",
    "x-host-override",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-https",
    "x-invoke-path",
    "x-matched-path",
    "x-method",
    "x-method-override",
    "x-nf-client-connection-ip",
    "x-original-content-length",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-ip",
    "x-original-method",
    "x-original-path",
    "x-original-port",
    "x-original-proto",
    "x-original-query",
    "x-original-remote-addr",
    "x-original-scheme",
    "x-original-server",
    "x-original-transfer-encoding",
    "x-original-uri",
    "x-original-url",
    "x-originally-forwarded-for",
    "x-originating-ip",
    "x-override-url",
    "x-path-info",
    "x-proxy-url",
    "x-proxyuser-ip",
    "x-query-string",
    "x-real-host",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-host",
    "x-remote-ip",
    "x-remote-port",
    "x-remote-user",
    "x-request-method",
    "x-request-path",
    "x-request-scheme",
    "x-request-uri",
    "x-request-url",
    "x-rewrite-host",
    "x-rewrite-path",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-sendfile-type",
    "x-ssl",
    "x-true-client-ip",
    "x-tunnel-method",
    "x-url-scheme",
    "x-vercel-forwarded-for",
    "x-waws-unencoded-url",
];

fn begins_folded(name: &str, prefix: &[u8]) -> bool {
    let name = name.as_bytes();
    name.len() >= prefix.len() && name.iter().zip(prefix).all(|(byte, expect)| fold(*byte) == *expect)
}

/// A byte of a name as the most lenient of CGI and its heirs sees it: PHP and some servers make `_` of every byte that
/// is no letter or digit.
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether two names are one and the same to CGI and its heirs.
pub fn same_folded(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().map(fold).eq(other.bytes().map(fold))
}

/// An address as `X-Forwarded-For` has it; `unknown` where it is not known, so that an application cannot take the
/// gateway's own for it.
pub fn forwarded_for(address: Option<std::net::IpAddr>) -> HeaderValue {
    use std::io::Write as _;
    let Some(address) = address else { return HeaderValue::from_static("unknown") };
    // The longest is an IPv6 address that ends in an IPv4 one, at 45 bytes.
    let mut text = [0; 48];
    let mut left = &mut text[..];
    let written = write!(left, "{address}").map(|()| left.len());
    let length = text.len() - written.unwrap_or(text.len());
    HeaderValue::from_bytes(&text[..length]).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests;
