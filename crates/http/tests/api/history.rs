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
        "authority": format!("account:{}", w.ada), "origin": "api", "address": "127.0.0.1",
        "request_id": answer.header("x-request-id"), "outcome": "done", "detail": "status: active -> disabled",
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
    assert!(mine.len() > 5 && mine.iter().all(|row| row["authority"] == own));
    assert_eq!(rows(&w.ada_full.secret, &format!("limit=200&authority={own}")).await, mine);
    let of_alpha = rows(&w.ada_full.secret, "authority=notebook:alpha").await;
    assert_eq!(of_alpha.len(), 2, "the keys of a resource, for its holder");
    assert_eq!(rows(&w.lab_full.secret, "action=team:update").await.len(), 1);
    for query in ["actor=ada", "key=x", "action=*:*", "origin=mars", "since=x", "until=1", "authority=x"] {
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
    refused(&w.ada_full.secret, "authority=operator", 403, "forbidden").await;
    refused(&w.ada_full.secret, &format!("authority=account:{}", w.bob), 404, "not_found").await;
    refused(&w.ada_full.secret, &format!("authority=team:{}", w.lab), 404, "not_found").await;
    // A public resource is read by everybody; who manages its keys is not for everybody.
    refused(&w.bob_full.secret, "authority=notebook:open", 403, "forbidden").await;
    // What is gone keeps its history, for operators.
    w.app.delete(OPERATOR, "/v1/resources/notebook:alpha").await.ok(200);
    let kept = w.app.get(OPERATOR, "/v1/history?authority=notebook:alpha").await.ok(200);
    assert_eq!(kept["items"].as_array().unwrap().len(), 2);
}
