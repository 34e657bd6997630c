//! `/v1/history`.

use serde_json::{Value, json};

use crate::app::OPERATOR;
use crate::world::World;

#[tokio::test]
async fn rows_and_filters() {
    let w = World::new().await;
    w.app.advance(50);
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    let answer = w.app.patch(&w.ada_full.secret, &path, json!({"status": "disabled"})).await;
    answer.ok(200);
    let rows = async |key: &str, query: &str| {
        w.app.get(key, &format!("/v1/history?{query}")).await.ok(200)["items"].as_array().unwrap().clone()
    };
    let latest = rows(OPERATOR, "limit=1").await;
    let expect = json!([{
        "at": "2027-01-15T08:01:00Z", "actor": format!("key:{}", w.ada_full.id), "key": w.ada_full.id,
        "action": "key:update", "target": format!("key:{}", w.ada_narrow.id),
        "subject": format!("account:{}", w.ada), "origin": "api", "address": "127.0.0.1",
        "request_id": answer.header("x-request-id"), "outcome": "done", "detail": "status: active -> disabled",
        "reasons": [],
    }]);
    assert_eq!(json!(latest), expect);
    for query in [
        format!("actor=key:{}", w.ada_full.id),
        format!("key={}", w.ada_full.id),
        format!("target=key:{}&action=key:update", w.ada_narrow.id),
        "since=2027-01-15T08:01:00Z".to_owned(),
    ] {
        assert_eq!(json!(rows(OPERATOR, &query).await), expect, "{query}");
    }
    assert_eq!(rows(OPERATOR, "until=2027-01-15T08:00:00Z").await, Vec::<Value>::new());
    assert_eq!(rows(OPERATOR, "origin=cli").await.len(), 1, "the first start");
    assert_eq!(rows(OPERATOR, "origin=site").await.len(), 0);
    assert_eq!(rows(OPERATOR, "target=%00").await.len(), 0);
    let own = format!("account:{}", w.ada);
    let mine = rows(&w.ada_full.secret, "limit=200").await;
    assert!(mine.len() > 5 && mine.iter().all(|row| row["subject"] == own));
    assert_eq!(rows(&w.ada_full.secret, &format!("limit=200&subject={own}")).await, mine);
    let of_alpha = rows(&w.ada_full.secret, "subject=notebook:alpha").await;
    assert_eq!(of_alpha.len(), 2, "the keys of a resource, for its owner");
    assert_eq!(rows(&w.lab_full.secret, "action=team:update").await.len(), 1);
    for query in ["actor=ada", "key=x", "action=*:*", "origin=mars", "since=x", "until=1", "subject=x"] {
        w.app.get(OPERATOR, &format!("/v1/history?{query}")).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn who_may_read_it() {
    let w = World::new().await;
    let refused = async |key: &str, query: &str, status: u16, code: &str| {
        w.app.get(key, &format!("/v1/history?{query}")).await.refused(status, code);
    };
    refused(&w.pinned.secret, "", 403, "forbidden").await;
    refused(&w.ada_narrow.secret, "", 403, "forbidden").await;
    refused(&w.operator_narrow.secret, "", 403, "forbidden").await;
    refused(&w.ada_full.secret, "subject=operator", 403, "forbidden").await;
    refused(&w.ada_full.secret, &format!("subject=account:{}", w.bob), 404, "not_found").await;
    refused(&w.ada_full.secret, &format!("subject=team:{}", w.lab), 404, "not_found").await;
    // A public resource is read by everybody; who manages its keys is not for everybody.
    refused(&w.bob_full.secret, "subject=notebook:open", 403, "forbidden").await;
    // What is gone keeps its history, for operators.
    w.app.delete(OPERATOR, "/v1/resources/notebook:alpha").await.ok(200);
    let kept = w.app.get(OPERATOR, "/v1/history?subject=notebook:alpha").await.ok(200);
    assert_eq!(kept["items"].as_array().unwrap().len(), 2);
}

/// The request id of a refusal leads to its row, whatever was asked and of whom.
#[tokio::test]
async fn a_refusal_is_found_by_its_request_id() {
    let w = World::new().await;
    let other = w.ada_disabled.id.clone();
    let asked = [
        (&w.ada_narrow, "GET", "/v1/keys".to_owned(), "forbidden", "GET /v1/keys"),
        (&w.ada_narrow, "GET", format!("/v1/keys/{other}"), "forbidden", "GET /v1/keys/{id}"),
        (&w.bob_full, "GET", format!("/v1/keys/{other}"), "not_found", "GET /v1/keys/{id}"),
        (&w.ada_disabled, "GET", "/v1/verify".to_owned(), "key_disabled", "GET /v1/verify"),
        (&w.ada_expired, "GET", "/v1/whoami".to_owned(), "key_expired", "GET /v1/whoami"),
        (&w.ada_full, "POST", "/v1/verify".to_owned(), "forbidden", "POST /v1/verify"),
        (&w.pinned, "GET", "/v1/history".to_owned(), "forbidden", "GET /v1/history"),
        (&w.pinned, "DELETE", "/v1/whoami/key".to_owned(), "forbidden", "DELETE /v1/whoami/key"),
    ];
    for (key, method, path, code, detail) in asked {
        let answer = w.app.call(method, &path, Some(&key.secret), None).await;
        assert_eq!(answer.json()["code"], code, "{method} {path}");
        w.app.state.authority.flush_notes().await.unwrap();
        let query = format!("/v1/history?request_id={}", answer.header("x-request-id"));
        let found = w.app.get(OPERATOR, &query).await.ok(200);
        let rows = found["items"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{method} {path}: {found}");
        let row = &rows[0];
        assert_eq!((&row["outcome"], &row["key"]), (&json!(code), &json!(key.id)), "{method} {path}");
        assert_eq!(row["detail"], detail);
        assert_eq!(
            row["target"],
            format!("key:{}", key.id),
            "never what somebody may have put into an address"
        );
    }
    // Nobody's refusals leave nothing.
    for (key, path) in [(None, "/v1/keys"), (Some("sk_0000000000000000000000000000000000000"), "/v1/keys")] {
        let answer = w.app.call("GET", path, key, None).await;
        assert_eq!(answer.status, 401);
        w.app.state.authority.flush_notes().await.unwrap();
        let query = format!("/v1/history?request_id={}", answer.header("x-request-id"));
        assert_eq!(w.app.get(OPERATOR, &query).await.ok(200)["items"], json!([]));
    }
    let bob_sees = w.app.get(&w.bob_full.secret, "/v1/history?limit=200").await.ok(200);
    let codes = bob_sees["items"].as_array().unwrap().iter().filter(|row| row["outcome"] == "not_found");
    assert!(codes.clone().count() > 0);
    assert!(codes.clone().all(|row| row["reasons"][0]["code"] == "not_found"), "{bob_sees}");
}
