//! `Idempotency-Key`: a request that is sent again is carried out once.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::app::{Answer, OPERATOR};
use crate::world::World;

/// Every route that makes something under a name that the client gave the request: where, what, and another
/// request for the same. Each names itself at the host, so that making it twice would fail, too.
fn creations(w: &World) -> Vec<(&'static str, Value, Value)> {
    let subject = format!("account:{}", w.ada);
    let key = |name: &str| json!({"name": name, "subject": subject, "scopes": []});
    let named = |id: &str| json!({"name": "n", "external_id": id});
    let project = |id: &str| json!({"name": "n", "external_id": id, "owner": subject});
    vec![
        ("/v1/keys", key("a"), key("b")),
        ("/v1/accounts", named("a"), named("b")),
        ("/v1/teams", named("a"), named("b")),
        ("/v1/projects", project("a"), project("b")),
    ]
}

async fn send(w: &World, caller: &str, path: &str, name: &str, body: &Value) -> Answer {
    let request = Request::builder().method("POST").uri(path).header("x-api-key", caller);
    let request = request.header("idempotency-key", name).header("content-type", "application/json");
    w.app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// The identifier of what an answer made.
fn made(answer: &Answer) -> String {
    let body = answer.ok(201);
    let id = body["key"]["id"].as_str().or(body["id"].as_str());
    id.unwrap().to_owned()
}

#[tokio::test]
async fn a_repeat_is_told_what_was_made() {
    let w = World::new().await;
    for (path, body, other) in creations(&w) {
        let one = format!("one of {path}");
        let first = send(&w, OPERATOR, path, &one, &body).await;
        let id = made(&first);
        let after = w.app.sequence().await;
        let repeat = send(&w, OPERATOR, path, &one, &body).await;
        repeat.refused(409, "idempotency_replayed");
        assert!(repeat.json()["detail"].as_str().unwrap().contains(&id), "{path}: {}", repeat.text());
        send(&w, OPERATOR, path, &one, &other).await.refused(409, "idempotency_mismatch");
        assert_eq!(w.app.sequence().await, after, "{path}");
        // Under another name it is another request.
        assert_ne!(made(&send(&w, OPERATOR, path, &format!("two of {path}"), &other).await), id, "{path}");
    }
    // One name, on two routes: two requests of which the second is another one.
    let subject = format!("account:{}", w.ada);
    let rotate = format!("/v1/keys/{}/rotate", w.ada_narrow.id);
    let one = "one of /v1/keys";
    send(&w, OPERATOR, &rotate, one, &json!({})).await.refused(409, "idempotency_mismatch");
    // The name is the caller's own: somebody else's request under it is carried out.
    let new = json!({"name": "a", "subject": subject, "scopes": []});
    made(&send(&w, &w.ada_full.secret, "/v1/keys", one, &new).await);
}

/// A day later the name is free again.
#[tokio::test]
async fn a_name_is_good_for_a_day() {
    let w = World::new().await;
    let team = json!({"name": "n"});
    let first = made(&send(&w, OPERATOR, "/v1/teams", "one", &team).await);
    w.app.advance(86_399);
    send(&w, OPERATOR, "/v1/teams", "one", &team).await.refused(409, "idempotency_replayed");
    w.app.advance(2);
    assert_ne!(made(&send(&w, OPERATOR, "/v1/teams", "one", &team).await), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_exactly_one_is_carried_out() {
    const AT_ONCE: usize = 8;
    let w = std::sync::Arc::new(World::new().await);
    for (path, body, _) in creations(&w) {
        let before = w.app.sequence().await;
        let tasks = (0..AT_ONCE).map(|_| {
            let (w, body) = (std::sync::Arc::clone(&w), body.clone());
            tokio::spawn(async move { send(&w, OPERATOR, path, &format!("of {path}"), &body).await })
        });
        let mut created = Vec::new();
        let mut told = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            let answer = task.await.unwrap();
            if answer.status == 201 { created.push(made(&answer)) } else { told.push(answer) }
        }
        assert_eq!((created.len(), told.len()), (1, AT_ONCE - 1), "{path}");
        for answer in told {
            answer.refused(409, "idempotency_replayed");
            assert!(answer.json()["detail"].as_str().unwrap().contains(&created[0]), "{path}");
        }
        assert_eq!(w.app.sequence().await, before + 1, "{path}");
    }
}

#[tokio::test]
async fn names_out_of_bounds() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    for (path, body, _) in creations(&w) {
        for name in ["", &"x".repeat(257)] {
            send(&w, OPERATOR, path, name, &body).await.refused(400, "invalid_request");
        }
        let twice = Request::builder().method("POST").uri(path).header("x-api-key", OPERATOR);
        let twice = twice.header("idempotency-key", "a").header("idempotency-key", "a");
        let twice = twice.header("content-type", "application/json").body(Body::from(body.to_string()));
        w.app.send(twice.unwrap()).await.refused(400, "invalid_request");
    }
    assert_eq!(w.app.sequence().await, before);
    made(&send(&w, OPERATOR, "/v1/teams", &"x".repeat(256), &json!({"name": "n"})).await);
}
