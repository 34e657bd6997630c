//! What a client could use to have another request served than the one that was decided about, or to speak for
//! Claviger: bodies in HTTP/2, other protocols, `Connection`, and each name that the gateway removes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use claviger_testkit::Answer;
use serde_json::Value;

use super::Front;
use crate::guarded::Guarded;

/// The names that the gateway removes are read from where it has them, so that no configuration falls behind.
const GATEWAY: &str = include_str!("../../../../../crates/http/src/gate/proxy/headers.rs");

/// Below the number of fields that any of the proxies takes.
const AT_ONCE: usize = 12;

/// The first is the proxy's name.
pub(super) fn check(proxy: &str, front: &Front, guarded: &Guarded) {
    a_body_that_comes_unannounced_does_not_pass(front, guarded);
    only_a_websocket_is_an_upgrade(front);
    connection_takes_nothing_away(front, guarded);
    no_name_passes_that_the_gateway_removes(proxy, front);
    no_credential_passes(front, guarded);
    trailers_are_not_identity(proxy, front, guarded);
    one_target_and_one_host_are_passed_on(front);
    the_application_does_not_speak_for_claviger(front, guarded);
}

fn names() -> Vec<String> {
    let (_, list) = GATEWAY.split_once("const OVERRIDES: ").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let known = list.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    let known: Vec<String> = known.map(str::to_owned).collect();
    assert!(known.len() > 80, "{known:?}");
    known
}

/// An answer of an application that was not given `evil`.
fn harmless(answer: Answer) -> Value {
    let answer = answer.expect(200);
    assert!(!answer.text().contains("evil"), "{}", answer.text());
    answer.json()
}

/// Sends a body of a length that is not said, over HTTP/2, and answers with the status and what came back. A proxy
/// resets a stream that it has refused, and if that comes with the answer, `curl` shows neither: it asks again then.
fn unannounced(front: &Front, method: &str, path: &str, key: &str, body: &str) -> (String, String) {
    for _ in 0..20 {
        let mut command = Command::new("curl");
        command.args(["-s", "--http2", "-w", "\n%{http_version} %{http_code}", "-X", method, "-T", "-"]);
        command.arg("--cacert").arg(&front.trusted).args(["-H", &format!("X-API-Key: {key}")]);
        command.arg(format!("https://127.0.0.1:{}{path}", front.port));
        let mut curl = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // A refusal may come before all was read.
        let _ = curl.stdin.take().unwrap().write_all(body.as_bytes());
        let output = curl.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, end) = text.rsplit_once('\n').unwrap();
        match end.strip_prefix("2 ") {
            Some(status) => return (status.to_owned(), body.to_owned()),
            None => assert_eq!((end, body), ("0 000", ""), "not HTTP/2"),
        }
    }
    panic!("{method} {path}: no answer");
}

fn a_body_that_comes_unannounced_does_not_pass(front: &Front, guarded: &Guarded) {
    let next = "DELETE /api/admin/x HTTP/1.1\r\nHost: x\r\nX-Claviger-Account: evil\r\n\r\n";
    for (method, path, sent) in [
        ("GET", "/free/x", next),
        ("GET", "/api/x", next),
        ("HEAD", "/free/x", next),
        ("GET", "/free/x", "1"),
    ] {
        let (status, body) = unannounced(front, method, path, guarded.secret(), sent);
        if status == "200" && method == "GET" {
            let seen: Value = serde_json::from_str(&body).unwrap();
            let headers = &seen["headers"];
            assert_eq!((&seen["bytes"], headers.get("transfer-encoding")), (&Value::from(0), None), "{body}");
            let length = headers.get("content-length").and_then(Value::as_str);
            assert!(matches!(length, None | Some("0")), "{body}");
        } else {
            assert!(matches!(&*status, "200" | "400" | "413"), "{method} {path}: {status} {body}");
        }
    }
    // Where there may be a body it arrives, and a request without one is served.
    let (status, body) = unannounced(front, "POST", "/api/x", guarded.secret(), next);
    assert_eq!(status, "200", "{body}");
    let seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&seen["method"], &seen["bytes"]), (&"POST".into(), &Value::from(next.len())), "{body}");
    let mut plain = Command::new("curl");
    plain.args(["-s", "--http2", "-w", "\n%{http_version} %{http_code}", "--cacert"]).arg(&front.trusted);
    let plain = plain.arg(format!("https://127.0.0.1:{}/free/x", front.port)).output().unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap();
    assert!(plain.ends_with("\n2 200"), "{plain}");
}

fn only_a_websocket_is_an_upgrade(front: &Front) {
    for protocol in ["h2c", "evil", "websocket2", "websocket, h2c"] {
        let request = format!(
            "GET /free/x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
             Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        );
        let answer = front.client.raw(request.as_bytes()).unwrap();
        assert!(matches!(answer.status, 200 | 400), "{protocol}: {answer:?}");
        if answer.status == 200 {
            let seen = answer.json();
            assert_eq!(
                (&seen["url"], seen["headers"].get("upgrade")),
                (&"/free/x".into(), None),
                "{protocol}"
            );
        }
    }
}

fn connection_takes_nothing_away(front: &Front, guarded: &Guarded) {
    let named =
        "close, X-Claviger-Account, X-Claviger-Subject, X-Claviger-Scopes, X-Forwarded-For, Authorization";
    let request = format!(
        "GET /d/n1.js HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nConnection: {named}\r\n\r\n",
        guarded.secret()
    );
    let seen = front.client.raw(request.as_bytes()).unwrap().expect(200).json();
    let header = |name: &str| seen["headers"][name].as_str().unwrap_or_default();
    assert_eq!(format!("account:{}", header("x-claviger-account")), guarded.account, "{seen}");
    assert_eq!(header("x-claviger-subject"), guarded.account, "{seen}");
    assert!(!header("x-claviger-scopes").is_empty() && !header("x-forwarded-for").is_empty(), "{seen}");
    assert!(!header("connection").to_ascii_lowercase().contains("claviger"), "{seen}");
    // Nor does a client rid itself of a credential, to be taken for nobody.
    let request = format!(
        "GET /free/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {}\r\nConnection: close, X-API-Key\r\n\r\n",
        guarded.secret()
    );
    let seen = front.client.raw(request.as_bytes()).unwrap().expect(200).json();
    assert_eq!(seen["headers"]["x-claviger-subject"], guarded.account.as_str(), "{seen}");
}

fn no_name_passes_that_the_gateway_removes(proxy: &str, front: &Front) {
    let mut names = names();
    names.extend(["x-forwarded-ssl", "x-forwarded-user", "x-envoy-original-path"].map(str::to_owned));
    names.extend(["x-claviger-status", "x-claviger-origins", "x-claviger-problem"].map(str::to_owned));
    if proxy != "nginx" {
        // nginx cannot remove names by how they begin.
        names.extend(["x-claviger-other", "x-forwarded-other", "x-envoy-other"].map(str::to_owned));
    }
    for names in names.chunks(AT_ONCE) {
        for between in ["-", "_", ".", "~"] {
            if between == "~" && proxy == "Caddy" {
                continue;
            }
            let asked = names.iter().fold(front.client.get("/free/x"), |asked, name| {
                asked.header(&name.replace('-', between), "evil")
            });
            harmless(asked.send());
        }
    }
}

fn no_credential_passes(front: &Front, guarded: &Guarded) {
    let asked = front.client.get("/free/x").header("Proxy-Authorization", "Basic evil");
    let asked = ["X_API_KEY", "x.api.key", "X-Api_Key", "Proxy_Authorization"]
        .iter()
        .fold(asked, |asked, name| asked.header(name, "evil"));
    harmless(asked.send());
    let asked = front.client.get("/d/n1.js").bearer(guarded.secret()).header("X_API_KEY", "evil");
    harmless(asked.send());
}

/// HAProxy passes trailers on, as the guide says; an application has them apart from the headers.
fn trailers_are_not_identity(proxy: &str, front: &Front, guarded: &Guarded) {
    for announced in ["", "Trailer: X-Other\r\n"] {
        let request = format!(
            "POST /api/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {}\r\nConnection: close\r\n{announced}\
             Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Claviger-Account: evil\r\nX-Other: evil\r\n\r\n",
            guarded.secret()
        );
        let seen = front.client.raw(request.as_bytes()).unwrap().expect(200).json();
        assert!(!seen["headers"].to_string().contains("evil"), "{seen}");
        assert_eq!(seen["trailers"].to_string().contains("evil"), proxy == "HAProxy", "{seen}");
    }
}

fn one_target_and_one_host_are_passed_on(front: &Front) {
    let raw = |request: String| front.client.raw(request.as_bytes()).unwrap();
    let absolute = "GET http://127.0.0.1/free/x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let answer = raw(absolute.to_owned());
    if answer.status == 200 {
        assert_eq!(answer.json()["url"], "/free/x", "{}", answer.text());
    } else {
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    for host in ["", "127.0.0.1/x", "127.0.0.1, b.example", "127.0.0.1\r\nHost: b.example", "127.0.0.1"] {
        let answer = raw(format!("GET /free/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        // Caddy answers for a host that it does not serve.
        if answer.status == 200 && !answer.body.is_empty() {
            let seen = answer.json();
            assert_eq!(seen["headers"]["host"], seen["headers"]["x-forwarded-host"], "{host:?}: {seen}");
        } else {
            assert_ne!(host, "127.0.0.1", "{answer:?}");
        }
    }
    let answer = front
        .client
        .raw(b"GET /free/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\0evil\r\nConnection: close\r\n\r\n");
    assert!(answer.as_ref().is_ok_and(|answer| answer.status == 400), "{answer:?}");
}

fn the_application_does_not_speak_for_claviger(front: &Front, guarded: &Guarded) {
    let ours = ("Origin", "https://app.example");
    let free = front.client.get("/free/x").send().expect(200);
    let passed = front.client.get("/d/n1.js").bearer(guarded.secret()).send().expect(200);
    assert_eq!(passed.joined("x-claviger-version"), "7", "{passed:?}");
    let preflight = front.client.request("OPTIONS", "/api/x").header(ours.0, ours.1);
    let preflight = preflight.header("Access-Control-Request-Method", "POST").send().expect(204);
    let refused = front.client.get("/api/x").header(ours.0, ours.1).send().expect(401);
    for answer in [free, passed, preflight, refused] {
        let version = answer.status == 200 && answer.joined("x-claviger-version") == "7";
        let said: Vec<_> = answer.headers.iter().filter(|(name, _)| name.contains("claviger")).collect();
        assert!(said.is_empty() || (version && said.len() == 1), "{answer:?}");
    }
}

/// Traefik is not run here, but its list is complete too. It sets `X-Real-IP` itself.
#[test]
fn the_configuration_for_traefik_clears_each_name() {
    let (_, yaml) = super::GATEWAY.split_once("```yaml\n").unwrap();
    let yaml = yaml.split_once("\n```").unwrap().0.to_ascii_lowercase();
    for name in names().iter().filter(|name| *name != "x-real-ip") {
        assert!(yaml.contains(&format!("\n          {name}: \"\"\n")), "{name}");
    }
}
