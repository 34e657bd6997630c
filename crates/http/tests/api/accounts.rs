//! `/v1/accounts`.

use serde_json::json;

use crate::app::OPERATOR;
use crate::world::World;

#[tokio::test]
async fn an_account_from_its_creation_to_its_end() {
    let w = World::new().await;
    let body = json!({"name": "Grace", "email": "Grace@Example.org", "password": "correct horse"});
    let answer = w.app.post(OPERATOR, "/v1/accounts", body).await;
    assert_eq!(answer.header("etag"), "\"r1\"");
    assert!(!answer.text().contains("argon2") && !answer.text().contains("horse"));
    let made = answer.ok(201);
    let id = made["id"].as_str().unwrap();
    let expect = json!({
        "id": id, "name": "Grace", "email": "grace@example.org", "has_password": true, "external_id": null,
        "closed": false, "created_at": "2027-01-15T08:00:10Z",
    });
    assert_eq!(made, expect);
    let path = format!("/v1/accounts/{id}");
    assert_eq!(w.app.get(OPERATOR, &path).await.ok(200), expect);
    let found = w.app.get(OPERATOR, "/v1/accounts?email=grace@example.org").await.ok(200);
    assert_eq!(found["items"], json!([expect]));
    let found = w.app.get(OPERATOR, "/v1/accounts?external_id=Ada").await.ok(200);
    assert_eq!(found["items"][0]["id"], w.ada);

    let changed = w.app.patch(OPERATOR, &path, json!({"name": null, "external_id": "g-1"})).await.ok(200);
    assert_eq!((&changed["name"], &changed["external_id"]), (&json!(null), &json!("g-1")));
    assert!(changed.get("revocation").is_none());
    let closed = w.app.delete(OPERATOR, &path).await.ok(200);
    assert_eq!((&closed["closed"], &closed["revocation"]["state"]), (&json!(true), &json!("complete")));
    let again = w.app.delete(OPERATOR, &path).await.ok(200);
    assert_eq!(again["revocation"]["change"], json!(null));
    assert_eq!(w.app.patch(OPERATOR, &path, json!({"closed": false})).await.ok(200)["closed"], false);
}

#[tokio::test]
async fn what_cannot_be() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    for body in [
        json!({}),
        json!({"name": "nobody"}),
        json!({"external_id": ""}),
        json!({"external_id": "a\u{0}"}),
        json!({"email": "nowhere"}),
        json!({"email": "a@b", "password": "short"}),
        json!({"external_id": "x", "password": "long enough"}),
        json!({"external_id": "x", "name": ""}),
    ] {
        w.app.post(OPERATOR, "/v1/accounts", body).await.refused(400, "invalid_request");
    }
    w.app
        .post(OPERATOR, "/v1/accounts", json!({"external_id": "Ada"}))
        .await
        .refused(409, "external_id_taken");
    let path = format!("/v1/accounts/{}", w.ada);
    for body in [json!({"closed": null}), json!({"external_id": null}), json!({"email": ""})] {
        w.app.patch(OPERATOR, &path, body).await.refused(400, "invalid_request");
    }
    w.app.patch(OPERATOR, &path, json!({"password": "whatever it is"})).await.refused(400, "malformed_json");
    assert_eq!(w.app.sequence().await, before);
}

/// What the host calls an account decides who it is there, so nobody takes another's.
#[tokio::test]
async fn only_operators_say_what_the_host_calls_somebody() {
    let w = World::new().await;
    let path = format!("/v1/accounts/{}", w.ada);
    w.app.patch(&w.ada_full.secret, &path, json!({"name": "Ada L"})).await.ok(200);
    let taking = json!({"external_id": "root"});
    w.app.patch(&w.ada_full.secret, &path, taking.clone()).await.refused(400, "invalid_request");
    w.app.patch(OPERATOR, &path, taking).await.ok(200);
}
