use http::Request;
use proptest::prelude::*;

use super::*;

const ALL: [FrontProxy; 4] = [FrontProxy::Nginx, FrontProxy::Caddy, FrontProxy::Traefik, FrontProxy::Haproxy];

/// What is read of a request for the host `a` with these headers.
fn read(proxy: FrontProxy, pairs: &[(&str, &str)]) -> Result<Asked, Unread> {
    let host = proxy.names().host;
    let named = pairs.iter().any(|(name, _)| same_folded(name, host.as_str()));
    let host = (host.as_str(), "a");
    read_exactly(proxy, &if named { pairs.to_vec() } else { [pairs, &[host]].concat() })
}

fn read_exactly(proxy: FrontProxy, pairs: &[(&str, &str)]) -> Result<Asked, Unread> {
    let mut request = Request::new(());
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Asked::read(proxy, &request.into_parts().0)
}

/// The method and target that are understood, or the code of the problem.
fn told(proxy: FrontProxy, pairs: &[(&str, &str)]) -> String {
    match read(proxy, pairs) {
        Ok(asked) => format!("{} {}", asked.parts.method, asked.parts.uri),
        Err(Unread::Setup(fault)) => fault.problem(proxy).code.to_owned(),
        Err(Unread::Refused(problem)) => problem.code.to_owned(),
    }
}

fn ours(proxy: FrontProxy) -> [&'static str; 2] {
    if proxy == FrontProxy::Nginx {
        ["x-original-method", "x-original-uri"]
    } else {
        ["x-forwarded-method", "x-forwarded-uri"]
    }
}

#[test]
fn each_proxy_has_an_address_of_its_own() {
    let check = |path: &str, expect: Address| assert_eq!(Address::of(path), expect, "{path}");
    check("/forward-auth/nginx", Address::Proxy(FrontProxy::Nginx));
    check("/forward-auth/caddy", Address::Proxy(FrontProxy::Caddy));
    check("/forward-auth/traefik", Address::Proxy(FrontProxy::Traefik));
    check("/forward-auth/haproxy", Address::Proxy(FrontProxy::Haproxy));
    for nobody in [
        "/forward-auth",
        "/forward-auth/",
        "/forward-auth/envoy",
        "/forward-auth/nginx/",
        "/forward-auth/Nginx",
    ] {
        check(nobody, Address::Nobody);
    }
    for route in ["/", "/forward-authority", "/a/forward-auth/nginx", "/d/x.js"] {
        check(route, Address::Routes);
    }
}

#[test]
fn only_the_headers_of_the_proxy_are_read() {
    let nginx = [("x-original-method", "GET"), ("x-original-uri", "/d/x.js?v=3")];
    let others = [("x-forwarded-method", "POST"), ("x-forwarded-uri", "/e")];
    let both = [nginx, others].concat();
    for proxy in ALL {
        let expect = if proxy == FrontProxy::Nginx { "GET /d/x.js?v=3" } else { "POST /e" };
        assert_eq!(told(proxy, &both), expect, "{proxy:?}");
        let foreign = if proxy == FrontProxy::Nginx { &others } else { &nginx };
        assert_eq!(told(proxy, foreign), "proxy_headers_missing", "{proxy:?}");
        assert_eq!(told(proxy, &[]), "proxy_headers_missing");
    }
}

/// What Traefik is known to send (`trustForwardHeader` off): the headers of the client, its own over them, and for a
/// WebSocket `wss` as the scheme.
#[test]
fn what_traefik_sends_is_read() {
    let sent = [
        ("x-original-uri", "/forged"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "api.example.org"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "wss"),
        ("x-forwarded-server", "edge"),
        ("x-forwarded-uri", "/d/x.js?v=3"),
        ("x-real-ip", "192.0.2.7"),
        ("content-length", "5"),
        ("x-forwarded-content-length", "5"),
    ];
    let asked = read(FrontProxy::Traefik, &sent).unwrap();
    assert_eq!(
        (asked.parts.uri.to_string().as_str(), asked.host.as_str()),
        ("/d/x.js?v=3", "api.example.org")
    );
    assert!(!asked.has_body, "a client could say so");
    // Of a client's `X_Forwarded_Uri` Traefik knows nothing, and passes it on.
    let forged = [&sent[..], &[("x_forwarded_uri", "/d/mine.js")]].concat();
    assert_eq!(told(FrontProxy::Traefik, &forged), "ambiguous_proxy_headers");
}

#[test]
fn a_header_that_is_doubled_or_spelled_twice_is_ambiguous() {
    for proxy in ALL {
        let [method, uri] = ours(proxy);
        let good = [(method, "GET"), (uri, "/a")];
        assert_eq!(told(proxy, &good), "GET /a");
        let names = proxy.names();
        let mut read = vec![names.method, names.target, names.host, X_FORWARDED_FOR, X_FORWARDED_PROTO];
        read.extend(names.body.into_iter().flatten());
        for name in read {
            let name = name.as_str();
            let mut spellings = vec![name.to_owned()];
            if name.contains('-') {
                spellings.extend([
                    name.replace('-', "_"),
                    name.replace('-', "."),
                    name.replacen('-', "_", 1),
                ]);
            }
            for spelled in spellings {
                let pairs = [&good[..], &[(name, "1"), (&spelled, "1")]].concat();
                assert_eq!(told(proxy, &pairs), "ambiguous_proxy_headers", "{proxy:?} {spelled}");
            }
        }
    }
}

#[test]
fn a_target_that_parsers_could_read_differently_is_refused() {
    for proxy in ALL {
        let [method, uri] = ours(proxy);
        for target in [
            "/d/mine.js#/../victim.js",
            "/#",
            "/a#b",
            "/a?b#c",
            "http://x/",
            "//x/a b",
            "*",
            "x:80",
            "",
            "?a",
            "a/b",
            "/a b",
            "/a\tb",
            "/\u{e9}",
            "/a\\#",
            "/a%00#",
        ] {
            let expect = "ambiguous_path";
            assert_eq!(told(proxy, &[(method, "GET"), (uri, target)]), expect, "{target}");
        }
        for target in ["/", "/a?b=%20&c[]={}", "/a%20b", "//", "/a;b?c?d", "/~a/(b)"] {
            assert_eq!(told(proxy, &[(method, "GET"), (uri, target)]), format!("GET {target}"));
        }
        for bad in ["CONNECT", "TRACE", "G T", ""] {
            assert_eq!(told(proxy, &[(method, bad), (uri, "/")]), "bad_request", "{bad}");
        }
    }
}

#[test]
fn a_host_that_cannot_be_read_is_refused() {
    for proxy in ALL {
        let [method, uri] = ours(proxy);
        let (target, name) = ([(method, "GET"), (uri, "/")], proxy.names().host);
        let check = |host: &[(&str, &str)]| match read_exactly(proxy, &[&target, host].concat()) {
            Err(Unread::Refused(problem)) => {
                assert_eq!(problem.code, "bad_request", "{proxy:?} {host:?}");
                assert!(problem.detail.contains("`Host` header"), "{}", problem.detail);
            }
            other => panic!("{proxy:?} {host:?}: {other:?}"),
        };
        check(&[]);
        for host in [
            "",
            "pin.example/",
            "pin.example/x",
            "pin.example#",
            "pin.example?",
            "pin.example@a",
            "a@pin.example",
            "pin.example a",
            "pin.example, x",
            "pin.example:80:90",
            "pin%2eexample",
            "pin.example..",
            "pin.example\u{e9}",
        ] {
            check(&[(name.as_str(), host)]);
        }
        for host in ["pin.example", "PIN.example.:443", "[::1]:80", "192.0.2.1"] {
            assert_eq!(read(proxy, &[&target[..], &[(name.as_str(), host)]].concat()).unwrap().host, host);
        }
    }
}

#[test]
fn a_body_is_seen_where_the_proxy_says_so() {
    for proxy in [FrontProxy::Nginx, FrontProxy::Caddy, FrontProxy::Haproxy] {
        let [method, uri] = ours(proxy);
        let [length, encoding] = proxy.names().body.unwrap();
        let check = |name: &HeaderName, value: &str, expect: bool| {
            let asked = read(proxy, &[(method, "GET"), (uri, "/"), (name.as_str(), value)]).unwrap();
            assert_eq!(asked.has_body, expect, "{name} {value:?}");
        };
        check(&length, "", false);
        check(&length, "0", false);
        check(&length, "5", true);
        check(&length, "x", true);
        check(&encoding, "", false);
        check(&encoding, "chunked", true);
    }
}

fn translated(proxy: FrontProxy, status: u16, preflight: bool) -> Response<()> {
    let mut response =
        Response::builder().status(status).header("vary", "a").header("vary", "b").body(()).unwrap();
    let problem = (status >= 400).then_some("{\"detail\":\"\u{e9}\"}");
    proxy.translate(&mut response, &Said { origins: true, secret: true, preflight, problem });
    response
}

#[test]
fn nginx_gets_403_for_what_it_does_not_know_and_the_document_in_a_header() {
    let check = |proxy: FrontProxy, status: u16, expect: u16| {
        let response = translated(proxy, status, false);
        assert_eq!(response.status().as_u16(), expect);
        assert_eq!(response.headers()[STATUS], HeaderValue::from(status));
        let document = (proxy == FrontProxy::Nginx).then_some(&b"{\"detail\":\"\\u00e9\"}"[..]);
        assert_eq!(response.headers().get(PROBLEM).map(HeaderValue::as_bytes), document);
    };
    for status in [400, 404, 405, 429, 503] {
        check(FrontProxy::Nginx, status, 403);
        check(FrontProxy::Caddy, status, status);
        check(FrontProxy::Traefik, status, status);
        check(FrontProxy::Haproxy, status, status);
    }
    check(FrontProxy::Nginx, 401, 401);
    check(FrontProxy::Nginx, 403, 403);
}

#[test]
fn an_answered_preflight_request_is_not_passed_on() {
    for proxy in ALL {
        let answered = translated(proxy, 204, true);
        assert_eq!((answered.status().as_u16(), &answered.headers()[STATUS]), (403, &HeaderValue::from(204)));
        let allowed = translated(proxy, 204, false);
        assert_eq!((allowed.status().as_u16(), allowed.headers().get(STATUS)), (204, None));
        assert_eq!(allowed.headers().get_all("vary").iter().collect::<Vec<_>>(), ["a, b"]);
        assert_eq!(allowed.headers()[ORIGINS], "route");
        assert_eq!(allowed.headers()[CACHE], "no-store");
    }
}

#[test]
fn each_fault_of_a_set_up_names_the_setting() {
    for proxy in ALL {
        assert!(SetupFault::NotTrusted.problem(proxy).detail.contains("trusted_proxies = ["));
        assert!(SetupFault::PlainHttp.problem(proxy).detail.contains("X-Forwarded-Proto: https"));
    }
    assert!(SetupFault::HeadersMissing.problem(FrontProxy::Nginx).detail.contains("`X-Original-URI`"));
    assert!(SetupFault::HeadersMissing.problem(FrontProxy::Caddy).detail.contains("`X-Forwarded-Uri`"));
}

proptest! {
    /// Whatever a proxy passes on, the target is decided about as it was written, or refused.
    #[test]
    fn a_target_is_read_as_it_was_written_or_not_at_all(target in proptest::collection::vec(any::<u8>(), 0..60), slash in any::<bool>()) {
        let target = if slash { [&b"/"[..], &target].concat() } else { target };
        let Ok(value) = HeaderValue::from_bytes(&target) else { return Ok(()) };
        for proxy in ALL {
            let mut request = Request::new(());
            let [method, uri] = ours(proxy);
            request.headers_mut().insert(HeaderName::from_static(method), HeaderValue::from_static("GET"));
            request.headers_mut().insert(HeaderName::from_static(uri), value.clone());
            request.headers_mut().insert(proxy.names().host, HeaderValue::from_static("a"));
            if let Ok(asked) = Asked::read(proxy, &request.into_parts().0) {
                let uri = asked.parts.uri.to_string();
                prop_assert_eq!(uri.as_bytes(), &target[..]);
            }
        }
    }
}
