//! The decision is made about what the application will read: paths, methods, hosts, bodies, addresses.

use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde_json::json;

use crate::front::{Front, code, field, raw, status};
use crate::house::House;

const ROUTES: &str = r#"
[[routes]]
path = "/api/{rest..}"
methods = ["GET", "HEAD", "POST"]
action = "api:read"
upstream = "http://UPSTREAM"

[[routes]]
path = "/api/admin/{rest..}"
methods = ["GET", "POST"]
action = "api:admin"
upstream = "http://UPSTREAM"

[[routes]]
path = "/api/settings"
action = "api:admin"
upstream = "http://UPSTREAM"

[[routes]]
path = "/any/{rest..}"
action = "api:read"
paths = "any"
upstream = "http://UPSTREAM"

[[routes]]
path = "/bodies"
get_body = true
upstream = "http://UPSTREAM"

[[routes]]
path = "/site"
host = "one.example"
action = "api:read"
upstream = "http://UPSTREAM"

[[routes]]
path = "/site"
action = "api:admin"
upstream = "http://UPSTREAM"
"#;

struct Reader {
    _house: House,
    front: Front,
    key: String,
}

impl Reader {
    async fn new() -> Self {
        let house = House::new().await;
        let front = Front::start(&house.state, ROUTES).await;
        let (_, key) = house.key(json!({"scopes": ["api:read"]})).await;
        Self { _house: house, front, key }
    }

    async fn get(&self, path: &str, more: &str) -> String {
        self.front.ask("GET", path, &format!("{more}x-api-key: {}\r\n", self.key)).await
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_takes_a_broader_route() {
    let reader = Reader::new().await;
    assert_eq!(status(&reader.get("/api/x", "").await), 200);
    assert_eq!(code(&reader.get("/api/admin/x", "").await), "forbidden");
    for path in [
        // Each of these is `/api/admin/x` or `/api/settings` to some application.
        "/api/%61dmin/x",
        "/%61pi/admin/x",
        "/api/%2561dmin/x",
        "/api/%25%36%31dmin/x",
        "/api/%c1%a1dmin/x",
        "/api/%ffadmin/x",
        "/api/x/../admin/x",
        "/api/x/%2e%2e/admin/x",
        "/api/./admin/x",
        "/api//admin/x",
        "/api/admin%2fx",
        "/api/admin%5cx",
        "/api/x/..;/admin/x",
        "/api/admin;a=b/x",
        "/api/;/admin/x",
        "/api/ADMIN/x",
        "/API/admin/x",
        "/api/Settings",
        "/api/settings/",
        "/api/settings;x",
        "/api/settings.",
        "/api/settings%20",
        "/api/admin",
        "/api/admin%3bx/y",
        "/api/se%74tings",
        "/api/SETTING%C5%BF",
        "/api/%u0061dmin/x",
    ] {
        let answer = reader.get(path, "").await;
        assert_eq!(status(&answer) / 100, 4, "{path}: {answer}");
        assert_ne!(code(&answer), "", "{path}");
    }
    for path in ["/api/%61dmin/x", "/api/admin;a=b/x", "/api/ADMIN/x", "/api/settings/", "/api/admin"] {
        assert_eq!(code(&reader.get(path, "").await), "ambiguous_path", "{path}");
    }
    for path in [
        "/api/x/",
        "/api/a%20b",
        "/api/%C3%A9t%C3%A9",
        "/api/~user",
        "/api/a+b",
        "/api/Clients/Ada",
        "/api/x;v=1",
        "/api/a%40b",
        "/api/100%25",
        "/api/administrators",
        "/api/x.tar.gz",
        "/api/a..b",
        "/any/%61//../x%2fy",
    ] {
        let answer = reader.get(path, "").await;
        assert_eq!(status(&answer), 200, "{path}: {answer}");
        assert!(answer.contains(&format!("GET {path}\n")), "passed on byte for byte: {answer}");
    }
}

#[tokio::test]
async fn no_header_names_another_request() {
    let reader = Reader::new().await;
    let names = [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Method",
        "X-Rewrite-URL",
        "Proxy",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "X-Real-IP",
        "Forwarded",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Method",
        "X-Envoy-Original-Path",
        "X-Forwarded",
    ];
    let mut lines = String::new();
    for name in names {
        for spelled in
            [name.to_owned(), name.to_ascii_uppercase(), name.replace('-', "_"), name.replace('-', ".")]
        {
            lines.push_str(&format!("{spelled}: evil\r\n"));
        }
    }
    for connection in [String::new(), format!("connection: {}\r\n", names.join(", "))] {
        let answer = reader.get("/api/x", &format!("{connection}{lines}")).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(!answer.contains("evil"), "{answer}");
        assert_eq!(field(&answer, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(field(&answer, "x-forwarded-host"), Some("a"));
        assert_eq!(field(&answer, "x-forwarded-proto"), Some("http"));
    }
}

#[tokio::test]
async fn a_pinned_host_is_part_of_the_route() {
    let reader = Reader::new().await;
    assert_eq!(status(&reader.get("/site", "host: ONE.example:8080\r\n").await), 200);
    for other in ["two.example", "one.example.evil.test", "a"] {
        let answer = reader.get("/site", &format!("host: {other}\r\n")).await;
        assert_eq!(code(&answer), "forbidden", "{other}: {answer}");
        let forged =
            reader.get("/site", &format!("host: {other}\r\nx-forwarded-host: one.example\r\n")).await;
        assert_eq!(code(&forged), "forbidden", "{other}: {forged}");
    }
}

#[tokio::test]
async fn a_body_of_a_get_is_refused_and_its_connection_closed() {
    let reader = Reader::new().await;
    let next = "GET /api/x HTTP/1.1\r\nhost: a\r\nx-claviger-account: evil\r\n\r\n";
    let length = next.len();
    for (method, framing, body) in [
        ("GET", format!("content-length: {length}\r\n"), next.to_owned()),
        ("GET", "transfer-encoding: chunked\r\n".to_owned(), format!("{length:x}\r\n{next}\r\n0\r\n\r\n")),
        ("GET", "transfer-encoding: chunked\r\n".to_owned(), "0\r\n\r\n".to_owned()),
        ("HEAD", format!("content-length: {length}\r\n"), next.to_owned()),
    ] {
        let head =
            format!("{method} /api/x HTTP/1.1\r\nhost: a\r\nx-api-key: {}\r\n{framing}\r\n", reader.key);
        let answer = raw(&reader.front.address, &(head + &body)).await;
        assert_eq!(status(&answer), 400, "{answer}");
        assert_eq!(field(&answer, "connection"), Some("close"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(method == "HEAD" || code(&answer) == "body_not_allowed", "{answer}");
    }
    assert_eq!(reader.front.connections.load(Ordering::SeqCst), 0, "nothing reached the application");
    assert_eq!(status(&reader.get("/api/x", "content-length: 0\r\n").await), 200);
}

/// An application may leave such a body unread, and take it for the next request.
#[tokio::test]
async fn a_connection_that_carried_a_body_of_a_get_is_not_used_again() {
    let reader = Reader::new().await;
    let connections = || reader.front.connections.load(Ordering::SeqCst);
    let with_body = async || {
        let lines = format!("x-api-key: {}\r\ncontent-length: 2\r\n\r\nhi", reader.key);
        let request = format!("GET /bodies HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{lines}");
        assert_eq!(status(&raw(&reader.front.address, &request).await), 200);
    };
    with_body().await;
    with_body().await;
    assert_eq!(connections(), 2);
    reader.get("/api/x", "").await;
    reader.get("/api/y", "").await;
    assert_eq!(connections(), 3, "without a body they are used again");
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_unknown() {
    let mut house = House::new().await;
    let front =
        Front::behind_a_proxy(&mut house, &ROUTES.replace("get_body", "history = \"all\"\nget_body")).await;
    let of = |blocks: &str| json!({"restrictions": {"addresses": [blocks]}});
    let (_, local) = house.key(of("127.0.0.0/8")).await;
    let (id, remote) = house.key(of("203.0.113.0/24")).await;
    let ask = async |key: &str, forwarded: &str| {
        let lines = format!("x-api-key: {key}\r\nx-forwarded-proto: https\r\n{forwarded}");
        front.ask("GET", "/bodies", &lines).await
    };
    let last_use = async |id: &str| {
        house.state.authority.flush_usage().await.unwrap();
        house.get(&format!("/v1/keys/{id}")).await.body["last_used_from"].clone()
    };
    for unknown in [
        "",
        "x-forwarded-for: rubbish\r\n",
        "x-forwarded-for: 203.0.113.9, unknown\r\n",
        "x-forwarded-for: \r\n",
    ] {
        for key in [&local, &remote] {
            let answer = ask(key, unknown).await;
            assert_eq!((status(&answer), code(&answer)), (403, "restricted"), "{unknown}: {answer}");
        }
    }
    assert_eq!(last_use(&id).await, json!(null));
    for known in [
        "203.0.113.9:54321",
        "8.8.8.8, 203.0.113.9",
        "::ffff:203.0.113.9",
        "[::ffff:203.0.113.9]:1",
        "203.0.113.9, 127.0.0.1:5",
    ] {
        let line = format!("x-forwarded-for: {known}\r\n");
        let answer = ask(&remote, &line).await;
        assert_eq!(status(&answer), 200, "{known}: {answer}");
        assert_eq!(field(&answer, "x-forwarded-for"), Some("203.0.113.9"), "{answer}");
        assert_eq!(code(&ask(&local, &line).await), "restricted", "{known}");
    }
    assert_eq!(last_use(&id).await, "203.0.113.9");
    let (free, key) = house.key(json!({})).await;
    let answer = ask(&key, "x-forwarded-for: rubbish\r\n").await;
    assert_eq!(field(&answer, "x-forwarded-for"), Some("unknown"), "{answer}");
    assert_eq!(last_use(&free).await, json!(null));
    house.state.authority.flush_notes().await.unwrap();
    let rows = house.get(&format!("/v1/history?key={free}")).await.body;
    let row = rows["items"].as_array().unwrap().iter().find(|row| row["action"] == "request:get").unwrap();
    assert_eq!(row["address"], json!(null), "{row}");
    // `ip` reads the same forms.
    for (ip, expect) in
        [("203.0.113.9:54321", true), ("[::ffff:203.0.113.9]:443", true), ("127.0.0.1", false)]
    {
        let verdict = house.post("/v1/verify", json!({"key": remote, "ip": ip})).await;
        assert_eq!(
            (verdict.status.as_u16(), &verdict.body["valid"]),
            (200, &json!(expect)),
            "{ip}: {}",
            verdict.body
        );
    }
    assert_eq!(house.post("/v1/verify", json!({"key": remote, "ip": "rubbish"})).await.status, 400);
}

fn configs(paths: &[String]) -> Option<claviger_http::gate::Routes> {
    let config = |path: &String| toml::from_str(&format!("path = {path:?}\nmethods = [\"GET\"]")).unwrap();
    claviger_http::gate::Routes::new(&paths.iter().map(config).collect::<Vec<_>>()).ok()
}

/// The path of a route that takes this path, and `None` if there is none or it is refused.
fn route_of(routes: &claviger_http::gate::Routes, path: &str) -> Option<String> {
    let method = http::Method::GET;
    match routes.find(&method, None, path) {
        claviger_http::gate::Found::Route(route, captures) => {
            let refused = routes.ambiguous((route, &captures), &method, None, path);
            (!refused).then(|| route.pattern.as_str().to_owned())
        }
        _ => None,
    }
}

/// How one segment can be spelled so that lenient applications read it as the same.
fn respell(path: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut spelled = String::new();
    for character in path.chars() {
        // Most characters stay, so that not every path is refused.
        match choices.next().unwrap_or(&0) % 16 {
            0 | 1 => spelled.push(character.to_ascii_uppercase()),
            2 | 3 if character == '/' => spelled.push_str(";x/"),
            4 | 5 if character == '/' => spelled.push_str("./"),
            6..=9 if character == '@' => spelled.push_str("%40"),
            10 if character != '/' => spelled.push_str(&format!("%{:02x}", character as u32)),
            _ => spelled.push(character),
        }
    }
    // Nothing stands before the first slash.
    spelled.trim_start_matches([';', 'x', '.']).to_owned()
}

proptest! {
    /// Two paths that lenient applications take for the same get the same route, or one of them is refused.
    #[test]
    fn paths_that_are_read_alike_get_one_route(
        patterns in proptest::collection::vec("(/(a|b|ab|\\{x\\}|a\\{x\\}|\\{x\\}@\\{y\\}|\\{x\\}0)){1,3}(/\\{rest\\.\\.\\})?", 1..6),
        path in "(/(a|b|ab|a[b@]?|[ab]@[ab]|b0)){1,3}/?",
        one in proptest::collection::vec(any::<u8>(), 1..8),
        other in proptest::collection::vec(any::<u8>(), 1..8),
    ) {
        let mut number = 0;
        // A name may stand in a pattern only once.
        let patterns = patterns.iter().map(|pattern| {
            let mut named = String::new();
            for part in pattern.split_inclusive('{') {
                named.push_str(part);
                if part.ends_with('{') {
                    number += 1;
                    named.push_str(&format!("n{number}_"));
                }
            }
            named
        }).collect::<Vec<_>>();
        let Some(routes) = configs(&patterns) else { return Ok(()) };
        let (one, other) = (respell(&path, &one), respell(&path, &other));
        if let (Some(first), Some(second)) = (route_of(&routes, &one), route_of(&routes, &other)) {
            prop_assert_eq!(first, second, "{} {} {:?}", one, other, patterns);
        }
    }

    /// No path makes the routes panic, whatever is in it.
    #[test]
    fn any_path_is_matched(path in "/\\PC{0,60}") {
        let patterns = ["/a/{x}.{y}", "/{x}@{y}", "/{rest..}", "/a/{rest..}"].map(str::to_owned);
        route_of(&configs(&patterns).unwrap(), &path);
    }
}
