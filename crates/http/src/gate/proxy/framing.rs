//! Messages that two parsers could read differently are refused, in both directions.
//!
//! hyper refuses much by itself: folded lines, differing lengths, an encoding that does not end in
//! `chunked`. Where a request has both a length and an encoding it drops the length and closes the connection
//! after the answer (RFC 9112 section 6.3), so that case is never seen here. The checks below do not rely on
//! any of that.

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::headers::{is_reserved, tokens};
use crate::gate::host::is_host;

/// Header fields in a request, whatever the protocol: HTTP/2 bounds bytes only. The same as for HTTP/1.
pub const HEADERS_MAX: usize = 100;

/// Fields that the decision reads beside those of the host, the body and the credential, as people write them.
const ONCE: [(HeaderName, &str); 2] =
    [(ORIGIN, "Origin"), (ACCESS_CONTROL_REQUEST_METHOD, "Access-Control-Request-Method")];

/// Why a request is refused before anything is decided about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// CONNECT asks for a tunnel to anywhere.
    #[error("CONNECT is not offered here; send the request itself")]
    Connect,
    /// TRACE would show the caller what the gateway adds.
    #[error("TRACE is not offered here; use another method")]
    Trace,
    /// The target is `*`, an authority, or begins with `?`.
    #[error("the request target has no path; send one that begins with a slash")]
    TargetWithoutPath,
    /// The target is a URL of another scheme than HTTP.
    #[error("the request target has a scheme other than http or https; send the path alone")]
    TargetScheme,
    /// Nothing says which host is meant.
    #[error("the Host header is missing; send exactly one")]
    HostMissing,
    /// There are several Host headers.
    #[error("there is more than one Host header; send exactly one")]
    HostRepeated,
    /// The host is not a name or address with an optional port.
    #[error(
        "the host is not valid; send a name or an address, and a port if needed, such as example.org:8443"
    )]
    HostInvalid,
    /// The target and the Host header disagree.
    #[error("the request target and the Host header name different hosts; send the same in both")]
    HostMismatch,
    /// Transfer-Encoding is something else than `chunked`.
    #[error("the only Transfer-Encoding understood here is chunked; send it once, or a Content-Length")]
    TransferEncoding,
    /// Both Content-Length and Transfer-Encoding are there.
    #[error("there are both Content-Length and Transfer-Encoding; send one of them")]
    LengthAndEncoding,
    /// Content-Length is not one number.
    #[error("the Content-Length is not one number; send it once, in decimal digits")]
    ContentLength,
    /// A trailer is announced whose name only the gateway may set.
    #[error("a trailer whose name begins with X-Claviger- is announced; only the gateway sets these")]
    ReservedTrailer,
    /// A field that the decision reads is there twice, and an application might read the other one.
    #[error("there is more than one {0} header; send one at most")]
    Repeated(&'static str),
    /// There are more than [`HEADERS_MAX`] header fields.
    #[error("there are more than {HEADERS_MAX} header fields; send fewer")]
    TooManyHeaders,
}

impl BadRequest {
    /// The stable code for problem documents.
    pub fn code(self) -> &'static str {
        match self {
            Self::Connect => "connect_not_supported",
            Self::Trace => "trace_not_supported",
            Self::TargetWithoutPath => "target_without_path",
            Self::TargetScheme => "target_scheme_not_supported",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::HostMismatch => "host_mismatch",
            Self::TransferEncoding => "transfer_encoding_not_supported",
            Self::LengthAndEncoding => "length_and_encoding",
            Self::ContentLength => "content_length_invalid",
            Self::ReservedTrailer => "reserved_trailer",
            Self::Repeated(_) => "header_repeated",
            Self::TooManyHeaders => "too_many_headers",
        }
    }
}

/// Refuses requests that the gateway and an upstream could read differently. It is run before any decision,
/// for the decision would else be made about another request than the upstream serves.
///
/// # Errors
/// [`BadRequest`] says what is wrong and what to do; the answer is 400.
pub fn check_request(parts: &Parts) -> Result<(), BadRequest> {
    if parts.method == Method::CONNECT {
        return Err(BadRequest::Connect);
    }
    if parts.method == Method::TRACE {
        return Err(BadRequest::Trace);
    }
    // `http://host` has the path `/` (RFC 9110 section 4.2.3); `http://host?x`, `*` and `host:80` have none.
    if !parts.uri.path_and_query().is_some_and(|target| target.as_str().starts_with('/')) {
        return Err(BadRequest::TargetWithoutPath);
    }
    if parts.headers.len() > HEADERS_MAX {
        return Err(BadRequest::TooManyHeaders);
    }
    check_host(parts)?;
    check_body_framing(&parts.headers)?;
    for (name, shown) in ONCE {
        if parts.headers.get_all(name).iter().nth(1).is_some() {
            return Err(BadRequest::Repeated(shown));
        }
    }
    let announced = parts.headers.get_all(TRAILER);
    if announced.iter().any(|value| tokens(value).any(is_reserved)) {
        return Err(BadRequest::ReservedTrailer);
    }
    Ok(())
}

fn check_host(parts: &Parts) -> Result<(), BadRequest> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(BadRequest::HostRepeated);
    }
    if let Some(host) = host
        && !is_host(host.as_bytes())
    {
        return Err(BadRequest::HostInvalid);
    }
    let Some(authority) = parts.uri.authority() else {
        return host.map(|_| ()).ok_or(BadRequest::HostMissing);
    };
    let default_port = match parts.uri.scheme_str() {
        Some("http") => Some("80"),
        Some("https") => Some("443"),
        None => None,
        Some(_) => return Err(BadRequest::TargetScheme),
    };
    if !is_host(authority.as_str().as_bytes()) {
        return Err(BadRequest::HostInvalid);
    }
    match host {
        Some(host) if !same_host(host.as_bytes(), authority.as_str().as_bytes(), default_port) => {
            Err(BadRequest::HostMismatch)
        }
        // HTTP/1 wants the header even beside an absolute target; HTTP/2 has `:authority` in its place.
        None if parts.version < http::Version::HTTP_2 => Err(BadRequest::HostMissing),
        _ => Ok(()),
    }
}

fn same_host(one: &[u8], other: &[u8], default_port: Option<&str>) -> bool {
    let bare = |host| default_port.map_or(host, |port| without_port(host, port.as_bytes()));
    bare(one).eq_ignore_ascii_case(bare(other))
}

fn without_port<'a>(host: &'a [u8], port: &[u8]) -> &'a [u8] {
    host.strip_suffix(port).and_then(|host| host.strip_suffix(b":")).unwrap_or(host)
}

fn check_body_framing(headers: &HeaderMap) -> Result<(), BadRequest> {
    let encoded = headers.contains_key(TRANSFER_ENCODING);
    if encoded && !is_chunked(headers) {
        return Err(BadRequest::TransferEncoding);
    }
    if encoded && headers.contains_key(CONTENT_LENGTH) {
        return Err(BadRequest::LengthAndEncoding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    if lengths.next().is_some() || parse_length(length.as_bytes()).is_none() {
        return Err(BadRequest::ContentLength);
    }
    Ok(())
}

/// Whether a head announces a body: a length other than 0, or an encoding.
pub fn states_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| parse_length(length.as_bytes()) != Some(0))
}

/// Whether the encoding is `chunked`, once, and nothing else.
fn is_chunked(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = encodings.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    chunked && encodings.next().is_none()
}

/// A length in decimal digits; signs and spaces, which `str::parse` would take, are refused.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// Refuses answers of an upstream that a client could read differently, and brings the length to its one
/// form. The error says what is wrong, for the log.
pub(super) fn check_response<B>(response: &mut Response<B>, upgrade_asked: bool) -> Result<(), &'static str> {
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS if upgrade_asked => {}
        status if status.is_informational() => return Err("it switched protocols without being asked to"),
        _ => {}
    }
    let headers = response.headers_mut();
    if headers.contains_key(TRANSFER_ENCODING) {
        if !is_chunked(headers) {
            return Err("its Transfer-Encoding is not chunked");
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err("it has both Content-Length and Transfer-Encoding");
        }
    }
    let Some(length) = one_length(headers)? else { return Ok(()) };
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
        || headers[CONTENT_LENGTH].as_bytes().contains(&b',')
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

/// The length that all Content-Length fields agree on (RFC 9110 section 8.6 lets a recipient merge them).
fn one_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut agreed = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let length = parse_length(part.trim_ascii()).ok_or("its Content-Length is not a number")?;
            if agreed.is_some_and(|agreed| agreed != length) {
                return Err("it has differing Content-Lengths");
            }
            agreed = Some(length);
        }
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests;
