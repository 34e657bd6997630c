//! `/v1/verify`.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use serde_json::{Value, json};

use crate::app::OPERATOR;
use crate::world::{World, key};

struct Verifier<'w> {
    world: &'w World,
    key: String,
}

impl<'w> Verifier<'w> {
    async fn new(world: &'w World) -> Self {
        let body = json!({"name": "app", "subject": "operator", "scopes": ["key:verify"]});
        Self { world, key: key(&world.app, body).await.secret }
    }

    /// Asks about a key, with these further fields.
    async fn ask(&self, key: &str, more: Value) -> Value {
        let mut body = json!({"key": key});
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        self.world.app.post(&self.key, "/v1/verify", body).await.ok(200)
    }

    #[track_caller]
    fn code(answer: &Value) -> &str {
        let code = answer["code"].as_str().unwrap();
        assert_eq!(answer["valid"], code == "valid");
        code
    }
}

#[tokio::test]
async fn codes() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let (read, write) = ("notebook:read", "notebook:write");
    let account = format!("account:{}", w.ada);
    let project = format!("project:{}", w.atlas);
    let (ada, narrow, lab, atlas) =
        (&w.ada_full.secret, &w.ada_narrow.secret, &w.lab_full.secret, &w.atlas_full.secret);
    let (pinned, open) = (&w.pinned.secret, &w.open.secret);
    let rows: [(&str, Value, &str); 40] = [
        (ada, json!({}), "valid"),
        (narrow, json!({}), "valid"),
        (narrow, json!({"action": read}), "valid"),
        (narrow, json!({"action": write}), "forbidden"),
        (ada, json!({"action": read, "target": "notebook:alpha"}), "valid"),
        (ada, json!({"target": "notebook:alpha"}), "valid"),
        (ada, json!({"action": read, "target": "notebook:alpha", "version": 3}), "valid"),
        (ada, json!({"action": read, "target": "notebook:alpha", "version": 4}), "not_found"),
        (ada, json!({"action": read, "target": "notebook:none"}), "not_found"),
        (narrow, json!({"action": write, "target": "notebook:alpha"}), "forbidden"),
        (ada, json!({"action": read, "target": "notebook:shared"}), "not_found"),
        (ada, json!({"action": read, "target": "notebook:atlas"}), "valid"),
        (ada, json!({"action": read, "target": "notebook:alpha", "context": "embed"}), "not_found"),
        (ada, json!({"action": "run:create", "target": project}), "valid"),
        (ada, json!({"target": account}), "valid"),
        (ada, json!({"target": "operator"}), "forbidden"),
        (lab, json!({"action": read, "target": "notebook:shared"}), "valid"),
        (lab, json!({"action": read, "target": "notebook:unshared"}), "not_found"),
        (lab, json!({"action": read, "target": "notebook:alpha"}), "not_found"),
        (lab, json!({"action": read, "target": "notebook:open"}), "valid"),
        (lab, json!({"action": read, "target": "notebook:open", "version": 1}), "not_found"),
        (lab, json!({"action": write, "target": "notebook:open"}), "forbidden"),
        (atlas, json!({"action": write, "target": "notebook:atlas"}), "valid"),
        (atlas, json!({"action": read, "target": "notebook:alpha"}), "not_found"),
        (pinned, json!({}), "target_required"),
        (pinned, json!({"action": read}), "target_required"),
        (pinned, json!({"action": read, "target": "notebook:alpha", "version": 2}), "valid"),
        (pinned, json!({"action": read, "target": "notebook:alpha", "version": 3}), "forbidden"),
        (pinned, json!({"action": read, "target": "notebook:alpha", "version": 99}), "forbidden"),
        (pinned, json!({"action": read, "target": "notebook:alpha"}), "forbidden"),
        (pinned, json!({"action": read, "target": "notebook:open"}), "not_found"),
        (pinned, json!({"action": write, "target": "notebook:alpha", "version": 2}), "forbidden"),
        (open, json!({"action": read, "target": "notebook:alpha"}), "valid"),
        (open, json!({"target": account}), "not_found"),
        (OPERATOR, json!({}), "valid"),
        (OPERATOR, json!({"action": read, "target": "notebook:alpha"}), "forbidden"),
        (&w.ada_disabled.secret, json!({}), "key_disabled"),
        (&w.ada_expired.secret, json!({"target": "notebook:none"}), "key_expired"),
        ("sk_0000000000000000000000000000000000000", json!({}), "invalid_key"),
        ("", json!({}), "invalid_key"),
    ];
    for (key, more, expect) in rows {
        let answer = v.ask(key, more.clone()).await;
        assert_eq!(Verifier::code(&answer), expect, "{more}: {answer}");
        let told = !answer["key_id"].is_null();
        assert_eq!(told, expect != "invalid_key", "whoever presents a key may hear what it is");
        assert!(answer.get("reasons").is_none());
    }
    for key in ["x", "sk_", &"x".repeat(300), "sk_\u{0}aaaaaaaaaaaaaaaaaaaaaaaa", "ключключключключключ", " "]
    {
        assert_eq!(Verifier::code(&v.ask(key, json!({})).await), "invalid_key", "{key:?}");
    }
}

#[tokio::test]
async fn the_whole_answer() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let question = json!({"action": "notebook:read", "target": "notebook:alpha", "explain": true});
    let answer = v.ask(&w.open.secret, question).await;
    let nothing = json!({"secrets": [], "databases": []});
    let expect = json!({
        "valid": true, "code": "valid", "key_id": w.open.id, "kind": "resource", "subject": "notebook:alpha",
        "scopes": ["*:read"], "expires_at": null, "grants": nothing, "version": 3,
        "reasons": [
            {"code": "key_active", "text": "the key is active and not expired"},
            {"code": "latest", "text": "no version was named; the latest is 3"},
            {"code": "reaches", "text": "the credential reaches the target and may read it"},
            {"code": "scope_covers", "text": "a scope covers the action"},
        ],
    });
    assert_eq!(answer, expect);
    let unknown = v.ask("sk_0000000000000000000000000000000000000", json!({"explain": true})).await;
    let text = "the key is not known: mistyped, deleted, or never issued here";
    let expect = json!({
        "valid": false, "code": "invalid_key", "key_id": null, "kind": null, "subject": null, "scopes": null,
        "expires_at": null, "grants": nothing, "version": null,
        "reasons": [{"code": "key_unknown", "text": text}],
    });
    assert_eq!(unknown, expect);
}

#[tokio::test]
async fn grants_are_carried_into_embeds_only() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let grants = async |key: &str, version: u32, context: &str| {
        let question = json!({
            "action": "notebook:read", "target": "notebook:alpha", "version": version, "context": context,
        });
        let answer = v.ask(key, question).await;
        assert_eq!(Verifier::code(&answer), "valid");
        (answer["grants"]["secrets"].clone(), answer["grants"]["databases"].clone())
    };
    let both = (json!(["token"]), json!(["lake"]));
    assert_eq!(grants(&w.open.secret, 2, "embed").await, both);
    assert_eq!(grants(&w.open.secret, 2, "api").await, (json!([]), json!([])));
    assert_eq!(
        grants(&w.open.secret, 3, "embed").await,
        (json!([]), json!([])),
        "as that version references"
    );
    w.app.patch(OPERATOR, &format!("/v1/keys/{}", w.open.id), json!({"grants": ["databases"]})).await.ok(200);
    assert_eq!(grants(&w.open.secret, 2, "embed").await, (json!([]), json!(["lake"])));
}

#[tokio::test]
async fn restrictions_hold_for_what_the_caller_states() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let subject = format!("account:{}", w.ada);
    let restrictions = json!({"addresses": ["192.0.2.0/24"], "origins": ["https://example.org"]});
    let body = json!({"name": "n", "subject": subject, "restrictions": restrictions});
    let restricted = key(&w.app, body).await.secret;
    let (ip, origin) = ("192.0.2.7", "https://example.org");
    for (more, expect) in [
        (json!({}), "restricted"),
        (json!({"ip": ip}), "restricted"),
        (json!({"origin": origin}), "restricted"),
        (json!({"ip": "198.51.100.1", "origin": origin}), "restricted"),
        (json!({"ip": ip, "origin": "https://example.org.evil"}), "restricted"),
        (json!({"ip": ip, "origin": origin}), "valid"),
        (json!({"ip": "::ffff:192.0.2.7", "origin": origin}), "valid"),
    ] {
        assert_eq!(Verifier::code(&v.ask(&restricted, more.clone()).await), expect, "{more}");
    }
}

#[tokio::test]
async fn what_is_taken_away_is_refused_at_once() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let code = async |key: &str| Verifier::code(&v.ask(key, json!({})).await).to_owned();
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    assert_eq!(code(&w.ada_narrow.secret).await, "valid");
    w.app.patch(OPERATOR, &path, json!({"status": "disabled"})).await.ok(200);
    assert_eq!(code(&w.ada_narrow.secret).await, "key_disabled");
    w.app.patch(OPERATOR, &path, json!({"status": "active"})).await.ok(200);
    assert_eq!(code(&w.ada_narrow.secret).await, "valid");
    let reads_atlas = async || {
        let asked = json!({"action": "notebook:read", "target": "notebook:atlas"});
        Verifier::code(&v.ask(&w.ada_full.secret, asked).await).to_owned()
    };
    assert_eq!(reads_atlas().await, "valid");
    w.app.delete(OPERATOR, &format!("/v1/projects/{}", w.atlas)).await.ok(200);
    assert_eq!(reads_atlas().await, "not_found");
    assert_eq!(code(&w.atlas_full.secret).await, "key_disabled");
    w.app.delete(OPERATOR, &format!("/v1/accounts/{}", w.ada)).await.ok(200);
    assert_eq!(code(&w.ada_full.secret).await, "key_disabled");
    w.app.delete(OPERATOR, "/v1/resources/notebook:alpha").await.ok(200);
    assert_eq!(code(&w.pinned.secret).await, "invalid_key");
}

#[tokio::test]
async fn questions_that_cannot_be_read() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    for more in [
        json!({"action": "read"}),
        json!({"action": "notebook:*"}),
        json!({"action": ""}),
        json!({"target": ""}),
        json!({"target": "alpha"}),
        json!({"target": "notebook:a b"}),
        json!({"target": "account:acct_1"}),
        json!({"target": "notebook:alpha", "version": 0}),
        json!({"version": 1}),
        json!({"target": "operator", "version": 1}),
        json!({"context": "page"}),
        json!({"ip": "localhost"}),
    ] {
        let mut body = more.clone();
        body["key"] = json!(w.ada_full.secret);
        let answer = w.app.post(&v.key, "/v1/verify", body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &json!("invalid_request")),
            "{more}"
        );
        assert!(!answer.text().contains(&w.ada_full.secret));
        let batch = json!({"requests": [{"key": "x"}, body]});
        let answer = w.app.post(&v.key, "/v1/verify/batch", batch).await;
        answer.refused(400, "invalid_request");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("`requests[1]`: "));
    }
    let secret = &w.ada_full.secret;
    for body in [
        json!({}),
        json!({"key": null}),
        json!({"key": [secret]}),
        json!({"key": secret, "version": "1"}),
        json!({"key": secret, "version": -1}),
        json!({"key": secret, "version": 4_294_967_296_u64}),
        json!({"key": secret, secret: 1}),
        json!({"key": secret, "explain": secret}),
    ] {
        let answer = w.app.post(&v.key, "/v1/verify", body).await;
        answer.refused(400, "malformed_json");
        assert!(!answer.text().contains(secret.as_str()), "no value comes back in an error");
    }
}

/// It is answered beside the router, and yet like every other address.
#[tokio::test]
async fn methods_and_bodies() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = w.app.call(method, "/v1/verify", Some(&v.key), None).await;
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "GET,HEAD,POST", "{method}");
    }
    let get = w.app.get(&w.ada_full.secret, "/v1/verify").await;
    let head = w.app.call("HEAD", "/v1/verify", Some(&w.ada_full.secret), None).await;
    assert_eq!((get.status, head.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(get.headers.len(), head.headers.len());
    let in_query = format!("/v1/verify?api_key={}&action=notebook%3Aread", w.ada_full.secret);
    assert_eq!(w.app.call("GET", &in_query, None, None).await.ok(200)["valid"], true);
    let request = Request::post("/v1/verify").header("x-api-key", &v.key);
    let request = request.header("content-type", "application/json");
    w.app.send(request.body(Body::new(Endless)).unwrap()).await.refused(413, "too_large");
}

/// A body that does not say how long it is, and has no end.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}

#[tokio::test]
async fn batches() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let one = json!({"key": w.ada_full.secret, "action": "notebook:read", "target": "notebook:alpha"});
    let mixed = [
        one.clone(),
        json!({"key": "nonsense"}),
        json!({"key": w.ada_disabled.secret}),
        json!({"key": format!("{}x", &w.ada_full.secret[..w.ada_full.secret.len() - 1])}),
        json!({"key": w.pinned.secret, "target": "notebook:alpha", "version": 2}),
        one.clone(),
    ];
    let answer = w.app.post(&v.key, "/v1/verify/batch", json!({"requests": mixed})).await.ok(200);
    for (n, question) in mixed.iter().enumerate() {
        let alone = w.app.post(&v.key, "/v1/verify", question.clone()).await.ok(200);
        assert_eq!(answer["results"][n], alone, "question {n}");
    }
    assert_eq!(answer["results"][1]["code"], "invalid_key");
    let empty = w.app.post(&v.key, "/v1/verify/batch", json!({"requests": []})).await.ok(200);
    assert_eq!(empty, json!({"results": []}));
    let many = |n: usize| json!({"requests": vec![&one; n]});
    let full = w.app.post(&v.key, "/v1/verify/batch", many(1000)).await.ok(200);
    assert_eq!(full["results"].as_array().unwrap().len(), 1000);
    w.app.post(&v.key, "/v1/verify/batch", many(1001)).await.refused(400, "invalid_request");
    w.app.post(&v.key, "/v1/verify/batch", many(20_000)).await.refused(413, "too_large");
    for requests in [json!({}), json!([["x"]]), json!([null]), json!(["x"]), json!(null)] {
        let body = json!({"requests": requests});
        w.app.post(&v.key, "/v1/verify/batch", body).await.refused(400, "malformed_json");
    }
}

/// Verification is counted by its code, and reads memory only: whatever is asked is answered without waiting once.
#[tokio::test]
async fn it_waits_for_nothing_and_is_counted() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let ask = |key: &str| {
        let body = Body::from(json!({"key": key}).to_string());
        let request = Request::post("/v1/verify").header("x-api-key", &v.key);
        request.header("content-type", "application/json").body(body).unwrap()
    };
    for (request, expect) in [
        (
            Request::get("/v1/verify").header("x-api-key", &w.ada_full.secret).body(Body::empty()).unwrap(),
            200,
        ),
        (
            Request::get("/v1/verify")
                .header("x-api-key", &w.ada_disabled.secret)
                .body(Body::empty())
                .unwrap(),
            401,
        ),
        (ask(&w.ada_full.secret), 200),
        (ask(&w.ada_disabled.secret), 200),
    ] {
        let mut answer = pin!(w.app.service.answer(request));
        let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it waits for something");
        };
        assert_eq!(answer.status(), expect);
    }
    let page = w.app.state.metrics.page(&w.app.state.authority);
    assert!(page.contains("claviger_decisions_total{door=\"verify\",code=\"valid\"} 2"), "{page}");
    assert!(page.contains("claviger_decisions_total{door=\"verify\",code=\"key_disabled\"} 1"), "{page}");
}

/// A node that may lack a committed change refuses everything, and never by saying that a key is invalid.
#[tokio::test]
async fn a_node_that_may_lack_a_change_answers_503_to_everything() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let (ada, nobody) = (&w.ada_full.secret, "sk_0000000000000000000000000000000000000");
    w.app.state.authority.lose_freshness("a test");
    for key in [ada.as_str(), nobody, OPERATOR, &w.ada_disabled.secret, &w.ada_expired.secret] {
        for (method, path, body) in [
            ("GET", "/v1/verify", None),
            ("GET", "/v1/verify?count=false&explain=true", None),
            ("POST", "/v1/verify", Some(json!({"key": ada}))),
            ("POST", "/v1/verify/batch", Some(json!({"requests": [{"key": ada}]}))),
            ("GET", "/v1/whoami", None),
            ("GET", "/v1/keys", None),
            ("POST", "/v1/keys", Some(json!({"name": "n", "subject": "operator", "scopes": []}))),
            ("DELETE", "/v1/whoami/key", None),
        ] {
            let answer = w.app.call(method, path, Some(key), body).await;
            answer.refused(503, "not_fresh");
            assert_eq!(answer.header("retry-after"), "1", "{method} {path}");
        }
    }
    let batch = json!({"requests": [{"key": ada}]});
    w.app.post(&v.key, "/v1/verify/batch", batch).await.refused(503, "not_fresh");
    assert_eq!(w.app.call("GET", "/problems/not_fresh", None, None).await.status, 200);
}

#[tokio::test]
async fn a_diagnosis_uses_up_nothing() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let restrictions = json!({"rate": {"limit": 2, "period_seconds": 60}});
    let body = json!({
        "name": "k", "subject": format!("account:{}", w.ada), "scopes": ["*:*"], "restrictions": restrictions,
    });
    let limited = key(&w.app, body).await;
    let diagnosis = json!({"count": false, "explain": true});
    for _ in 0..5 {
        let answer = v.ask(&limited.secret, diagnosis.clone()).await;
        assert_eq!(Verifier::code(&answer), "valid");
        let last = answer["reasons"].as_array().unwrap().last().unwrap();
        assert_eq!(last["code"], "within_rate", "{answer}");
        assert_eq!(last["text"], "the key's rate allows it; 2 more right now");
        let own = w.app.get(&limited.secret, "/v1/verify?count=false&explain=true").await;
        assert_eq!(own.header("ratelimit"), "", "it is no use of the key");
        assert_eq!(Verifier::code(&own.ok(200)), "valid");
        let batch = json!({"requests": [{"key": limited.secret, "count": false}]});
        w.app.post(&v.key, "/v1/verify/batch", batch).await.ok(200);
    }
    w.app.state.authority.flush_usage().await.unwrap();
    let shown = w.app.get(OPERATOR, &format!("/v1/keys/{}", limited.id)).await.ok(200);
    assert_eq!(shown["last_used_at"], Value::Null, "never used");
    let usage = w.app.get(OPERATOR, &format!("/v1/usage?key={}&step=hour", limited.id)).await.ok(200);
    assert_eq!(usage["items"], json!([]));
    for code in ["valid", "valid", "rate_limited"] {
        assert_eq!(Verifier::code(&v.ask(&limited.secret, json!({"explain": true})).await), code);
    }
    let answer = v.ask(&limited.secret, diagnosis).await;
    assert_eq!(Verifier::code(&answer), "rate_limited");
    assert_eq!(answer["reasons"].as_array().unwrap().last().unwrap()["code"], "rate_exceeded");
    let own = w.app.get(&limited.secret, "/v1/verify?count=false").await.ok(200);
    assert_eq!(Verifier::code(&own), "rate_limited", "a diagnosis says so and is answered");
    w.app.get(&limited.secret, "/v1/verify").await.refused(429, "rate_limited");
    w.app.get(&w.ada_disabled.secret, "/v1/verify?count=false").await.refused(401, "key_disabled");
    w.app.call("GET", "/v1/verify?count=false", None, None).await.refused(401, "credentials_required");
    w.app.get(&w.ada_narrow.secret, "/v1/verify?count=no").await.refused(400, "invalid_request");
}

/// Operators are told everything; the key itself, and those who verify for others, what the key may know.
#[tokio::test]
async fn explanations_say_what_the_one_who_asks_may_know() {
    let w = World::new().await;
    let v = Verifier::new(&w).await;
    let verifier = json!({"name": "v", "subject": format!("account:{}", w.bob), "scopes": ["key:verify"]});
    let verifier = Verifier { world: &w, key: key(&w.app, verifier).await.secret };
    let codes = |answer: &Value| {
        let reasons = answer["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let question = |target: &str| json!({"target": target, "explain": true});
    let bob = &w.bob_full.secret;
    let full = v.ask(bob, question("notebook:alpha")).await;
    assert_eq!(codes(&full), ["key_active", "latest", "not_reached"]);
    assert_eq!(codes(&v.ask(bob, question("notebook:omega")).await), ["key_active", "unknown"]);
    for target in ["notebook:alpha", "notebook:omega"] {
        let answer = verifier.ask(bob, question(target)).await;
        assert_eq!(
            (Verifier::code(&answer), codes(&answer)),
            ("not_found", vec!["key_active".into(), "not_found".into()])
        );
        let own = w.app.get(bob, &format!("/v1/verify?target={target}&explain=true")).await.ok(200);
        assert_eq!(codes(&own), ["key_active", "not_found"]);
    }
    // What the key does know is explained as before.
    let own = w.app.get(&w.ada_narrow.secret, "/v1/verify?target=notebook:alpha&explain=true").await.ok(200);
    assert_eq!(codes(&own), ["key_active", "latest", "reaches"]);
}
