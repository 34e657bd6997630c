//! Conditions of a request (RFC 9110, section 13): `If-Match` and `If-None-Match`, and the `ETag` that they name.
//!
//! A record's tag is its revision, `"r7"`. Tags of ours are strong, but a proxy that compresses answers makes them
//! weak (nginx: `W/"r7"`) or adds the coding to them (Apache and Caddy: `"r7-gzip"`). RFC 9110, section 13.1.1, would
//! let `If-Match` compare strongly only; since a revision says everything about a record's state, whatever the bytes
//! of the answer were, such tags name the same revision here.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
pub use claviger_authority::Condition;
use http::HeaderMap;
use http::header::{ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;

use crate::problem::Problem;
use crate::state::AppState;

/// What proxies add to a tag when they compress an answer.
const CODINGS: [&str; 4] = ["-gzip", "-br", "-zstd", "-deflate"];

impl FromRequestParts<AppState> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Problem> {
        if_match(&parts.headers)
    }
}

/// The condition of a request that may create what it names: `If-None-Match: *`, or `If-Match`.
#[derive(Debug)]
pub struct CreateCondition(pub Condition);

impl FromRequestParts<AppState> for CreateCondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, Problem> {
        let condition = if_match(&parts.headers)?;
        match tags(&parts.headers, &IF_NONE_MATCH)? {
            None => Ok(Self(condition)),
            Some(Tags::Any) if condition == Condition::Always => Ok(Self(Condition::Absent)),
            Some(_) => Err(Problem::bad_request(
                "invalid_request",
                "`If-None-Match`: a change takes `*` only, which creates what does not exist, and not together with `If-Match`.",
            )),
        }
    }
}

/// What a header names.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// A list, with the revisions of those tags that are ours.
    These(Vec<u64>),
}

fn if_match(headers: &HeaderMap) -> Result<Condition, Problem> {
    Ok(match tags(headers, &IF_MATCH)? {
        None => Condition::Always,
        Some(Tags::Any) => Condition::Exists,
        Some(Tags::These(revisions)) => Condition::Revisions(revisions),
    })
}

/// Reads `*` or a list of tags; a header that is there several times is one list (RFC 9110, section 5.3).
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let (mut any, mut count, mut revisions) = (false, 0_usize, Vec::new());
    for value in headers.get_all(name) {
        let mut rest = value.as_bytes().trim_ascii();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after.trim_ascii_start();
                continue;
            }
            let (tag, after) = first_of(rest).ok_or_else(|| unreadable(name))?;
            any |= tag.is_none();
            count += 1;
            revisions.extend(tag.and_then(revision_of));
            rest = after.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b",") {
                return Err(unreadable(name));
            }
        }
    }
    match (any, count) {
        (true, 1) => Ok(Some(Tags::Any)),
        (false, 1..) => Ok(Some(Tags::These(revisions))),
        _ => Err(unreadable(name)),
    }
}

/// The first tag of a list without its quotes, or nothing for `*`, and what follows it.
fn first_of(list: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if let Some(rest) = list.strip_prefix(b"*") {
        return Some((None, rest));
    }
    let tag = list.strip_prefix(b"W/").unwrap_or(list).strip_prefix(b"\"")?;
    let end = tag.iter().position(|byte| *byte == b'"')?;
    // RFC 9110, section 8.8.3: `etagc`.
    let readable = tag[..end].iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..));
    readable.then(|| (Some(&tag[..end]), &tag[end + 1..]))
}

/// The revision that a tag of ours names.
fn revision_of(tag: &[u8]) -> Option<u64> {
    let tag = std::str::from_utf8(tag).ok()?;
    let tag = CODINGS.iter().find_map(|coding| tag.strip_suffix(coding)).unwrap_or(tag);
    let digits = tag.strip_prefix('r')?;
    // As we write it: without a sign and without leading zeros.
    digits.parse().ok().filter(|revision: &u64| revision.to_string() == digits)
}

fn unreadable(name: &HeaderName) -> Problem {
    let name = if *name == IF_MATCH { "If-Match" } else { "If-None-Match" };
    let detail = format!(
        "`{name}`: send `*`, or the `ETag` of an earlier answer with its quotation marks, such as `\"r1\"`; several are separated by commas."
    );
    Problem::bad_request("invalid_request", detail)
}

/// The `ETag` of a record at a revision (RFC 9110, section 8.8.3).
#[must_use]
pub fn etag(revision: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"r{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// An answer with the `ETag` of what it shows.
pub struct Tagged<T>(pub u64, pub T);

impl<T: IntoResponse> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.headers_mut().insert(ETAG, etag(self.0));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Condition, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if_match(&headers).map_err(|problem| {
            assert!(problem.detail.contains("`\"r1\"`"), "{}", problem.detail);
            problem.status.as_u16()
        })
    }

    #[test]
    fn tags_as_rfc_9110_writes_them() {
        let these = |revisions: &[u64]| Ok(Condition::Revisions(revisions.to_vec()));
        assert_eq!(read(&[]), Ok(Condition::Always));
        assert_eq!(read(&["*"]), Ok(Condition::Exists));
        assert_eq!(read(&[" * "]), Ok(Condition::Exists));
        assert_eq!(read(&["\"r1\""]), these(&[1]));
        assert_eq!(read(&["W/\"r1\""]), these(&[1]), "as nginx weakens it");
        assert_eq!(read(&["\"r12-gzip\""]), these(&[12]), "as Apache names the coding");
        assert_eq!(read(&["W/\"r12-br\", \"r3-zstd\""]), these(&[12, 3]));
        assert_eq!(read(&["\"r1\", \"r2\""]), these(&[1, 2]));
        assert_eq!(read(&["\"r1\",W/\"r2\" ,\t\"x\""]), these(&[1, 2]));
        assert_eq!(read(&["\"r1\"", "\"r2\""]), these(&[1, 2]), "several fields are one list");
        assert_eq!(read(&[", \"r1\",, "]), these(&[1]), "empty elements count for nothing");
        for other in [
            "\"\"",
            "\"x\"",
            "\"r\"",
            "\"r01\"",
            "\"r+1\"",
            "\"R1\"",
            "\"r1,r2\"",
            "\"r18446744073709551616\"",
            "\"*\"",
            "\"\u{e9}\"",
        ] {
            assert_eq!(read(&[other]), these(&[]), "{other}: a tag that we never made");
        }
        for wrong in [
            "",
            " ",
            ",",
            "r1",
            "1",
            "r1, r2",
            "\"r1",
            "r1\"",
            "'r1'",
            "w/\"r1\"",
            "W/r1",
            "W/ \"r1\"",
            "\"r1\" \"r2\"",
            "\"r1\"x",
            "*, \"r1\"",
            "\"r1\", *",
            "**",
            "\"r 1\"",
        ] {
            assert_eq!(read(&[wrong]), Err(400), "{wrong:?}");
        }
        assert_eq!(read(&["*", "*"]), Err(400));
    }
}
