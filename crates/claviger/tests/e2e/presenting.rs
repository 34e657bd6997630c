//! Every way of presenting a key, and every way of getting it wrong.

use claviger_testkit::{Answer, Client, Demo, basic, folder};

use crate::{PROGRAM, record};

/// The head of a request, header by header as it stands.
fn ask(client: Client, target: &str, headers: &[String]) -> Answer {
    let address = client.address();
    let mut text = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    client.raw(text.as_bytes()).unwrap()
}

/// What is sent, and what it comes to: a status and, for problems, a code.
struct Case {
    headers: Vec<String>,
    query: String,
    expect: (u16, &'static str),
}

const FINE: (u16, &str) = (200, "");
const AMBIGUOUS: (u16, &str) = (400, "ambiguous_credentials");
const MALFORMED: (u16, &str) = (400, "malformed_credentials");

fn case<const N: usize>(headers: [String; N], query: String, expect: (u16, &'static str)) -> Case {
    Case { headers: headers.into(), query, expect }
}

fn none() -> String {
    String::new()
}

fn accepted(key: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "ApiKey", "apikey", "APIKEY"] {
        for name in ["Authorization", "authorization", "AUTHORIZATION"] {
            cases.push(case([format!("{name}: {scheme} {key}")], none(), FINE));
        }
    }
    cases.push(case([format!("Authorization: Bearer   {key}\t ")], none(), FINE));
    let encoded = basic(key);
    cases.push(case([format!("Authorization: {encoded}")], none(), FINE));
    cases.push(case([format!("authorization: {}", encoded.replace("Basic", "bASIC"))], none(), FINE));
    cases.push(case([format!("Authorization: {}", encoded.trim_end_matches('='))], none(), FINE));
    for name in ["X-API-Key", "x-api-key", "X-Api-Key"] {
        cases.push(case([format!("{name}: {key}")], none(), FINE));
    }
    cases.push(case([], format!("?api_key={key}"), FINE));
    cases.push(case([], format!("?v=3&api_key={key}&x=1"), FINE));
    cases.push(case([], format!("?api%5Fkey={}", percent(key)), FINE));
    // The same key in two places is one credential.
    cases.push(case([format!("Authorization: Bearer {key}"), format!("X-API-Key: {key}")], none(), FINE));
    cases.push(case([format!("Authorization: {encoded}")], format!("?api_key={key}"), FINE));
    cases
}

fn refused(key: &str, other: &str) -> Vec<Case> {
    let bearer = || format!("Authorization: Bearer {key}");
    let x_api_key = || format!("X-API-Key: {key}");
    let authorization = |value: &str| case([format!("Authorization: {value}")], none(), MALFORMED);
    vec![
        case([bearer(), format!("X-API-Key: {other}")], none(), AMBIGUOUS),
        case([bearer()], format!("?api_key={other}"), AMBIGUOUS),
        case([x_api_key()], format!("?api_key={other}"), AMBIGUOUS),
        case([bearer(), bearer()], none(), AMBIGUOUS),
        case([bearer(), format!("authorization: {}", basic(key))], none(), AMBIGUOUS),
        case([x_api_key(), x_api_key()], none(), AMBIGUOUS),
        case([], format!("?api_key={key}&api_key={key}"), AMBIGUOUS),
        case([], format!("?api_key={key}&api%5fkey={other}"), AMBIGUOUS),
        authorization("Bearer"),
        authorization("Bearer "),
        authorization(""),
        authorization(key),
        authorization(&format!("Token {key}")),
        authorization(&format!("Bearer {key} {key}")),
        authorization(&format!("Bearer {key},")),
        authorization(&format!("Bearer \"{key}\"")),
        authorization(&format!("Bearer {key}\u{e9}")),
        authorization(&format!("Bearer {}", "x".repeat(2000))),
        authorization("Basic"),
        authorization("Basic !!!"),
        authorization(&basic(key).replace("Basic ", "Basic  =")),
        authorization(&basic(&format!("{key}:password"))),
        authorization(&basic("").replace(' ', "  ")),
        case(["X-API-Key:".to_owned()], none(), MALFORMED),
        case(["X-API-Key: short".to_owned()], none(), MALFORMED),
        case([format!("X-API-Key: {key}, {key}")], none(), MALFORMED),
        case([], "?api_key=".to_owned(), MALFORMED),
        case([], "?api_key".to_owned(), MALFORMED),
        case([], "?api_key=%ff%fe".to_owned(), MALFORMED),
        case([], format!("?api_key={key}%00"), MALFORMED),
        case([], format!("?api_key={key}%20"), MALFORMED),
        // One that can be read does not make up for one that cannot.
        case([bearer(), "X-API-Key:".to_owned()], none(), MALFORMED),
        case([bearer()], "?api_key=".to_owned(), MALFORMED),
    ]
}

/// Every byte percent-encoded.
fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn check(client: Client, path: &str, cases: &[Case]) {
    for Case { headers, query, expect } in cases {
        let target = format!("{path}{query}");
        let answer = ask(client, &target, headers);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            *expect,
            "{target} {headers:?} {}",
            answer.text()
        );
        if answer.status != 200 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.json()["status"], answer.status);
            assert_eq!(answer.json()["message"], answer.json()["detail"]);
        }
        assert_eq!(answer.joined("cache-control"), "no-store", "{target} {headers:?}");
        assert!(answer.header("x-request-id").is_some());
        if !query.is_empty() {
            assert_eq!(answer.joined("referrer-policy"), "no-referrer", "{target}");
        }
    }
}

#[test]
fn every_way_of_presenting_a_key_and_of_getting_it_wrong() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let (key, other) = (demo.key("owner_account"), demo.key("member_account"));
    let private = format!("/d/{}.js", demo.resource("private_notebook"));
    let public = format!("/d/{}.js", demo.resource("public_notebook"));
    let (gateway, api) = (demo.gateway(), demo.api());
    // A route that needs a credential, two that let anonymous callers read, and the API itself.
    for (client, path) in [(gateway, "/api/v1/account"), (gateway, &*private), (api, "/v1/whoami")] {
        check(client, path, &accepted(key));
        check(client, path, &accepted(demo.key("thirty_two")));
        check(client, path, &refused(key, other));
    }
    // What cannot be read is never taken for none, nor is a key that is not valid.
    check(gateway, &public, &refused(key, other));
    challenges(gateway, api, &public, &demo);
}

fn challenges(gateway: Client, api: Client, public: &str, demo: &Demo) {
    for (client, path) in [(gateway, "/api/v1/account"), (api, "/v1/whoami")] {
        let answer = ask(client, path, &[]);
        assert_eq!((answer.status, answer.code().as_str()), (401, "credentials_required"));
        let challenge = answer.joined("www-authenticate");
        assert!(
            ["Bearer ", "ApiKey ", "Basic "].iter().all(|scheme| challenge.contains(scheme)),
            "{challenge}"
        );
        assert!(!challenge.contains("error="), "{challenge}");
    }
    for (name, code) in [("expired", "key_expired"), ("disabled", "key_disabled")] {
        for (client, path) in [(gateway, "/api/v1/account"), (gateway, public), (api, "/v1/whoami")] {
            let answer = ask(client, path, &[format!("X-API-Key: {}", demo.key(name))]);
            assert_eq!((answer.status, answer.code().as_str()), (401, code), "{path}");
            assert!(answer.joined("www-authenticate").contains("error=\"invalid_token\""));
        }
    }
    // Long enough and of the right letters, but no key: all alike.
    let nobodys =
        ["x".repeat(32), "sk_".to_owned() + &"x".repeat(38), format!("{}x", demo.key("owner_account"))];
    let answers =
        nobodys.map(|text| ask(gateway, public, &[format!("Authorization: Bearer {text}")]).timeless());
    assert_eq!((answers[0].status, answers[0].code().as_str()), (401, "invalid_key"));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn what_carried_the_key_goes_no_further() {
    let (data, records) = (folder(), folder());
    let file = records.path().join("record");
    let demo = Demo::start_with(PROGRAM, data.path(), &["--record", file.to_str().unwrap()]);
    let (key, id) = (demo.key("owner_account"), demo.resource("private_notebook"));
    let check = |query: String, headers: &[String], expect: &str| {
        let before = record::read(&file).len();
        let answer = ask(demo.gateway(), &format!("/d/{id}@2.js{query}"), headers);
        assert_eq!(answer.status, 200, "{query} {}", answer.text());
        let records = record::read(&file);
        assert_eq!(records.len(), before + 1);
        let seen = records.last().unwrap();
        assert_eq!(seen.target, format!("/d/{id}@2.js{expect}"), "{query}");
        assert_eq!((seen.header("authorization"), seen.header("x-api-key")), (None, None));
        assert_eq!(seen.header("x-claviger-version"), Some("2"));
    };
    check(format!("?api_key={key}"), &[], "");
    check(format!("?api_key={key}&v=3"), &[], "?v=3");
    check(format!("?v=3&api_key={key}"), &[], "?v=3");
    check(format!("?v=3&%61pi_key={}&cells=a%20b,c&&=", percent(key)), &[], "?v=3&cells=a%20b,c&&=");
    check("?v=3".to_owned(), &[format!("Authorization: Bearer {key}")], "?v=3");
    check("?v=3".to_owned(), &[format!("Authorization: {}", basic(key))], "?v=3");
    check(
        format!("?api_key={key}"),
        &[format!("X-API-Key: {key}"), format!("Authorization: ApiKey {key}")],
        "",
    );

    // Without a version the upstream is told which one it is.
    ask(demo.gateway(), &format!("/d/{id}.js"), &[format!("X-API-Key: {key}")]).expect(200);
    let records = record::read(&file);
    let seen = records.last().unwrap();
    let resource = format!("notebook:{id}");
    assert_eq!(seen.header("x-claviger-resource"), Some(resource.as_str()));
    assert_eq!(seen.header("x-claviger-version"), Some("3"));

    // A route that reads no credentials leaves the application its own.
    let own = ["Authorization: Custom own".to_owned(), "X-API-Key: own".to_owned()];
    ask(demo.gateway(), "/", &own).expect(200);
    let records = record::read(&file);
    let seen = records.last().unwrap();
    assert_eq!((seen.header("authorization"), seen.header("x-api-key")), (Some("Custom own"), Some("own")));

    // Refused by us: the application is not asked.
    let before = record::read(&file).len();
    ask(demo.gateway(), &format!("/d/{id}.js"), &[]).expect(404);
    ask(demo.gateway(), "/api/v1/account", &[]).expect(401);
    ask(demo.gateway(), &format!("/d/{id}.js"), &["X-API-Key: short".to_owned()]).expect(400);
    assert_eq!(record::read(&file).len(), before);
}
