use http::uri::PathAndQuery;

use super::*;
use crate::gate::proxy::ForwardedProto;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

fn list(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut list: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    list.sort_unstable();
    list
}

/// What arrives at the upstream, without the four fields that always do.
fn check(fields: &[(&str, &str)], expect: &[(&str, &str)]) {
    let mut headers = map(fields);
    let mut forward = Forward {
        target: PathAndQuery::from_static("/"),
        identity: vec![(HeaderName::from_static("x-claviger-account"), HeaderValue::from_static("us"))],
        strip: vec![HeaderName::from_static("x-api-key")],
        forwarded_for: "2001:db8::1".parse().unwrap(),
        forwarded_proto: ForwardedProto::Https,
        body_bytes_max: 0,
    };
    let host = HeaderValue::from_static("named");
    to_upstream(&mut headers, &mut forward, host.clone(), host, None);
    for (name, value) in [
        ("host", "named"),
        ("x-forwarded-host", "named"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "2001:db8::1"),
        ("x-claviger-account", "us"),
    ] {
        let all: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(all, [value], "{name} given {fields:?}");
        headers.remove(name);
    }
    assert_eq!(list(&headers), expect, "given {fields:?}");
}

#[test]
fn identity_is_ours_in_every_spelling() {
    check(&[("x-claviger-account", "evil"), ("x-claviger-account", "evil")], &[]);
    check(
        &[("x_claviger_account", "evil"), ("x.claviger.account", "evil"), ("x-claviger_account", "evil")],
        &[],
    );
    for separator in "!#$%&'*+-.^_`|~".chars() {
        let name = format!("X{separator}Claviger{separator}Account");
        check(&[(&name, "evil"), (&name, "evil")], &[]);
        check(&[(&format!("X-Claviger{separator}Scopes"), "evil")], &[]);
        assert!(is_reserved(&name) && is_override(&format!("x{separator}forwarded{separator}for")), "{name}");
    }
    check(&[("x-claviger-", "evil"), ("x-claviger-anything", "evil")], &[]);
    check(&[("connection", "x-claviger-account, close"), ("x-claviger-account", "evil")], &[]);
    check(&[("x-clavigera", "kept")], &[("x-clavigera", "kept")]);
}

#[test]
fn connection_cannot_take_what_was_decided_on() {
    let named = "host, content-length, authorization, cookie, content-type, x-mine";
    let fields = [
        ("connection", named),
        ("authorization", "a"),
        ("content-length", "1"),
        ("cookie", "c"),
        ("x-mine", "x"),
    ];
    check(&fields, &[("authorization", "a"), ("content-length", "1"), ("cookie", "c")]);
    check(&[("connection", "x-forwarded-for"), ("connection", "\"?, x-b"), ("x-b", "x")], &[]);
}

#[test]
fn hop_by_hop_fields_stay_here() {
    let fields = [
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("proxy-authorization", "x"),
        ("proxy-authenticate", "x"),
        ("te", "gzip"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("trailer", "x-sum"),
        ("x-api-key", "secret"),
        ("x-api-key", "other"),
    ];
    check(&fields, &[("trailer", "x-sum")]);
    check(&[("te", "gzip, Trailers")], &[("connection", "te"), ("te", "trailers")]);
}

#[test]
fn a_field_that_is_removed_or_checked_is_so_in_every_spelling() {
    for name in SPELLED.iter().map(HeaderName::as_str).chain(["x-api-key"]) {
        for separator in "!#$%&'*+.^_`|~".chars() {
            let spelled = name.replace('-', &separator.to_string());
            check(&[(&spelled, "evil"), ("x-kept", "1")], &[("x-kept", "1")]);
            let mut trailers = map(&[(&spelled, "evil"), ("x-sum", "1")]);
            filter_trailers(&mut trailers, &[HeaderName::from_static("x-api-key")]);
            assert_eq!(list(&trailers), [("x-sum", "1")], "{spelled}");
        }
    }
    check(&[("x-api_keys", "1"), ("content_types", "1")], &[("content_types", "1"), ("x-api_keys", "1")]);
    check(&[("content-type", "text/plain")], &[("content-type", "text/plain")]);
}

#[test]
fn where_a_request_comes_from_is_said_by_us() {
    let fields = [
        ("forwarded", "for=1"),
        ("x-forwarded-for", "1"),
        ("x_forwarded_for", "1"),
        ("x-forwarded-port", "1"),
        ("x-real-ip", "1"),
        ("x_real_ip", "1"),
    ];
    check(&fields, &[]);
    check(&[("x-real-ipx", "1")], &[("x-real-ipx", "1")]);
}

#[test]
fn the_names_of_overrides_are_in_order() {
    assert!(OVERRIDES.is_sorted());
    for name in OVERRIDES {
        assert!(OVERRIDES_BEGIN.contains(&name.as_bytes()[0]), "{name}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{name}"
        );
    }
}

/// Names that are easily left out because a sibling of theirs is there.
#[test]
fn siblings_of_overrides_are_overrides() {
    for name in [
        "X-Original-Content-Length",
        "X-Original-Transfer-Encoding",
        "X-Url-Scheme",
        "Method-Override",
        "X-Tunnel-Method",
        "X-Request-Method",
        "X-Request-Uri",
        "X-Rewrite-Path",
        "Original-Url",
        "Rewrite-Url",
        "X-Forward-For",
        "X-True-Client-IP",
        "X-Client-Real-IP",
        "X-Vercel-Forwarded-For",
        "Ali-Cdn-Real-Ip",
        "Remote-User",
        "X-Remote-User",
    ] {
        check(&[(name, "evil")], &[]);
    }
}

#[test]
fn no_header_names_another_method_path_host_or_client() {
    let more = [
        "x-forwarded-prefix",
        "x-forwarded-uri",
        "x-forwarded-method",
        "x-forwarded-client-cert",
        "x-envoy-original-path",
    ];
    for name in OVERRIDES.into_iter().chain(more) {
        let shouted = name.to_ascii_uppercase();
        for spelled in [
            name.to_owned(),
            shouted,
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replace('-', "~"),
            name.replacen('-', "_", 1),
        ] {
            check(&[(&spelled, "evil"), (&spelled, "evil")], &[]);
            check(&[("connection", &spelled), (&spelled, "evil")], &[]);
            let mut trailers = map(&[(&spelled, "evil"), ("x-sum", "1")]);
            filter_trailers(&mut trailers, &[]);
            assert_eq!(list(&trailers), [("x-sum", "1")], "{spelled}");
        }
    }
    for name in [
        "x-http-methods",
        "proxys",
        "x-original-filename",
        "x-requested-with",
        "user-agent",
        "via",
        "x-request-id",
        "range",
    ] {
        check(&[(name, "kept")], &[(name, "kept")]);
    }
}

#[test]
fn answers_keep_hops_and_identity_back() {
    let mut headers = map(&[
        ("connection", "x-hop, content-length, set-cookie"),
        ("x-hop", "1"),
        ("keep-alive", "1"),
        ("transfer-encoding", "chunked"),
        ("x-claviger-account", "1"),
        ("x_claviger_account", "1"),
        ("upgrade", "h2c"),
        ("content-length", "5"),
        ("set-cookie", "a"),
        ("trailer", "x-sum"),
        ("www-authenticate", "x"),
    ]);
    to_client(&mut headers, StatusCode::OK);
    let expect =
        [("content-length", "5"), ("set-cookie", "a"), ("trailer", "x-sum"), ("www-authenticate", "x")];
    assert_eq!(list(&headers), expect);
    to_client(&mut headers, StatusCode::NO_CONTENT);
    assert!(!headers.contains_key("content-length"));
}

#[test]
fn trailers_say_nothing_that_belongs_in_the_head() {
    let mut trailers = map(&[
        ("x-sum", "1"),
        ("x-claviger-account", "evil"),
        ("x_claviger_account", "evil"),
        ("authorization", "x"),
        ("host", "x"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("x-forwarded-for", "x"),
        ("x-api-key", "secret"),
    ]);
    filter_trailers(&mut trailers, &[HeaderName::from_static("x-api-key")]);
    assert_eq!(list(&trailers), [("x-sum", "1")]);
}

#[test]
fn cookies_are_joined() {
    let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
    join_cookies(&mut headers);
    assert_eq!(list(&headers), [("cookie", "a=1; b=2; c=3")]);
}

#[test]
fn addresses() {
    for text in [
        "127.0.0.1",
        "255.255.255.255",
        "::",
        "1111:2222:3333:4444:5555:6666:7777:8888",
        "::ffff:255.255.255.255",
    ] {
        assert_eq!(forwarded_for(text.parse().ok()), text);
    }
    assert_eq!(forwarded_for(None), "unknown");
}
