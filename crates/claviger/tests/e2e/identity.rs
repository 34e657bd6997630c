//! Identity headers: only the gateway sets them, and it always sets them all.

use claviger_testkit::{Client, Demo, folder};
use serde_json::json;

use crate::{PROGRAM, record};

const IDENTITY: [&str; 8] = [
    "x-claviger-account",
    "x-claviger-grants",
    "x-claviger-key-id",
    "x-claviger-request-id",
    "x-claviger-resource",
    "x-claviger-scopes",
    "x-claviger-subject",
    "x-claviger-version",
];

/// Spellings of one name that some server takes for the same.
fn spellings(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split('-').collect();
    let title = words.iter().map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect::<Vec<_>>();
    vec![
        name.to_owned(),
        name.to_ascii_uppercase(),
        title.join("-"),
        words.join("_"),
        title.join("_"),
        words.join("."),
        name.to_ascii_uppercase().replace('-', "_"),
        // A mixture of all.
        name.replacen('-', "_", 1).replacen('-', ".", 1),
        name.replacen("-", ".", 1),
    ]
}

fn send(client: Client, head: &str, rest: &str) -> u16 {
    let text = format!("{head}\r\nHost: {}\r\nConnection: close\r\n{rest}", client.address());
    client.raw(text.as_bytes()).unwrap().status
}

#[test]
fn forged_identity_never_gets_through() {
    let (data, records) = (folder(), folder());
    let file = records.path().join("record");
    let demo = Demo::start_with(PROGRAM, data.path(), &["--record", file.to_str().unwrap()]);
    let gateway = demo.gateway();
    let key = format!("Authorization: Bearer {}\r\n", demo.key("owner_account"));
    let public = format!("GET /d/{}.js HTTP/1.1", demo.resource("public_notebook"));
    let account = "GET /api/v1/account HTTP/1.1";

    let mut sent = record::read(&file).len();
    let mut check = |head: &str, rest: &str, expect: u16| {
        assert_eq!(send(gateway, head, rest), expect, "{head} {rest}");
        // What is refused by the gateway does not get there at all.
        sent += usize::from(expect < 400);
    };
    let invented = ["x-claviger-role", "x-claviger-jwt", "x-claviger-a"];
    for name in IDENTITY.into_iter().chain(invented) {
        for spelling in spellings(name) {
            check(account, &format!("{key}{spelling}: forged\r\n\r\n"), 200);
            check(&public, &format!("{spelling}: forged\r\n{spelling}: forged\r\n\r\n"), 200);
        }
    }
    // Named in `Connection`, a header would be dropped by a proxy that obeys after it has set its own.
    for name in IDENTITY {
        check(account, &format!("{key}Connection: {name}\r\n\r\n"), 200);
        check(
            account,
            &format!("{key}Connection: close, {}\r\nKeep-Alive: {name}\r\n\r\n", name.to_uppercase()),
            200,
        );
    }
    check("GET / HTTP/1.1", "X-Claviger-Subject: forged\r\nConnection: X-Claviger-Subject\r\n\r\n", 200);
    let runs = format!("POST /api/v1/projects/{}/runs HTTP/1.1", demo.text("/projects/atlas/id"));
    let runner = format!("Authorization: Bearer {}\r\n", demo.key("atlas_project"));
    let chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let body = "11\r\n{\"name\":\"nights\"}\r\n0\r\nX-Claviger-Account: forged\r\nx_claviger_account: forged\r\n\r\n";
    check(&runs, &format!("{runner}{chunked}\r\n{body}"), 201);
    check(&runs, &format!("{runner}{chunked}Trailer: X-Claviger-Account\r\n\r\n{body}"), 400);

    let seen = record::read(&file);
    assert_eq!(seen.len(), sent);
    for request in &seen {
        let mut names: Vec<&str> = request.identity().iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(names, IDENTITY, "each of them once, and no other: {request:?}");
        assert!(request.headers.iter().all(|(_, value)| !value.contains("forged")), "{request:?}");
    }
    what_they_say(&demo, &file);
}

fn what_they_say(demo: &Demo, file: &std::path::Path) {
    let owner = demo.text("/accounts/owner/id");
    let notebook = format!("notebook:{}", demo.resource("private_notebook"));
    let check = |target: &str, key: Option<&str>, expect: &[(&str, &str)]| {
        let request = demo.gateway().get(target);
        let answer = key.iter().fold(request, |request, key| request.bearer(key)).send().expect(200);
        let seen = record::read(file);
        let seen = seen.last().unwrap();
        for (name, value) in expect {
            assert_eq!(seen.header(&format!("x-claviger-{name}")), Some(*value), "{target} {name}");
        }
        assert_eq!(seen.header("x-claviger-request-id"), answer.header("x-request-id"));
        seen.header("x-claviger-key-id").unwrap_or_default().to_owned()
    };
    let path = format!("/d/{}@1.js", demo.resource("private_notebook"));
    let account = format!("account:{owner}");
    let id = check(
        &path,
        Some(demo.key("owner_account")),
        &[
            ("subject", &account),
            ("account", owner),
            ("grants", ""),
            ("resource", &notebook),
            ("version", "1"),
        ],
    );
    assert!(id.starts_with("key_"), "{id}");
    let path = format!("/embed/{}@2", demo.resource("private_notebook"));
    check(
        &path,
        Some(demo.key("pinned_notebook")),
        &[
            ("subject", &notebook),
            ("account", ""),
            ("grants", "secret:WEATHER_TOKEN database:stations"),
            ("resource", &notebook),
            ("version", "2"),
        ],
    );
    let id =
        check("/", None, &[("subject", "anonymous"), ("account", ""), ("resource", ""), ("version", "")]);
    assert_eq!(id, "");
    let team = format!("team:{}", demo.text("/teams/lab/id"));
    check("/api/v1/account", Some(demo.key("lab_team")), &[("subject", &team), ("account", "")]);
    let narrow = json!({"name": "Narrow", "subject": account, "scopes": ["profile:read"]});
    let narrow = demo.api().post("/v1/keys", &narrow).bearer(demo.operator()).send().expect(201).json();
    check("/api/v1/account", narrow["secret"].as_str(), &[("scopes", "profile:read")]);
}
