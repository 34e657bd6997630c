//! Real proxies in front of an application, which ask about each request and pass it on themselves. They run
//! with the very text of docs/GATEWAY.md.

mod caddy;
mod haproxy;
mod nginx;

use std::net::TcpListener;
use std::path::Path;

use claviger_testkit::{Answer, Client, Process, Serve, folder};
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::guarded::{Guarded, OPERATOR, secret};
use crate::upstream::Upstream;

const GUIDE: &str = include_str!("../../../../../docs/GATEWAY.md");

const CONFIG: &str = r#"
trusted_proxies = ["127.0.0.1"]

[[routes]]
path = "/d/{notebook}.js"
target = "notebook:{notebook}"
action = "notebook:read"
upstream = "http://127.0.0.1:1"
"#;

/// The names of the identity headers.
const IDENTITY: [&str; 8] =
    ["authority", "account", "key-id", "scopes", "grants", "resource", "version", "request-id"];

/// A configuration as the guide shows it, with the addresses of this test.
fn from_guide(language: &str, house: &Guarded, application: &Upstream) -> String {
    let (_, rest) = GUIDE.split_once(&format!("```{language}\n")).unwrap();
    let (text, _) = rest.split_once("\n```").unwrap();
    let application = application.url.strip_prefix("http://").unwrap();
    text.replace("127.0.0.1:8401", &house.serve.gateway.address().to_string())
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
}

impl Front {
    fn start(mut proxy: Process, port: u16) -> Self {
        let client = Client::new(&format!("http://127.0.0.1:{port}"));
        proxy.wait_for(|_| client.get("/d/n1.js").try_send().ok());
        Self { client, proxy }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.proxy.terminate();
    }
}

/// What every proxy has to do. `start` runs one in a folder.
fn check(start: impl Fn(&Path, &Guarded, &Upstream) -> Front) {
    let data = folder();
    let (application, house) = (Upstream::start(), Guarded::start(data.path(), CONFIG));
    let front = start(data.path(), &house, &application);
    let get = |path: &str, key: Option<&str>| {
        let request = front.client.get(path);
        key.iter().fold(request, |request, key| request.bearer(key)).send()
    };
    what_reaches_the_application(front.client, &house);
    let good = Some(house.secret());
    let unnamed = get("/d/n1.js", None).expect(401);
    assert!(unnamed.joined("www-authenticate").contains("Bearer"), "{}", unnamed.joined("www-authenticate"));
    get("/d/n1.js", Some("sk_0000000000000000000000000000000000000")).expect(401);
    get("/d/n1.js", Some("short")).expect(400);
    get("/d/n1.js", Some(secret(&house.new_key(json!({"scopes": []}))))).expect(403);
    // What is hidden and what does not exist are the same.
    let told = |answer: Answer| {
        let names =
            |headers: Vec<(String, String)>| headers.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        (answer.status, names(answer.headers), answer.body)
    };
    let other = json!({"external_id": "bob"});
    let other = house.serve.api.post("/v1/accounts", &other).bearer(OPERATOR).send().expect(201).json();
    let hidden = json!({
        "holder": format!("account:{}", other["id"].as_str().unwrap()), "visibility": "private",
        "latest_version": 1, "versions": [],
    });
    house
        .serve
        .api
        .request("PUT", "/v1/resources/notebook:hidden")
        .json(&hidden)
        .bearer(OPERATOR)
        .send()
        .expect(201);
    assert_eq!(told(get("/d/hidden.js", good).expect(404)), told(get("/d/nobody.js", good).expect(404)));
    get("/elsewhere", good).expect(404);
    front.client.request("DELETE", "/d/n1.js").bearer(house.secret()).send().expect(404);
    // The query slot is off: a key there is none.
    get(&format!("/d/n1.js?api_key={}", house.secret()), None).expect(401);
    let rated = house.new_key(json!({"restrictions": {"rate": {"limit": 1, "period_seconds": 3600}}}));
    get("/d/n1.js", Some(secret(&rated))).expect(200);
    let over = get("/d/n1.js", Some(secret(&rated))).expect(429);
    assert!(over.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);

    house.set_status("disabled");
    get("/d/n1.js", good).expect(401);
    house.set_status("active");
    get("/d/n1.js", good).expect(200);
}

fn what_reaches_the_application(front: Client, house: &Guarded) {
    let forged = IDENTITY.iter().fold(front.get("/d/n1.js?x=%20+"), |request, name| {
        let (dashes, other) = (format!("X-Claviger-{name}"), name.replace('-', "_"));
        let request = request.header(&dashes, "evil").header(&format!("X_Claviger_{other}"), "evil");
        request.header(&format!("x.claviger.{other}"), "evil").header(&dashes.to_ascii_uppercase(), "evil")
    });
    let answer = forged.header("X-API-Key", house.secret()).send().expect(200);
    let seen = answer.json();
    assert!(!answer.text().contains("evil"), "{seen}");
    assert_eq!(seen["url"], "/d/n1.js?x=%20+");
    let header = |name: &str| seen["headers"][format!("x-claviger-{name}")].as_str().unwrap_or_default();
    assert_eq!(
        (header("authority"), header("resource"), header("version")),
        (&*house.account, "notebook:n1", "7")
    );
    assert_eq!(format!("account:{}", header("account")), house.account);
    assert_eq!((header("key-id"), header("grants")), (house.key["key"]["id"].as_str().unwrap(), ""));
    assert!(!header("scopes").is_empty() && header("request-id").starts_with("req_"), "{seen}");
    assert_eq!(seen["headers"].get("x-api-key"), None);
    let seen = front.get("/d/n1.js").bearer(house.secret()).send().expect(200).json();
    assert_eq!(seen["headers"].get("authorization"), None::<&Value>);
}

/// nginx keeps its connection to us only where an allowed request has no body, and no cache may keep the answer.
#[test]
fn an_allowed_request_is_an_empty_204() {
    let data = folder();
    let house = Guarded::start(data.path(), CONFIG);
    for [method, uri] in [["X-Original-Method", "X-Original-URI"], ["X-Forwarded-Method", "X-Forwarded-Uri"]]
    {
        let ask = |path: &str| {
            let asked = house.serve.gateway.get("/forward-auth").header(method, "GET").header(uri, path);
            asked.bearer(house.secret()).send()
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

/// Asked by somebody who is no trusted proxy, there is nothing there.
#[test]
fn only_trusted_proxies_may_ask() {
    let data = folder();
    let serve = Serve::start(PROGRAM, data.path(), &[("CLAVIGER_OPERATOR_KEY", OPERATOR)]);
    let asked =
        serve.gateway.get("/forward-auth").header("X-Original-Method", "GET").header("X-Original-URI", "/");
    asked.send().expect(404);
}
