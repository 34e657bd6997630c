//! Forward-auth answers as the gateway does, in the form that each proxy understands.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::front::{Front, code, field, status};
use crate::house::House;

const ROUTES: &str = r#"
[[routes]]
path = "/d/{rest..}"
methods = ["GET", "POST"]
origins = ["https://app.example"]

[[routes]]
path = "/any/{rest..}"
paths = "any"

[[routes]]
path = "/pinned"
host = "api.example.org"

[[routes]]
path = "/body"
get_body = true
"#;

const PROXIES: [&str; 4] = ["nginx", "caddy", "traefik", "haproxy"];
const FROM: &str = "x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n";

/// The headers with which this proxy names a request.
fn named(proxy: &str, method: &str, target: &str) -> String {
    if proxy == "nginx" {
        format!("x-original-method: {method}\r\nx-original-uri: {target}\r\n")
    } else {
        format!("x-forwarded-method: {method}\r\nx-forwarded-uri: {target}\r\nx-forwarded-host: a\r\n")
    }
}

struct Asking {
    house: House,
    front: Front,
    key: String,
}

impl Asking {
    async fn new() -> Self {
        let mut house = House::new().await;
        let front = Front::behind_a_proxy(&mut house, ROUTES).await;
        let (_, key) = house.key(json!({})).await;
        Self { house, front, key }
    }

    async fn ask(&self, proxy: &str, method: &str, target: &str, more: &str) -> String {
        let lines = format!("{}{FROM}x-api-key: {}\r\n{more}", named(proxy, method, target), self.key);
        self.front.ask("GET", &format!("/forward-auth/{proxy}"), &lines).await
    }
}

/// The true status of an answer.
fn true_status(answer: &str) -> u16 {
    field(answer, "x-claviger-status").map_or_else(|| status(answer), |status| status.parse().unwrap())
}

#[tokio::test]
async fn every_proxy_is_answered_with_an_empty_204() {
    let asking = Asking::new().await;
    for proxy in PROXIES {
        let answer = asking.ask(proxy, "GET", "/d/x", "").await;
        assert!(answer.starts_with("HTTP/1.1 204") && answer.ends_with("\r\n\r\n"), "{proxy}: {answer}");
        assert_eq!(field(&answer, "content-length"), None);
        assert_eq!(field(&answer, "cache-control"), Some("no-store"));
        assert_eq!(field(&answer, "x-request-id"), field(&answer, "x-claviger-request-id"), "{answer}");
    }
    for nobody in ["/forward-auth", "/forward-auth/", "/forward-auth/envoy"] {
        let lines = format!("{}{}{FROM}", named("nginx", "GET", "/d/x"), named("caddy", "GET", "/d/x"));
        assert_eq!(status(&asking.front.ask("GET", nobody, &lines).await), 404, "{nobody}");
    }
}

#[tokio::test]
async fn a_set_up_that_cannot_work_is_answered_with_its_cause() {
    let house = House::new().await;
    let front = Front::start(&house.state, ROUTES).await;
    for proxy in PROXIES {
        let lines = format!("{}{FROM}", named(proxy, "GET", "/d/x"));
        let answer = front.ask("GET", &format!("/forward-auth/{proxy}"), &lines).await;
        assert_eq!((status(&answer), code(&answer)), (403, "proxy_not_trusted"), "{answer}");
        assert!(answer.contains("trusted_proxies"), "{answer}");
    }
    let asking = Asking::new().await;
    for proxy in PROXIES {
        let address = format!("/forward-auth/{proxy}");
        let answer = asking.front.ask("GET", &address, FROM).await;
        assert_eq!((true_status(&answer), code(&answer)), (400, "proxy_headers_missing"), "{answer}");
        let plain = "x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: http\r\n";
        let lines = format!("{}{plain}x-api-key: {}\r\n", named(proxy, "GET", "/d/x"), asking.key);
        let answer = asking.front.ask("GET", &address, &lines).await;
        assert_eq!((status(&answer), code(&answer)), (403, "insecure_transport"), "{answer}");
        assert!(answer.contains("X-Forwarded-Proto: https"), "{answer}");
        let lines = lines.replace("proto: http\r", "proto: wss\r");
        assert_eq!(status(&asking.front.ask("GET", &address, &lines).await), 204, "wss is secure");
    }
}

#[tokio::test]
async fn headers_of_another_proxy_are_not_read() {
    let asking = Asking::new().await;
    for proxy in PROXIES {
        for forger in ["nginx", "caddy"] {
            if (proxy == "nginx") == (forger == "nginx") {
                continue;
            }
            let forged = named(forger, "DELETE", "/nowhere");
            let answer = asking.ask(proxy, "GET", "/d/x", &forged).await;
            assert_eq!(status(&answer), 204, "{proxy} {forger}: {answer}");
        }
        let second =
            if proxy == "nginx" { "X_Original_URI: /any/x\r\n" } else { "X_Forwarded_Uri: /any/x\r\n" };
        let answer = asking.ask(proxy, "GET", "/d/x", second).await;
        assert_eq!(
            (true_status(&answer), code(&answer)),
            (400, "ambiguous_proxy_headers"),
            "{proxy}: {answer}"
        );
        let doubled = named(proxy, "GET", "/any/x");
        let answer = asking.ask(proxy, "GET", "/d/x", &doubled).await;
        assert_eq!(code(&answer), "ambiguous_proxy_headers", "{proxy}: {answer}");
    }
}

#[tokio::test]
async fn nginx_gets_403_with_the_true_status_and_the_document() {
    let asking = Asking::new().await;
    let check = async |target: &str, method: &str, expect: u16, expect_code: &str| {
        for proxy in PROXIES {
            let answer = asking.ask(proxy, method, target, "").await;
            let narrow = proxy == "nginx" && !matches!(expect, 401 | 403);
            assert_eq!(status(&answer), if narrow { 403 } else { expect }, "{proxy} {target}: {answer}");
            assert_eq!(
                (true_status(&answer), code(&answer)),
                (expect, expect_code),
                "{proxy} {target}: {answer}"
            );
            let body = answer.rsplit_once("\r\n\r\n").unwrap().1;
            assert!(body.contains(&format!("\"status\":{expect}")), "{body}");
            let in_header = field(&answer, "x-claviger-problem");
            assert_eq!(in_header, (proxy == "nginx").then_some(body), "{proxy} {target}");
        }
    };
    check("/nowhere", "GET", 404, "not_found").await;
    check("/d/x", "DELETE", 405, "method_not_allowed").await;
    check("/d/%61", "GET", 400, "ambiguous_path").await;
    check("/d/mine#/../victim", "GET", 400, "ambiguous_path").await;
    check("/d//x", "GET", 400, "ambiguous_path").await;
}

#[tokio::test]
async fn the_settings_of_a_route_hold_through_forward_auth() {
    let asking = Asking::new().await;
    for proxy in PROXIES {
        // Origins: the answer to a preflight request, an allowed request, and an error.
        let preflight = "origin: https://app.example\r\naccess-control-request-method: POST\r\naccess-control-request-headers: x-api-key\r\n";
        let answer = asking.ask(proxy, "OPTIONS", "/d/x", preflight).await;
        assert_eq!((status(&answer), true_status(&answer)), (403, 204), "{proxy}: {answer}");
        assert_eq!(field(&answer, "access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(field(&answer, "access-control-allow-methods"), Some("POST"));
        assert!(field(&answer, "vary").unwrap().contains("origin"), "{answer}");
        assert_eq!(field(&answer, "x-claviger-origins"), Some("route"));
        let origin = "origin: https://app.example\r\n";
        let allowed = asking.ask(proxy, "GET", "/d/x", origin).await;
        assert_eq!(field(&allowed, "access-control-allow-origin"), Some("https://app.example"), "{allowed}");
        assert_eq!(field(&allowed, "x-claviger-cache-control"), Some("no-store"));
        let lines = format!("{}{FROM}{origin}", named(proxy, "GET", "/d/x"));
        let refused = asking.front.ask("GET", &format!("/forward-auth/{proxy}"), &lines).await;
        assert_eq!(field(&refused, "access-control-allow-origin"), Some("https://app.example"), "{refused}");
        assert!(field(&refused, "www-authenticate").unwrap().contains("Bearer"), "{refused}");
        assert!(field(&refused, "x-request-id").unwrap().starts_with("req_"));
        let other = asking.ask(proxy, "GET", "/d/x", "origin: https://evil.example\r\n").await;
        assert_eq!((status(&other), field(&other, "access-control-allow-origin")), (204, None), "{other}");
        assert_eq!(field(&other, "x-claviger-origins"), Some("route"), "{other}");
        // A path that is taken as it is; a body; a host.
        assert_eq!(status(&asking.ask(proxy, "GET", "/any//x", "").await), 204);
        let body = match proxy {
            "nginx" => "x-original-content-length: 5\r\n",
            "traefik" => "",
            _ => "x-forwarded-content-length: 5\r\n",
        };
        let expect = if proxy == "traefik" { 204 } else { 400 };
        assert_eq!(true_status(&asking.ask(proxy, "GET", "/d/x", body).await), expect, "{proxy}");
        assert_eq!(true_status(&asking.ask(proxy, "POST", "/d/x", body).await), 204, "{proxy}");
        assert_eq!(true_status(&asking.ask(proxy, "GET", "/body", body).await), 204, "{proxy}");
        assert_eq!(true_status(&asking.ask(proxy, "GET", "/pinned", "").await), 404, "{proxy}");
    }
    let lines = format!(
        "host: API.example.org:443\r\n{}{FROM}x-api-key: {}\r\n",
        named("nginx", "GET", "/pinned"),
        asking.key
    );
    assert_eq!(status(&asking.front.ask("GET", "/forward-auth/nginx", &lines).await), 204);
    let lines =
        lines.replace("x-original-method", "x-forwarded-method").replace("x-original-uri", "x-forwarded-uri");
    let lines = format!("{lines}x-forwarded-host: api.example.org\r\n")
        .replace("API.example.org", "claviger.internal");
    assert_eq!(status(&asking.front.ask("GET", "/forward-auth/traefik", &lines).await), 204);
    // Without an upstream the gateway has nowhere to pass a request on to.
    let direct = asking.front.ask("GET", "/d/x", &format!("{FROM}x-api-key: {}\r\n", asking.key)).await;
    assert_eq!((status(&direct), code(&direct)), (404, "no_upstream"), "{direct}");
}

/// A client that spells the host in a way of its own gets 400, as at the gateway, and never a route for any host.
#[tokio::test]
async fn a_host_that_cannot_be_read_is_refused_through_every_proxy() {
    let asking = Asking::new().await;
    for proxy in PROXIES {
        for host in
            ["api.example.org/", "a@api.example.org", "api.example.org, x", "a:80:90", "a%2eb", "a..", ""]
        {
            let host = format!("host: {host}\r\n");
            let rest = format!("{}{FROM}x-api-key: {}\r\n", named(proxy, "GET", "/d/x"), asking.key);
            let lines = if proxy == "nginx" {
                host + &rest
            } else {
                rest.replace("x-forwarded-host: a\r\n", &format!("x-forwarded-{host}"))
            };
            let answer = asking.front.ask("GET", &format!("/forward-auth/{proxy}"), &lines).await;
            let expect = if proxy == "nginx" { 403 } else { 400 };
            assert_eq!((status(&answer), true_status(&answer)), (expect, 400), "{proxy} {lines}: {answer}");
            assert_eq!(code(&answer), "bad_request", "{answer}");
        }
    }
}

/// nginx answers 500 to everything but 2xx, 401 and 403, so what a client has done wrong has to reach it as 403.
#[tokio::test]
async fn a_request_that_is_refused_before_it_is_read_is_403_to_nginx() {
    let asking = Asking::new().await;
    let lines = format!("{}{FROM}x-api-key: {}\r\n", named("nginx", "GET", "/d/x"), asking.key);
    let without_host = format!("GET /forward-auth/nginx HTTP/1.0\r\n{lines}\r\n");
    let mut answers = vec![crate::front::raw(&asking.front.address, &without_host).await];
    for more in
        ["trailer: X-Claviger-Account\r\n", "origin: https://a.example\r\norigin: https://b.example\r\n"]
    {
        answers.push(asking.front.ask("GET", "/forward-auth/nginx", &format!("{lines}{more}")).await);
    }
    for answer in answers {
        assert_eq!((status(&answer), true_status(&answer)), (403, 400), "{answer}");
        assert!(field(&answer, "x-claviger-problem").unwrap().contains("\"status\":400"), "{answer}");
    }
}

/// The same for what the HTTP library refuses by itself, also on a connection that has had an answer before.
#[tokio::test]
async fn a_head_that_cannot_be_read_is_403_to_nginx() {
    let asking = Asking::new().await;
    let head = |path: &str, more: &str| {
        let lines =
            format!("host: a\r\n{}{FROM}x-api-key: {}\r\n", named("nginx", "GET", "/d/x"), asking.key);
        format!("GET {path} HTTP/1.1\r\n{lines}{more}\r\n")
    };
    let many = "x: 1\r\n".repeat(110);
    for (more, expect) in [(many.as_str(), 431), ("x y: 1\r\n", 400)] {
        for before in [0, 1, 2] {
            let mut stream = TcpStream::connect(&asking.front.address).await.unwrap();
            for _ in 0..before {
                stream.write_all(head("/forward-auth/nginx", "").as_bytes()).await.unwrap();
                let mut answer = vec![0; 4096];
                let length = stream.read(&mut answer).await.unwrap();
                assert!(answer[..length].starts_with(b"HTTP/1.1 204"), "{before}");
            }
            stream.write_all(head("/forward-auth/nginx", more).as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!((status(&answer), true_status(&answer)), (403, expect), "{before}: {answer}");
            let body = answer.rsplit_once("\r\n\r\n").unwrap().1;
            assert_eq!(field(&answer, "x-claviger-problem"), Some(body));
            assert!(body.contains(&format!("\"status\":{expect}")), "{body}");
        }
        // Everyone else gets the status itself, also after nginx has asked.
        for path in ["/forward-auth/caddy", "/forward-auth/nginxes", "/d/x"] {
            let mut stream = TcpStream::connect(&asking.front.address).await.unwrap();
            stream.write_all(head("/forward-auth/nginx", "").as_bytes()).await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(head(path, more).as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert_eq!((status(&answer), field(&answer, "x-claviger-status")), (expect, None), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_rate_is_said_in_one_line_of_each_name() {
    let asking = Asking::new().await;
    for proxy in PROXIES {
        let rate = json!({"restrictions": {
            "rate": {"limit": 1, "period_seconds": 60}, "quota": {"limit": 9, "period": "day"},
        }});
        let (_, key) = asking.house.key(rate).await;
        let lines = format!("{}{FROM}x-api-key: {key}\r\n", named(proxy, "GET", "/d/x"));
        let address = format!("/forward-auth/{proxy}");
        let first = asking.front.ask("GET", &address, &lines).await;
        assert_eq!(status(&first), 204, "{first}");
        let policy = field(&first, "ratelimit-policy").unwrap();
        assert!(policy.starts_with("\"key\";q=1;w=60, \"quota\";q=9;w="), "{policy}");
        assert!(
            field(&first, "ratelimit").unwrap().starts_with("\"key\";r=0;t=60, \"quota\";r=8;"),
            "{first}"
        );
        let second = asking.front.ask("GET", &address, &lines).await;
        assert_eq!(
            (status(&second), true_status(&second)),
            (if proxy == "nginx" { 403 } else { 429 }, 429),
            "{second}"
        );
        assert!(field(&second, "retry-after").is_some() && field(&second, "ratelimit").is_some(), "{second}");
        assert_eq!(code(&second), "rate_limited");
    }
}
