//! A key that goes in at every slot comes out nowhere.
//!
//! One key is sent in every slot over every route, whole and damaged; then nothing that the program leaves
//! behind has its text in it: neither its log (at its most talkative), its metrics, its history, its files,
//! nor what reached the application. The demo's own `demo.json` and `operator-key` hold keys by design, but
//! not this one.

use std::path::Path;

use claviger_testkit::{Client, Demo, basic, folder};
use serde_json::{Value, json};

use crate::PROGRAM;

/// Characters of a key that give it away: shorter pieces are in its preview, or are chance.
const TELLING: usize = 10;

/// A key to look for.
struct Canary {
    id: String,
    text: String,
}

impl Canary {
    fn create(demo: &Demo, subject: &str, scopes: Value) -> Self {
        let body = json!({"name": "Canary", "subject": subject, "scopes": scopes});
        let made = demo.api().post("/v1/keys", &body).bearer(demo.operator()).send().expect(201).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { id: text(&made["key"]["id"]), text: text(&made["secret"]) }
    }

    /// The key as it is, and as people and programs damage it.
    fn damaged(&self) -> Vec<String> {
        let key = &self.text;
        let middle = key.len() / 2;
        vec![
            key.clone(),
            key[..key.len() - 1].to_owned(),
            key[..middle].to_owned(),
            key[3..].to_owned(),
            key.to_ascii_uppercase(),
            format!("{key}x"),
            format!("{key}{key}"),
            format!("\"{key}\""),
            format!("{key},"),
            format!("{} {}", &key[..middle], &key[middle..]),
            format!("{key}\u{e9}"),
            format!("{key}%00"),
            format!("sk_{}", &key[3..].chars().rev().collect::<String>()),
        ]
    }

    /// What would give it away, in each form that a program might write it in.
    fn traces(&self) -> Vec<String> {
        let body = &self.text[3..];
        let first = &body[..TELLING];
        let last = &self.text[self.text.len() - TELLING..];
        let mut traces = vec![first.to_owned(), last.to_owned(), body[8..8 + TELLING].to_owned()];
        // Base 64 of it at each of the three places where it can begin, without what depends on its neighbours.
        for shift in 0..3 {
            let encoded = basic(&format!("{}{}", "x".repeat(shift), self.text)).replace("Basic ", "");
            traces.push(encoded[8..8 + 2 * TELLING].to_owned());
        }
        let percent: String = first.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let hexadecimal: String = first.bytes().map(|byte| format!("{byte:02x}")).collect();
        let list = first.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        traces.extend([percent.to_ascii_lowercase(), hexadecimal, list]);
        traces
    }

    fn look(&self, place: &str, content: &[u8]) {
        let content = content.to_ascii_lowercase();
        for trace in self.traces() {
            let trace = trace.to_ascii_lowercase();
            let found = content.windows(trace.len()).position(|window| window == trace.as_bytes());
            if let Some(at) = found {
                let around = &content[at.saturating_sub(120)..content.len().min(at + 120)];
                panic!("{place} has the key in it: …{}…", String::from_utf8_lossy(around));
            }
        }
    }
}

/// Every route: where, with which method, and with which body.
fn routes(demo: &Demo, canary: &Canary) -> Vec<(Client, &'static str, String, Option<Value>)> {
    let (gateway, api, admin) = (demo.gateway(), demo.api(), demo.admin());
    let (id, atlas) = (demo.resource("private_notebook"), demo.text("/projects/atlas/id"));
    let account = demo.text("/accounts/owner/id");
    let lab = demo.text("/teams/lab/id");
    let get = |client, target: String| (client, "GET", target, None);
    let mut routes = vec![
        get(gateway, format!("/d/{id}.js")),
        get(gateway, format!("/d/{id}@2.tgz?v=3")),
        get(gateway, "/d/ffffffffffffffff.js".to_owned()),
        get(gateway, format!("/embed/{id}")),
        get(gateway, format!("/embed/{id}@2?cells=answer")),
        get(gateway, "/api/v1/account".to_owned()),
        get(gateway, "/api/v1/samples".to_owned()),
        get(gateway, format!("/api/v1/samples/{}", demo.resource("private_sample"))),
        get(gateway, format!("/api/v1/projects/{atlas}/runs")),
        get(gateway, "/no/such/route".to_owned()),
        get(gateway, format!("/d//{id}.js")),
        (gateway, "HEAD", format!("/d/{id}.js"), None),
        (gateway, "OPTIONS", format!("/d/{id}.js"), None),
        (gateway, "PUT", format!("/d/{id}.js"), Some(json!({}))),
        (gateway, "POST", format!("/api/v1/projects/{atlas}/runs"), Some(json!({"name": "nightly"}))),
        get(demo.application(), "/internal/runs".to_owned()),
        (demo.application(), "POST", "/internal/runs".to_owned(), Some(json!({"nonsense": true}))),
        get(admin, "/metrics".to_owned()),
        get(admin, "/readyz".to_owned()),
    ];
    let things = [
        "/v1/keys".to_owned(),
        format!("/v1/keys/{}", canary.id),
        "/v1/keys/nonsense".to_owned(),
        "/v1/whoami".to_owned(),
        "/v1/verify".to_owned(),
        "/v1/verify/batch".to_owned(),
        "/v1/accounts".to_owned(),
        format!("/v1/accounts/{account}"),
        "/v1/teams".to_owned(),
        format!("/v1/teams/{lab}"),
        format!("/v1/teams/{lab}/members"),
        "/v1/projects".to_owned(),
        format!("/v1/projects/{atlas}"),
        format!("/v1/projects/{atlas}/members"),
        "/v1/resources".to_owned(),
        format!("/v1/resources/notebook:{id}"),
        "/v1/history".to_owned(),
        "/v1/changes/chg_nonsense".to_owned(),
        "/v1/leaks".to_owned(),
        "/v1/no-such-route".to_owned(),
        "/openapi.json".to_owned(),
    ];
    for target in things {
        routes.push((api, "GET", target.clone(), None));
        routes.push((api, "POST", target, Some(json!({}))));
    }
    // An unknown field, so that nothing is changed.
    let patch = Some(json!({"nonsense": true}));
    routes.push((api, "PATCH", format!("/v1/keys/{}", canary.id), patch.clone()));
    routes.push((api, "PUT", format!("/v1/resources/notebook:{id}"), patch));
    routes
}

/// Sends one text in every slot that a route reads, and in pairs of them.
fn send(client: Client, method: &str, target: &str, body: Option<&Value>, text: &str) {
    let mark = if target.contains('?') { '&' } else { '?' };
    let percent: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let (bearer, x) = (format!("Authorization: Bearer {text}"), format!("X-API-Key: {text}"));
    let heads: Vec<Vec<String>> = vec![
        vec![bearer.clone()],
        vec![format!("authorization: APIKEY {text}")],
        vec![format!("Authorization: {}", basic(text))],
        vec![format!("Authorization: {}", basic(&format!("{text}:password")))],
        vec![format!("Authorization: {}", basic(text).replace('=', "").replace("Basic ", "Basic ="))],
        vec![format!("Authorization: Token {text}")],
        vec![format!("Authorization: {text}")],
        vec![x.clone()],
        vec![bearer.clone(), x.clone()],
        vec![bearer.clone(), bearer.clone()],
        vec![x.clone(), x.clone()],
        vec![bearer, "X-API-Key: sk_somethingelsealtogether00000000000".to_owned()],
    ];
    for head in heads {
        raw(client, method, target, &head, body);
    }
    // The address of a request is ASCII without spaces; and only reading takes a key from it.
    if matches!(method, "GET" | "HEAD") {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        for value in [plain.then(|| text.to_owned()), Some(percent)].into_iter().flatten() {
            raw(client, method, &format!("{target}{mark}api_key={value}"), &[], body);
            raw(client, method, &format!("{target}{mark}api%5Fkey={value}"), &[], body);
            raw(client, method, &format!("{target}{mark}api_key={value}&api_key={value}"), &[], body);
        }
    }
}

fn raw(client: Client, method: &str, target: &str, head: &[String], body: Option<&Value>) {
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", client.address());
    for line in head {
        text.push_str(line);
        text.push_str("\r\n");
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    // Refused or not, and however: what matters is what is left behind. But it has to be an answer.
    let answer =
        client.raw(text.as_bytes()).unwrap_or_else(|error| panic!("{method} {target} {head:?}: {error}"));
    assert!(answer.status < 500, "{method} {target} {head:?}: {}", answer.text());
}

/// Where people put a key by mistake, or a program on purpose: parameters and bodies that are read.
fn send_elsewhere(demo: &Demo, text: &str) {
    let (api, gateway, operator) = (demo.api(), demo.gateway(), demo.operator());
    let post = |target: &str, body: Value| {
        let answer = api.post(target, &body).bearer(operator).send();
        assert!(answer.status < 500, "{target} {}", answer.text());
    };
    post("/v1/verify", json!({"key": text, "explain": true}));
    post("/v1/verify", json!({"key": text, "action": "notebook:read", "target": "notebook:x", "version": 1}));
    post("/v1/verify", json!({"key": text, "action": text, "target": text, "context": text}));
    post("/v1/verify", json!({"keys": [text]}));
    post("/v1/verify", json!({"key": [text]}));
    post("/v1/verify/batch", json!({"requests": [{"key": text}, {"key": text, "ip": text}]}));
    post("/v1/keys", json!({"name": "x", "subject": text}));
    post("/v1/keys", json!({"name": "x", "subject": "operator", "scopes": [text], "format": text}));
    post("/v1/keys", json!({text: text}));
    let path: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for target in [format!("/v1/keys/{path}"), format!("/v1/resources/{path}"), format!("/{path}")] {
        let _ = api.get(&target).bearer(operator).send();
        let _ = api.request("DELETE", &target).bearer(operator).send();
        let _ = gateway.get(&target).send();
    }
    for target in [format!("/d/{path}.js"), format!("/embed/{path}"), format!("/api/v1/samples/{path}")] {
        let _ = gateway.get(&target).send();
        let _ = gateway.get(&target).bearer(demo.key("owner_account")).send();
    }
    for (proxy, name) in [("nginx", "X-Original-URI"), ("caddy", "X-Forwarded-Uri")] {
        let asked = format!("/d/x.js?api_key={path}");
        let request = gateway.get(&format!("/forward-auth/{proxy}")).header("X-Original-Method", "GET");
        let _ = request.header("X-Forwarded-Method", "GET").header(name, &asked).send();
    }
    let _ = api.get(&format!("/v1/keys?subject={path}&cursor={path}&status={path}")).bearer(operator).send();
    let _ = api.get(&format!("/v1/history?cursor={path}&target={path}")).bearer(operator).send();
}

#[test]
fn a_key_comes_out_nowhere() {
    let (data, records) = (folder(), folder());
    let file = records.path().join("record");
    let record = file.to_str().unwrap();
    let mut demo = Demo::start_with(PROGRAM, data.path(), &["--log", "trace", "--record", record]);
    let account = format!("account:{}", demo.text("/accounts/owner/id"));
    let scopes = json!(["*:*", "key:*", "account:*", "team:*", "project:*", "resource:*", "history:*"]);
    let canary = Canary::create(&demo, &account, scopes);
    for text in canary.damaged() {
        for (client, method, target, body) in routes(&demo, &canary) {
            send(client, method, &target, body.as_ref(), &text);
        }
        send_elsewhere(&demo, &text);
    }
    // It is still good: what was looked for was a key that works, all the time.
    demo.api().get("/v1/whoami").bearer(&canary.text).send().expect(200);
    // Whoever finds it reports it, with the address in which it stood.
    let found = format!("https://example.org/page?api_key={}", canary.text);
    let report = json!({"leaks": [{"key": canary.text, "url": found, "source": canary.text}]});
    demo.api().post("/v1/leaks", &report).send().expect(200);
    demo.api().get("/v1/whoami").bearer(&canary.text).send().expect(401);

    canary.look("/metrics", &demo.admin().get("/metrics").send().expect(200).body);
    let mut cursor = String::new();
    loop {
        let target = format!("/v1/history?limit=200{cursor}");
        let page = demo.api().get(&target).bearer(demo.operator()).send().expect(200);
        canary.look("the history", &page.body);
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let (status, _) = demo.process.terminate();
    assert_eq!(status.code(), Some(0));
    let log = demo.process.err();
    let lines = |word: &str| log.lines().filter(|line| line.contains(word)).count();
    assert!(lines("gateway") > 1_000 && lines("api") > 1_000, "the log is at its most talkative");
    canary.look("the log", log.as_bytes());
    assert!(std::fs::metadata(&file).unwrap().len() > 0, "something reached the application");
    canary.look("what reached the application", &std::fs::read(&file).unwrap());
    look_into_files(&canary, data.path());
}

#[test]
fn the_search_finds_each_form() {
    let text = "sk_Zr8mQ2vN4kLx7TpBw3Yc6HdJf9GsAe1D5uXoRi".to_owned();
    let canary = Canary { id: String::new(), text };
    let check = |written: String, expect: bool| {
        let looked = std::panic::catch_unwind(|| canary.look("here", written.as_bytes()));
        assert_eq!(looked.is_err(), expect, "{written}");
    };
    let key = &canary.text;
    check(format!("request GET /d/x.js?api_key={key} HTTP/1.1"), true);
    check(format!("…{}…", &key[5..30]), true);
    check(key.to_lowercase(), true);
    for before in ["", "a", "ab", "abc"] {
        check(basic(&format!("{before}{key}")), true);
    }
    check(key.bytes().map(|byte| format!("%{byte:02X}")).collect(), true);
    check(key.bytes().map(|byte| format!("{byte:02x}")).collect(), true);
    check(format!("{:?}", key.as_bytes()), true);
    check(format!("its preview is sk_...{}", &key[key.len() - 4..]), false);
}

/// Every file that the program leaves behind, but for the two that hold keys by design.
fn look_into_files(canary: &Canary, folder: &Path) {
    let mut files = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            look_into_files(canary, &path);
        } else if !matches!(name.as_str(), "demo.json" | "operator-key") {
            canary.look(&name, &std::fs::read(&path).unwrap());
            files += 1;
        }
    }
    assert!(files >= 2, "the database and the keyring, at least");
}
