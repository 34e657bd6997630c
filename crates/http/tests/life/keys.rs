//! Rotation, revocation of many, and requests that are repeated.

use serde_json::json;

use crate::house::{House, OPERATOR};

#[tokio::test]
async fn a_key_that_was_rotated_gives_way_to_its_successor() {
    let house = House::new().await;
    let (id, old) = house.key(json!({})).await;
    let path = format!("/v1/keys/{id}/rotate");
    let rotated = house.post(&path, json!({})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    assert_eq!(rotated.body["key"]["replaces"], id.as_str());
    assert_eq!(rotated.body["revocation"]["state"], "complete");
    let whoami = async |key: &str| house.ask("GET", "/v1/whoami", key, &[], None).await.status.as_u16();
    assert_eq!(whoami(&old).await, 401);
    assert_eq!(whoami(&rotated.text("secret")).await, 200);
    let again = house.post(&path, json!({})).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "key_replaced"));
    // With an overlap both are good for a while.
    let (id, old) = house.key(json!({})).await;
    let rotated = house.post(&format!("/v1/keys/{id}/rotate"), json!({"overlap_seconds": 600})).await;
    assert_eq!((rotated.status.as_u16(), whoami(&old).await), (201, 200));
}

#[tokio::test]
async fn many_keys_go_together_or_not_at_all() {
    let house = House::new().await;
    let (first, text) = house.key(json!({})).await;
    let (second, _) = house.key(json!({})).await;
    let wrong = house.post("/v1/keys/revoke", json!({"ids": [first, "key_none"]})).await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (404, "not_found"));
    let neither = house.post("/v1/keys/revoke", json!({})).await;
    assert_eq!((neither.status.as_u16(), neither.code()), (400, "invalid_request"));
    assert_eq!(house.ask("GET", "/v1/whoami", &text, &[], None).await.status, 200);
    let gone = house.post("/v1/keys/revoke", json!({"ids": [first]})).await;
    assert_eq!((gone.status.as_u16(), gone.body["revoked"].as_u64()), (200, Some(1)));
    assert_eq!(gone.body["revocation"]["state"], "complete");
    assert_eq!(house.ask("GET", "/v1/whoami", &text, &[], None).await.status, 401);
    let rest = house.post("/v1/keys/revoke", json!({"subject": house.account})).await;
    assert_eq!(rest.body["revoked"].as_u64(), Some(1));
    assert_eq!(house.get(&format!("/v1/keys/{second}")).await.status, 404);
}

#[tokio::test]
async fn a_repeat_is_told_the_key_and_never_its_text() {
    let house = House::new().await;
    let body = json!({"name": "CI", "subject": house.account});
    let send = async |name: &str, body: &serde_json::Value| {
        house.ask("POST", "/v1/keys", OPERATOR, &[("idempotency-key", name)], Some(body.clone())).await
    };
    let first = send("a", &body).await;
    assert_eq!(first.status, 201);
    let repeat = send("a", &body).await;
    assert_eq!((repeat.status.as_u16(), repeat.code()), (409, "idempotency_replayed"));
    assert!(repeat.text("detail").contains(first.body["key"]["id"].as_str().unwrap()));
    assert!(!repeat.body.to_string().contains(&first.text("secret")));
    let other = send("a", &json!({"name": "CD", "subject": house.account})).await;
    assert_eq!((other.status.as_u16(), other.code()), (409, "idempotency_mismatch"));
    assert_eq!(send("b", &body).await.status, 201);
    assert_eq!(send(&"x".repeat(257), &body).await.status, 400);
    let path = format!("/v1/keys/{}/rotate", first.body["key"]["id"].as_str().unwrap());
    let rotate =
        async || house.ask("POST", &path, OPERATOR, &[("idempotency-key", "r")], Some(json!({}))).await;
    let rotated = rotate().await;
    assert_eq!(rotated.status, 201);
    let repeat = rotate().await;
    assert_eq!(repeat.code(), "idempotency_replayed");
    assert!(repeat.text("detail").contains(rotated.body["key"]["id"].as_str().unwrap()));
}
