use http::Request;

use super::*;

fn check(request: http::request::Builder, expect: Result<(), BadRequest>) {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    assert_eq!(check_request(&parts), expect, "{parts:?}");
}

fn get(uri: &str) -> http::request::Builder {
    Request::get(uri)
}

#[test]
fn methods_and_targets() {
    check(get("/").header("host", "a"), Ok(()));
    check(Request::connect("a:80").header("host", "a"), Err(BadRequest::Connect));
    check(Request::trace("/").header("host", "a"), Err(BadRequest::Trace));
    check(get("*").header("host", "a"), Err(BadRequest::TargetWithoutPath));
    check(get("a:80").header("host", "a"), Err(BadRequest::TargetWithoutPath));
    check(get("http://a?x").header("host", "a"), Err(BadRequest::TargetWithoutPath));
    check(get("http://a").header("host", "a"), Ok(()));
    check(get("ftp://a/").header("host", "a"), Err(BadRequest::TargetScheme));
}

#[test]
fn hosts() {
    check(get("/"), Err(BadRequest::HostMissing));
    check(get("/").header("host", "a").header("host", "a"), Err(BadRequest::HostRepeated));
    for bad in ["", "a b", "a/b", "u@a", "a,b", "a\\b", ":80", "a?b", "a#b", "a\"b"]
        .into_iter()
        .chain(["a:80:90", "a%2eb", "a..", "a.b..", "a..b", ".a", "a:", "a:080", "a:99999", "::1", "[::1]80"])
    {
        check(get("/").header("host", bad), Err(BadRequest::HostInvalid));
    }
    for good in ["a", "A.example:8080", "[::1]:80", "127.0.0.1", "a_b", "a.", "a.b.:80", "[2001:DB8::1]"] {
        check(get("/").header("host", good), Ok(()));
    }
    check(get("http://a/").header("host", "b"), Err(BadRequest::HostMismatch));
    check(get("http://a/").header("host", "a:81"), Err(BadRequest::HostMismatch));
    check(get("http://a/").header("host", "A:80"), Ok(()));
    check(get("https://a:443/").header("host", "a"), Ok(()));
    check(get("http://a:443/").header("host", "a"), Err(BadRequest::HostMismatch));
    check(get("http://u@a/").header("host", "a"), Err(BadRequest::HostInvalid));
    check(get("http://a/"), Err(BadRequest::HostMissing));
    check(get("http://a/").version(http::Version::HTTP_2), Ok(()));
    check(get("http://a/").version(http::Version::HTTP_2).header("host", "b"), Err(BadRequest::HostMismatch));
}

#[test]
fn lengths_and_encodings() {
    let post = || Request::post("/").header("host", "a");
    check(post().header("transfer-encoding", "chunked"), Ok(()));
    check(post().header("transfer-encoding", "Chunked"), Ok(()));
    for bad in
        ["gzip", "gzip, chunked", "chunked, chunked", "chunked;a", "identity", "", "xchunked", "chunked,"]
    {
        check(post().header("transfer-encoding", bad), Err(BadRequest::TransferEncoding));
    }
    let twice = post().header("transfer-encoding", "chunked").header("transfer-encoding", "chunked");
    check(twice, Err(BadRequest::TransferEncoding));
    let both = post().header("transfer-encoding", "chunked").header("content-length", "1");
    check(both, Err(BadRequest::LengthAndEncoding));
    check(post().header("content-length", "18446744073709551615"), Ok(()));
    for bad in ["", "+1", "-1", "1 ", "0x1", "1,1", "18446744073709551616", "1.0"] {
        check(post().header("content-length", bad), Err(BadRequest::ContentLength));
    }
    let twice = post().header("content-length", "1").header("content-length", "1");
    check(twice, Err(BadRequest::ContentLength));
}

#[test]
fn what_the_decision_reads_is_there_once() {
    for name in ["Origin", "Access-Control-Request-Method"] {
        let once = || get("/").header("host", "a").header(name, "https://a.example");
        check(once(), Ok(()));
        check(once().header(name, "https://a.example"), Err(BadRequest::Repeated(name)));
        check(once().header(name, "https://b.example"), Err(BadRequest::Repeated(name)));
    }
}

#[test]
fn trailers_and_counts() {
    let with = |value: &str| get("/").header("host", "a").header("trailer", value);
    check(with("x-checksum"), Ok(()));
    check(with("x-checksum, X-Claviger-Account"), Err(BadRequest::ReservedTrailer));
    check(with("x_claviger.account"), Err(BadRequest::ReservedTrailer));
    let many = (0..HEADERS_MAX).fold(get("/").header("host", "a"), |request, n| request.header("x", n));
    check(many, Err(BadRequest::TooManyHeaders));
}

#[test]
fn codes_are_distinct() {
    let all = [
        BadRequest::Connect,
        BadRequest::Trace,
        BadRequest::TargetWithoutPath,
        BadRequest::TargetScheme,
        BadRequest::HostMissing,
        BadRequest::HostRepeated,
        BadRequest::HostInvalid,
        BadRequest::HostMismatch,
        BadRequest::TransferEncoding,
        BadRequest::LengthAndEncoding,
        BadRequest::ContentLength,
        BadRequest::ReservedTrailer,
        BadRequest::Repeated("Origin"),
        BadRequest::TooManyHeaders,
    ];
    let codes: std::collections::HashSet<_> = all.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), all.len());
}

fn answer(
    headers: &[(&str, &str)],
    status: u16,
    upgrade_asked: bool,
) -> Result<Option<String>, &'static str> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let mut response = response.body(()).unwrap();
    check_response(&mut response, upgrade_asked)?;
    let lengths: Vec<_> = response.headers().get_all(CONTENT_LENGTH).iter().collect();
    assert!(lengths.len() < 2, "{lengths:?}");
    Ok(lengths.first().map(|length| length.to_str().unwrap().to_owned()))
}

#[test]
fn answers() {
    assert_eq!(answer(&[("content-length", "5")], 200, false), Ok(Some("5".into())));
    assert_eq!(answer(&[("content-length", "5"), ("content-length", "5")], 200, false), Ok(Some("5".into())));
    assert_eq!(answer(&[("content-length", "5, 5")], 200, false), Ok(Some("5".into())));
    assert!(answer(&[("content-length", "5"), ("content-length", "6")], 200, false).is_err());
    assert!(answer(&[("content-length", "5, 6")], 200, false).is_err());
    assert!(answer(&[("content-length", "x")], 304, false).is_err());
    assert!(answer(&[("content-length", "5"), ("transfer-encoding", "chunked")], 200, false).is_err());
    assert!(answer(&[("transfer-encoding", "gzip, chunked")], 200, false).is_err());
    assert_eq!(answer(&[("transfer-encoding", "chunked")], 200, false), Ok(None));
    assert_eq!(answer(&[], 101, true), Ok(None));
    assert!(answer(&[], 101, false).is_err());
    assert!(answer(&[], 103, true).is_err());
}
