//! Real proxies in front of an application, which end TLS, ask about each request and pass it on themselves. They
//! run with the text of the guide; only addresses, ports and paths of files are those of the test.

mod caddy;
mod evasion;
mod haproxy;
mod nginx;
mod tls;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use claviger_testkit::{Answer, Client, Process, Serve, folder};
use serde_json::{Value, json};

use self::tls::Tunnel;
use crate::PROGRAM;
use crate::guarded::{Guarded, OPERATOR, secret};
use crate::upstream::Upstream;

const GATEWAY: &str = include_str!("../../../../../docs/GATEWAY.md");
const OPERATIONS: &str = include_str!("../../../../../docs/OPERATIONS.md");

const CONFIG: &str = r#"
trusted_proxies = ["127.0.0.1"]

[[routes]]
path = "/d/{notebook}.js"
target = "notebook:{notebook}"
action = "notebook:read"

[[routes]]
path = "/api/{rest..}"
methods = ["GET", "POST"]
origins = ["https://app.example"]

[[routes]]
path = "/api/admin/{rest..}"
action = "api:admin"

[[routes]]
path = "/free/{rest..}"
anonymous = true
"#;

/// Headers with which some application or proxy is told of another request.
const OVERRIDES: [&str; 21] = [
    "X-Original-Method",
    "X-Original-URI",
    "X-Original-URL",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Rewrite-URL",
    "X-Envoy-Original-Path",
    "Forwarded",
    "Proxy",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "X-Real-IP",
    "X-Forwarded-Content-Length",
];

/// The names of the identity headers.
const IDENTITY: [&str; 8] =
    ["subject", "account", "key-id", "scopes", "grants", "resource", "version", "request-id"];

/// A configuration as a guide shows it, with the addresses of this test.
fn from_guide(guide: &str, language: &str, guarded: &Guarded, application: &Upstream) -> String {
    let (_, rest) = guide.split_once(&format!("```{language}\n")).unwrap();
    let (text, _) = rest.split_once("\n```").unwrap();
    let application = application.url.strip_prefix("http://").unwrap();
    text.replace("127.0.0.1:8400", &guarded.serve.api.address().to_string())
        .replace("127.0.0.1:8401", &guarded.serve.gateway.address().to_string())
        .replace("127.0.0.1:9000", application)
}

/// Replaces what has to be there.
fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} in {text}");
    text.replace(from, to)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A proxy under test, whose end comes with the test's.
struct Front {
    client: Client,
    proxy: Process,
    port: u16,
    trusted: PathBuf,
    _tunnel: Tunnel,
}

impl Front {
    /// The proxy that ends TLS at this port, with a certificate that is trusted by way of this file.
    fn start(mut proxy: Process, port: u16, trusted: PathBuf) -> Self {
        let tunnel = Tunnel::start(port, trusted.clone());
        let client = Client::new(&format!("http://{}", tunnel.address));
        proxy.wait_for(|_| client.get("/d/n1.js").try_send().ok());
        Self { client, proxy, port, trusted, _tunnel: tunnel }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.proxy.terminate();
    }
}

/// What every proxy has to do. `start` runs one in a folder; the history calls it `asked_by`.
fn check(asked_by: &str, start: impl Fn(&Path, &Guarded, &Upstream) -> Front) {
    let data = folder();
    let (application, mut guarded) = (Upstream::start(), Guarded::start(data.path(), CONFIG));
    let front = start(data.path(), &guarded, &application);
    let get = |path: &str, key: Option<&str>| {
        let request = front.client.get(path);
        key.iter().fold(request, |request, key| request.bearer(key)).send()
    };
    let other = json!({"external_id": "bob"});
    let other = guarded.serve.api.post("/v1/accounts", &other).bearer(OPERATOR).send().expect(201).json();
    let hidden = json!({
        "owner": format!("account:{}", other["id"].as_str().unwrap()), "visibility": "private",
        "latest_version": 1, "versions": [],
    });
    guarded
        .serve
        .api
        .request("PUT", "/v1/resources/notebook:hidden")
        .json(&hidden)
        .bearer(OPERATOR)
        .send()
        .expect(201);
    what_reaches_the_application(front.client, &guarded);
    what_a_client_forges(front.client, &guarded);
    what_a_browser_sees(front.client, &guarded);
    what_is_read_in_two_ways(front.client, &guarded);
    a_websocket_is_passed_on(front.client, &guarded);
    evasion::check(asked_by, &front, &guarded);
    let good = Some(guarded.secret());
    let unnamed = get("/d/n1.js", None).expect(401);
    assert!(unnamed.joined("www-authenticate").contains("Bearer"), "{}", unnamed.joined("www-authenticate"));
    get("/d/n1.js", Some("sk_0000000000000000000000000000000000000")).expect(401);
    get("/d/n1.js", Some("short")).expect(400);
    get("/d/n1.js", Some(secret(&guarded.new_key(json!({"scopes": []}))))).expect(403);
    // What is hidden and what does not exist are the same.
    let told = |answer: Answer| {
        let names =
            |headers: Vec<(String, String)>| headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        (answer.status, names(answer.headers), answer.body)
    };
    assert_eq!(told(get("/d/hidden.js", good).expect(404)), told(get("/d/nobody.js", good).expect(404)));
    get("/elsewhere", good).expect(404);
    let deleted = front.client.request("DELETE", "/d/n1.js").bearer(guarded.secret()).send().expect(405);
    assert_eq!((deleted.header("allow"), deleted.code().as_str()), (Some("GET, HEAD"), "method_not_allowed"));
    // The query slot is off: a key there is none.
    get(&format!("/d/n1.js?api_key={}", guarded.secret()), None).expect(401);
    let rated = guarded.new_key(json!({"restrictions": {"rate": {"limit": 1, "period_seconds": 3600}}}));
    get("/d/n1.js", Some(secret(&rated))).expect(200);
    let over = get("/d/n1.js", Some(secret(&rated))).expect(429);
    assert!(over.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    assert!(over.joined("ratelimit").starts_with("\"key\";r=0;"), "{over:?}");
    assert_eq!(
        (over.code().as_str(), over.header("content-type")),
        ("rate_limited", Some("application/problem+json"))
    );

    guarded.set_status("disabled");
    get("/d/n1.js", good).expect(401);
    guarded.set_status("active");
    get("/d/n1.js", good).expect(200);
    a_refusal_names_the_proxy(&front, &guarded, asked_by);
    drop(application);
    let unanswered = front.client.get("/d/n1.js").bearer(guarded.secret()).send().expect(503);
    // HAProxy answers for the application in a way of its own.
    if asked_by != "HAProxy" {
        assert_eq!(
            (unanswered.code().as_str(), unanswered.joined("retry-after").as_str()),
            ("unavailable", "1")
        );
    }
    nothing_passes_without_claviger(&front, &mut guarded);
    no_key_is_logged(&front, data.path(), &guarded);
}

/// The row that the request id of a refusal leads to says which proxy asked.
fn a_refusal_names_the_proxy(front: &Front, guarded: &Guarded, asked_by: &str) {
    let key = guarded.new_key(json!({"scopes": []}));
    let refused = front.client.get("/d/n1.js").bearer(secret(&key)).send().expect(403);
    let path = format!("/v1/history?request_id={}", refused.header("x-request-id").unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    let row = loop {
        let rows = guarded.serve.api.get(&path).bearer(OPERATOR).send().expect(200).json();
        if let Some(row) = rows["items"].get(0) {
            break row.clone();
        }
        assert!(Instant::now() < deadline, "the refusal is not in the history");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(row["detail"], format!("GET through forward-auth for {asked_by}"), "{row}");
}

fn nothing_passes_without_claviger(front: &Front, guarded: &mut Guarded) {
    guarded.serve.process.kill();
    for path in ["/d/n1.js", "/free/x"] {
        let path = format!("{path}?api_key={}", guarded.secret());
        let request = front.client.get(&path).header("X-API-Key", guarded.secret());
        let unanswered = request.send().expect(503);
        assert_eq!(
            (unanswered.code().as_str(), unanswered.joined("retry-after").as_str()),
            ("unavailable", "1"),
            "{unanswered:?}"
        );
        assert_eq!(unanswered.joined("content-type"), "application/problem+json");
    }
}

/// Neither by what passed nor by what failed.
fn no_key_is_logged(front: &Front, folder: &Path, guarded: &Guarded) {
    let mut logs = vec![front.proxy.out(), front.proxy.err()];
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(std::fs::read_to_string(path).unwrap());
        }
    }
    for log in logs {
        assert!(!log.contains(guarded.secret()), "{log}");
    }
}

/// The other way: the proxy passes everything on, one host to the gateway and that of `public_url` to the API.
fn check_passed_on([to_gateway, to_api]: [&str; 2], start: impl Fn(&Path, &Guarded, &Upstream) -> Front) {
    let data = folder();
    let (application, mut guarded) = (Upstream::start(), Guarded::start(data.path(), CONFIG));
    let front = start(data.path(), &guarded, &application);
    let key = guarded.secret().to_owned();
    let ask = |host: &str, path: &str| {
        let head = format!(
            "GET {path}?api_key={key} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"
        );
        front.client.raw(head.as_bytes()).unwrap()
    };
    // The route has no upstream, so only the gateway says so.
    assert_eq!(ask(to_gateway, "/d/n1.js").expect(404).code(), "no_upstream");
    assert_eq!(ask(to_api, "/v1/whoami").expect(200).json()["kind"], "key");
    guarded.serve.process.kill();
    for (host, path) in [(to_gateway, "/d/n1.js"), (to_api, "/v1/whoami")] {
        assert_eq!(ask(host, path).status, 502);
    }
    no_key_is_logged(&front, data.path(), &guarded);
}

fn what_reaches_the_application(front: Client, guarded: &Guarded) {
    let forged = IDENTITY.iter().fold(front.get("/d/n1.js?x=%20+"), |request, name| {
        let (dashes, other) = (format!("X-Claviger-{name}"), name.replace('-', "_"));
        let request = request.header(&dashes, "evil").header(&format!("X_Claviger_{other}"), "evil");
        request.header(&format!("x.claviger.{other}"), "evil").header(&dashes.to_ascii_uppercase(), "evil")
    });
    let answer = forged.header("X-API-Key", guarded.secret()).send().expect(200);
    let seen = answer.json();
    assert!(!answer.text().contains("evil"), "{seen}");
    assert_eq!(seen["url"], "/d/n1.js?x=%20+");
    let header = |name: &str| seen["headers"][format!("x-claviger-{name}")].as_str().unwrap_or_default();
    assert_eq!(
        (header("subject"), header("resource"), header("version")),
        (&*guarded.account, "notebook:n1", "7")
    );
    assert_eq!(format!("account:{}", header("account")), guarded.account);
    assert_eq!((header("key-id"), header("grants")), (guarded.key["key"]["id"].as_str().unwrap(), ""));
    assert!(!header("scopes").is_empty() && header("request-id").starts_with("req_"), "{seen}");
    assert_eq!(seen["headers"].get("x-api-key"), None);
    let seen = front.get("/d/n1.js").bearer(guarded.secret()).send().expect(200).json();
    assert_eq!(seen["headers"].get("authorization"), None::<&Value>);
}

/// Whatever a client says in a header, however spelled: the request that it makes is decided about, and nothing of
/// it reaches the application.
fn what_a_client_forges(front: Client, guarded: &Guarded) {
    for name in OVERRIDES {
        let value = match name {
            name if name.ends_with("Method") || name.ends_with("Override") => "GET",
            name if name.ends_with("Length") => "0",
            _ => "/d/n1.js",
        };
        for spelled in
            [name.to_owned(), name.to_ascii_uppercase(), name.replace('-', "_"), name.replace('-', ".")]
        {
            for (doubled, connection) in [(false, false), (true, false), (false, true)] {
                let forge = |mut request: claviger_testkit::client::Request| {
                    request = request.bearer(guarded.secret()).header(&spelled, value);
                    if doubled {
                        request = request.header(&spelled, value);
                    }
                    if connection { request.header("Connection", &spelled) } else { request }
                };
                // Another's notebook stays another's, and what is one's own is served as what it is.
                let hidden = forge(front.get("/d/hidden.js")).send();
                assert_ne!(hidden.status, 200, "{spelled}: {}", hidden.text());
                let admin = forge(front.get("/api/admin/x")).send();
                assert_ne!(admin.status, 200, "{spelled}: {}", admin.text());
                let posted = forge(front.request("DELETE", "/api/x")).send();
                assert_ne!(posted.status, 200, "{spelled}: {}", posted.text());
                let mine = forge(front.get("/d/n1.js?mine")).send().expect(200).json();
                assert_eq!(mine["url"], "/d/n1.js?mine", "{spelled}");
                for (seen, value) in mine["headers"].as_object().unwrap() {
                    let ours =
                        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].contains(&seen.as_str());
                    let same = seen.replace(['_', '.'], "-").eq_ignore_ascii_case(name);
                    assert!(
                        !same || ours || name.ends_with("Length"),
                        "{spelled} reached the application: {seen}: {value}"
                    );
                    assert!(!ours || value.as_str().unwrap() != "/d/n1.js", "{spelled}: {value}");
                }
            }
        }
    }
}

/// The route's origins, its rate and the request id, on what passes and on what does not.
fn what_a_browser_sees(front: Client, guarded: &Guarded) {
    let ours = ("Origin", "https://app.example");
    let preflight = front.request("OPTIONS", "/api/x").header(ours.0, ours.1);
    let preflight = preflight.header("Access-Control-Request-Method", "POST");
    let preflight = preflight.header("Access-Control-Request-Headers", "x-api-key").send().expect(204);
    assert_eq!(preflight.joined("access-control-allow-origin"), ours.1);
    assert_eq!(preflight.joined("access-control-allow-methods"), "POST");
    assert_eq!(preflight.joined("access-control-allow-headers"), "x-api-key");
    assert!(preflight.joined("vary").contains("origin"), "{preflight:?}");
    let rate = json!({"rate": {"limit": 9, "period_seconds": 3600}, "quota": {"limit": 90, "period": "day"}});
    let rated = guarded.new_key(json!({"restrictions": rate}));
    let passed = front.get("/api/x").header(ours.0, ours.1).bearer(secret(&rated)).send().expect(200);
    assert_eq!(passed.joined("access-control-allow-origin"), ours.1, "the application says something else");
    assert_eq!(passed.joined("access-control-allow-credentials"), "", "{passed:?}");
    assert!(passed.joined("access-control-expose-headers").contains("x-request-id"), "{passed:?}");
    assert!(passed.joined("vary").contains("origin"), "{passed:?}");
    assert_eq!(passed.joined("cache-control"), "no-store");
    assert!(passed.joined("ratelimit").starts_with("\"key\";r=8;"), "{passed:?}");
    assert!(passed.joined("ratelimit").contains("\"quota\";r=89;"), "{passed:?}");
    assert!(passed.joined("ratelimit-policy").starts_with("\"key\";q=9;w=3600"), "{passed:?}");
    let told = passed.json()["headers"]["x-claviger-request-id"].as_str().unwrap().to_owned();
    assert_eq!(passed.joined("x-request-id"), told);
    let refused = front.get("/api/x").header(ours.0, ours.1).send().expect(401);
    assert_eq!(refused.joined("access-control-allow-origin"), ours.1);
    assert_eq!(
        (refused.code().as_str(), refused.joined("cache-control").as_str()),
        ("credentials_required", "no-store")
    );
    assert_eq!(
        refused.headers.iter().filter(|(name, _)| name == "www-authenticate").count(),
        1,
        "{refused:?}"
    );
    let other = front
        .get("/api/x")
        .header("Origin", "https://evil.example")
        .bearer(guarded.secret())
        .send()
        .expect(200);
    assert_eq!(other.joined("access-control-allow-origin"), "");
    // A route that says nothing about origins leaves it to the application.
    let free = front.get("/free/x").header(ours.0, ours.1).send().expect(200);
    assert_eq!(free.joined("access-control-allow-origin"), "https://upstream.example");
    assert_eq!(free.json()["headers"]["x-claviger-subject"], "anonymous");
}

/// Targets that the proxy or the application could read differently from what was decided on, and bodies.
fn what_is_read_in_two_ways(front: Client, guarded: &Guarded) {
    for target in [
        "/d/n1.js#/../hidden.js",
        "/api/x#y",
        "/api/%61dmin/x",
        "/api/%2561dmin/x",
        "/api//admin/x",
        "/api/x/../admin/x",
        "/api/x%2f..%2fadmin/x",
        "/api/..;/admin/x",
        "/api/ADMIN/x",
        "/api/admin;x/y",
    ] {
        let answer = front.get(target).bearer(guarded.secret()).send();
        // Caddy encodes a `#`, asks about that path, and passes on the same.
        let encoded = target.contains('#') && (answer.status == 404 || answer.text().contains("/api/x%23y"));
        assert!(encoded || answer.status == 400, "{target}: {} {}", answer.status, answer.text());
    }
    let plain = front.get("/api/a%20b/%C3%A9~+").bearer(guarded.secret()).send().expect(200).json();
    assert_eq!(plain["url"], "/api/a%20b/%C3%A9~+");
    let host = front.address();
    let next = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = next.len();
    let (exact, chunked) = (
        format!("Content-Length: {length}\r\n\r\n{next}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{next}\r\n0\r\n\r\n"),
    );
    for framed in [exact, chunked] {
        let key = guarded.secret();
        let request = format!(
            "GET /api/x HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nConnection: close\r\n{framed}"
        );
        let answer = front.raw(request.as_bytes()).unwrap();
        assert!(matches!(answer.status, 400 | 413), "{framed}: {answer:?}");
    }
    let posted =
        front.request("POST", "/api/x").bearer(guarded.secret()).json(&json!({"a": 1})).send().expect(200);
    assert_eq!(posted.json()["bytes"], 7);
}

fn a_websocket_is_passed_on(front: Client, guarded: &Guarded) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(front.address()).unwrap();
    let request = format!(
        "GET /api/ws HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        front.address(),
        guarded.secret()
    );
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    // The application greets with the authority that it was told of; only then is there a tunnel for sure.
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(&guarded.account) {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&received));
        received.extend_from_slice(&piece[..read]);
    }
    // A masked closing frame, which it answers in kind.
    stream.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    stream.read_to_end(&mut received).unwrap();
    let received = String::from_utf8_lossy(&received);
    assert!(received.starts_with("HTTP/1.1 101"), "{received}");
    assert!(received.ends_with("\u{fffd}\0"), "{received:?}");
}

/// nginx keeps its connection to us only where an allowed request has no body, and no cache may keep the answer.
#[test]
fn an_allowed_request_is_an_empty_204() {
    let data = folder();
    let guarded = Guarded::start(data.path(), CONFIG);
    for [proxy, method, uri] in
        [["nginx", "X-Original-Method", "X-Original-URI"], ["caddy", "X-Forwarded-Method", "X-Forwarded-Uri"]]
    {
        let ask = |path: &str| {
            let asked = guarded.serve.gateway.get(&format!("/forward-auth/{proxy}"));
            let asked = asked.header(method, "GET").header(uri, path).header("X-Forwarded-Proto", "https");
            asked.header("X-Forwarded-Host", "example.org").bearer(guarded.secret()).send()
        };
        let answer = ask("/d/n1.js").expect(204);
        assert_eq!((answer.body.len(), answer.header("content-length")), (0, None));
        assert_eq!(
            (answer.header("transfer-encoding"), answer.header("cache-control")),
            (None, Some("no-store"))
        );
        let refused = ask("/d/n2.js");
        assert_eq!(refused.status, if uri == "X-Original-URI" { 403 } else { 404 });
        assert_eq!(refused.header("x-claviger-status"), Some("404"));
    }
}

/// What keeps a set-up from working is said once in the log, with the setting, and in each answer.
#[test]
fn a_set_up_that_cannot_work_is_logged_once() {
    let data = folder();
    let serve = Serve::start(PROGRAM, data.path(), &[("CLAVIGER_OPERATOR_KEY", OPERATOR)]);
    let ask = |serve: &Serve, proxy: &str, proto: &str| {
        let asked = serve.gateway.get(&format!("/forward-auth/{proxy}")).header("X-Original-Method", "GET");
        asked.header("X-Original-URI", "/d/n1.js").header("X-Forwarded-Proto", proto).bearer(OPERATOR).send()
    };
    let warnings = |serve: &mut Serve, text: &str, count: usize| {
        serve.process.wait_for(|process| (process.err().matches(text).count() >= count).then_some(()));
        assert_eq!(serve.process.err().matches("forward-auth for").count(), count, "{}", serve.process.err());
    };
    let mut serve = serve;
    for _ in 0..3 {
        let answer = ask(&serve, "nginx", "https").expect(403);
        assert_eq!(answer.code(), "proxy_not_trusted");
        assert!(answer.text().contains("trusted_proxies"), "{}", answer.text());
        serve.gateway.get("/forward-auth").header("X-Original-Method", "GET").send().expect(404);
    }
    warnings(&mut serve, "the address of the proxy is not in `trusted_proxies`", 1);
    let data = folder();
    let mut guarded = Guarded::start(data.path(), CONFIG);
    for _ in 0..3 {
        assert_eq!(ask(&guarded.serve, "nginx", "http").expect(403).code(), "insecure_transport");
        assert_eq!(ask(&guarded.serve, "caddy", "https").expect(400).code(), "proxy_headers_missing");
    }
    guarded.serve.process.wait_for(|process| process.err().contains("does not send").then_some(()));
    warnings(&mut guarded.serve, "forward-auth for", 2);
    let log = guarded.serve.process.err();
    assert!(log.contains("X-Forwarded-Proto: https") && log.contains("`X-Forwarded-Uri`"), "{log}");
}
