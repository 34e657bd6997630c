//! Every limit of the API is reached: as much as there may be is taken, and one more is refused, with an
//! answer that says so, and has written nothing.

use axum::body::Body;
use base64::Engine;
use http::Request;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::{Value, json};

use crate::app::{Answer, OPERATOR, TestApp};
use crate::world::World;

const KIB: usize = 1024;

/// A body that is taken and one that is not, of the same request.
struct Limit {
    what: &'static str,
    method: &'static str,
    path: String,
    most: Value,
    more: Value,
}

fn limit(
    what: &'static str,
    method: &'static str,
    path: &str,
    body: impl Fn(usize) -> Value,
    most: usize,
) -> Limit {
    Limit { what, method, path: path.to_owned(), most: body(most), more: body(most + 1) }
}

fn x(count: usize) -> String {
    "x".repeat(count)
}

fn of_keys(w: &World) -> Vec<Limit> {
    let key = |field: &'static str, value: Value| {
        let mut key = json!({"name": "n", "subject": format!("account:{}", w.ada), "scopes": []});
        key[field] = value;
        key
    };
    let of = |what, field: &'static str, value: &dyn Fn(usize) -> Value, most| {
        limit(what, "POST", "/v1/keys", |n| key(field, value(n)), most)
    };
    let restricted = |name: &'static str, value: Value| json!({name: value});
    let block = |n: usize| format!("192.0.2.{}/32", n % 256);
    let origin = |n: usize| format!("https://{n}.example");
    let long_origin = |n: usize| format!("https://{}z", &"abcdefgh.".repeat(n)[..n - 9]);
    let listed = |n: usize, one: &dyn Fn(usize) -> String| json!((0..n).map(one).collect::<Vec<_>>());
    let pairs = |n: usize| (0..n).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>();
    vec![
        of("characters of a name", "name", &|n| json!("é".repeat(n)), 128),
        of("scopes", "scopes", &|n| listed(n, &|n| format!("t{n}:read")), 64),
        of("bytes of a side of a scope", "scopes", &|n| json!([format!("{}:read", x(n))]), 32),
        of("address blocks", "restrictions", &|n| restricted("addresses", listed(n, &block)), 64),
        of("origins", "restrictions", &|n| restricted("origins", listed(n, &|n| origin(n + 1))), 64),
        of("bytes of an origin", "restrictions", &|n| restricted("origins", json!([long_origin(n)])), 300),
        of(
            "seconds of a rate",
            "restrictions",
            &|n| restricted("rate", json!({"limit": 1, "period_seconds": n})),
            31 * 86_400,
        ),
        of("pairs of metadata", "metadata", &|n| json!(pairs(n)), 16),
        of("bytes of the name of metadata", "metadata", &|n| json!({x(n): "v"}), 64),
        of("bytes of the value of metadata", "metadata", &|n| json!({"n": x(n)}), 512),
        limit(
            "seconds of an overlap",
            "POST",
            &format!("/v1/keys/{}/rotate", w.ada_narrow.id),
            |n| json!({"overlap_seconds": n}),
            92 * 86_400,
        ),
    ]
}

fn of_subjects() -> Vec<Limit> {
    let of = |what, body: &dyn Fn(usize) -> Value, most| limit(what, "POST", "/v1/accounts", body, most);
    vec![
        of("characters of an external id", &|n| json!({"external_id": "é".repeat(n)}), 128),
        of(
            "characters of a password",
            &|n| json!({"email": "a@example.org", "password": "é".repeat(n)}),
            256,
        ),
        of("characters of an account's name", &|n| json!({"external_id": "n", "name": x(n)}), 128),
        limit("characters of a team's name", "POST", "/v1/teams", |n| json!({"name": x(n)}), 128),
    ]
}

fn of_resources(w: &World) -> Vec<Limit> {
    let resource = |latest: usize, versions: Value| json!({"owner": format!("account:{}", w.ada), "visibility": "private", "latest_version": latest, "versions": versions});
    let one = |field: &'static str, names: Vec<String>| resource(1, json!([{"version": 1, field: names}]));
    let names = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>();
    let of =
        |what, body: &dyn Fn(usize) -> Value, most| limit(what, "PUT", "/v1/resources/page:x", body, most);
    let versions = |n: usize| (1..=n).map(|n| json!({"version": n, "secrets": ["s"]})).collect::<Vec<_>>();
    vec![
        of("versions with references", &|n| resource(n, json!(versions(n))), 10_000),
        of("secrets of a version", &|n| one("secrets", names(n)), 64),
        of("databases of a version", &|n| one("databases", names(n)), 64),
        of("bytes of the name of a secret", &|n| one("secrets", vec![x(n)]), 128),
    ]
}

fn of_batches(w: &World) -> Vec<Limit> {
    let repeated = |name: &'static str, one: Value| move |n: usize| json!({name: vec![one.clone(); n]});
    let question = repeated("requests", json!({"key": "sk_x"}));
    let row = json!({"key": "x", "name": "n", "subject": format!("account:{}", w.ada)});
    let entry = |detail: String| json!({"target": "page:x", "action": "run:create", "detail": detail});
    let ids = |n: usize| json!({"ids": (0..n).map(|n| format!("key_{n:026}")).collect::<Vec<_>>()});
    let mut revoke = limit("keys to revoke", "POST", "/v1/keys/revoke", ids, 1_000);
    // None of those exists: as many as there may be are looked for.
    revoke.most = json!({"ids": vec![w.ada_narrow.id.clone(); 1_000]});
    vec![
        limit("questions of a batch", "POST", "/v1/verify/batch", question, 1_000),
        limit("rows of an import at once", "POST", "/v1/keys/import", repeated("rows", row), 1_000),
        limit("rows of a report", "POST", "/v1/history", repeated("entries", entry(String::new())), 1_000),
        limit(
            "characters of a detail",
            "POST",
            "/v1/history",
            |n| json!({"entries": [entry("é".repeat(n))]}),
            512,
        ),
        revoke,
    ]
}

#[tokio::test]
async fn one_more_is_refused() {
    let w = World::new().await;
    let limits = [of_keys(&w), of_subjects(), of_resources(&w), of_batches(&w)].into_iter().flatten();
    for limit in limits {
        let before = w.app.sequence().await;
        let ask = async |body: &Value| {
            w.app.call(limit.method, &limit.path, Some(OPERATOR), Some(body.clone())).await
        };
        let more = ask(&limit.more).await;
        assert_eq!(more.status, 400, "{}: {:.200}", limit.what, more.text());
        assert_eq!(more.json()["code"], "invalid_request", "{}", limit.what);
        assert_eq!(w.app.sequence().await, before, "{}", limit.what);
        let most = ask(&limit.most).await;
        assert!(most.status.is_success(), "{}: {:.200}", limit.what, most.text());
    }
    // The least there has to be of a password.
    let account = |password: &str| json!({"email": "b@example.org", "password": password});
    w.app.post(OPERATOR, "/v1/accounts", account("1234567")).await.refused(400, "invalid_request");
    w.app.post(OPERATOR, "/v1/accounts", account("12345678")).await.ok(201);
}

/// What stands in a path is too long to name anything.
#[tokio::test]
async fn identifiers_of_resources() {
    let w = World::new().await;
    let body = json!({"owner": format!("account:{}", w.ada), "visibility": "private", "latest_version": 1, "versions": []});
    let put =
        async |n: usize| w.app.put(OPERATOR, &format!("/v1/resources/page:{}", x(n)), body.clone()).await;
    put(129).await.refused(400, "invalid_request");
    put(128).await.ok(201);
}

/// A body of exactly so many bytes: what is lacking is white space at its end.
async fn sized(w: &World, method: &str, path: &str, body: &Value, bytes: usize) -> Answer {
    let mut text = body.to_string();
    assert!(text.len() <= bytes);
    text.push_str(&" ".repeat(bytes - text.len()));
    let request = Request::builder().method(method).uri(path).header("x-api-key", OPERATOR);
    w.app.send(request.header("content-type", "application/json").body(Body::from(text)).unwrap()).await
}

#[tokio::test]
async fn bodies() {
    let w = World::new().await;
    let owner = format!("account:{}", w.ada);
    let resource = json!({"owner": owner, "visibility": "private", "latest_version": 1, "versions": []});
    let key = json!({"name": "n", "subject": owner, "scopes": []});
    let import = format!(
        "/v1/keys/imports/{}/rows",
        w.app.post(OPERATOR, "/v1/keys/imports", json!({})).await.ok(201)["id"].as_str().unwrap()
    );
    let routes = [
        ("POST", "/v1/keys", key, 256 * KIB),
        ("POST", "/v1/teams", json!({"name": "n"}), 256 * KIB),
        ("POST", "/v1/leaks", json!({"leaks": []}), 256 * KIB),
        ("PUT", "/v1/resources/page:x", resource, 2 * KIB * KIB),
        ("POST", "/v1/verify/batch", json!({"requests": []}), KIB * KIB),
        ("POST", "/v1/history", json!({"entries": []}), KIB * KIB),
        ("POST", &import, json!({"rows": []}), 8 * KIB * KIB),
    ];
    for (method, path, body, most) in routes {
        let before = w.app.sequence().await;
        let more = sized(&w, method, path, &body, most + 1).await;
        assert_eq!(more.status, 413, "{path}: {}", more.text());
        assert_eq!(more.json()["code"], "too_large", "{path}");
        assert_eq!(w.app.sequence().await, before, "{path}");
        let most = sized(&w, method, path, &body, most).await;
        assert!(most.status.is_success(), "{path}: {}", most.text());
    }
}

#[tokio::test]
async fn reports_of_leaks() {
    let app = TestApp::start().await;
    let report = async |n: usize| {
        let leaks = vec![json!({"key": "sk_x", "source": "s", "url": "https://example.org/"}); n];
        app.call("POST", "/v1/leaks", None, Some(json!({"leaks": leaks}))).await
    };
    report(1_001).await.refused(413, "too_large");
    assert_eq!(report(1_000).await.ok(200)["outcomes"].as_array().unwrap().len(), 1_000);
}

/// What a finder says of itself and of the place is cut, so that it fits a line of the history.
#[tokio::test]
async fn what_a_finder_says_is_cut() {
    let w = World::new().await;
    let leak = json!({"key": w.pinned.secret, "source": x(65), "url": "y".repeat(501)});
    w.app.call("POST", "/v1/leaks", None, Some(json!({"leaks": [leak]}))).await.ok(200);
    let rows = w.app.get(OPERATOR, "/v1/history?action=key:leaked").await.ok(200);
    let detail = rows["items"][0]["detail"].as_str().unwrap().to_owned();
    let expect =
        format!("unconfirmed report; source, as stated: {}; place, as stated: {}", x(64), "y".repeat(500));
    assert_eq!(detail, expect);
}

#[tokio::test]
async fn reports_of_githubs() {
    let signer = SigningKey::from_slice(&[7; 32]).unwrap();
    let pem = p256::PublicKey::from(signer.verifying_key()).to_public_key_pem(LineEnding::LF).unwrap();
    let key = claviger_http::api::GithubKey::new("one", &pem).unwrap();
    let app = TestApp::with(|edge| edge.github_keys = vec![key]).await;
    let send = async |identifier: &str, body: String| {
        let signature: Signature = signer.sign(body.as_bytes());
        let signature = base64::engine::general_purpose::STANDARD.encode(signature.to_der());
        let request = Request::post("/v1/leaks").header("github-public-key-identifier", identifier);
        let request = request.header("github-public-key-signature", signature);
        app.send(request.body(Body::from(body)).unwrap()).await
    };
    let url =
        format!("https://github.com/owner/repository/blob/{}/src/settings.py", "0123456789abcdef".repeat(3));
    let found =
        json!({"token": format!("sk_{}", x(38)), "type": "claviger_key", "url": url, "source": "content"});
    let report = |n: usize| json!(vec![found.clone(); n]).to_string();
    send("one", report(10_001)).await.refused(413, "too_large");
    assert_eq!(send("one", report(10_000)).await.ok(200).as_array().unwrap().len(), 10_000);
    // Whoever is not GitHub sends no more than everybody.
    send("two", report(10_000)).await.refused(413, "too_large");
    send("two", report(10)).await.refused(400, "invalid_signature");
    let mut large = report(1);
    large.push_str(&" ".repeat(4_000_000));
    send("one", large).await.refused(413, "too_large");
}
