//! What is written down of uses, and what hosts report.

use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn uses_are_seen_after_a_flush() {
    let house = House::new().await;
    let (id, key) = house.key(json!({})).await;
    let path = format!("/v1/keys/{id}");
    assert!(house.get(&path).await.body["last_used_at"].is_null());
    let verified = house.post("/v1/verify", json!({"key": key, "ip": "192.0.2.9"})).await;
    assert_eq!(verified.body["valid"], true);
    let refused = json!({"key": key, "action": "notebook:read", "target": "notebook:none"});
    assert_eq!(house.post("/v1/verify", refused).await.body["valid"], false);
    house.state.authority.flush_usage().await.unwrap();
    let seen = house.get(&path).await.body;
    assert!(seen["last_used_at"].is_string(), "{seen}");
    assert_eq!(seen["last_used_from"], "192.0.2.9");
    assert_eq!(house.ask("GET", "/v1/whoami", &key, &[], None).await.status, 200);
    house.state.authority.flush_usage().await.unwrap();
    for step in ["minute", "hour"] {
        let usage = house.get(&format!("/v1/usage?key={id}&step={step}")).await;
        let sum = |field: &str| {
            usage.body["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row[field].as_u64().unwrap())
                .sum::<u64>()
        };
        assert_eq!((usage.status.as_u16(), sum("allowed"), sum("refused")), (200, 2, 1), "{step}");
    }
    let wrong = house.get(&format!("/v1/usage?key={id}&step=week")).await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (400, "invalid_request"));
    let (_, other) = house.key(json!({"scopes": []})).await;
    let hidden = house.ask("GET", &format!("/v1/usage?key={id}"), &other, &[], None).await;
    assert!(hidden.status == 403 || hidden.status == 404, "{}", hidden.body);
}

#[tokio::test]
async fn a_host_reports_what_its_site_did() {
    let house = House::new().await;
    let entry =
        json!({"target": "notebook:a", "action": "run:create", "detail": "by hand", "actor": house.account});
    let reported = house.post("/v1/history", json!({"entries": [entry]})).await;
    assert_eq!((reported.status.as_u16(), reported.body["recorded"].as_u64()), (201, Some(1)));
    let rows = house.get("/v1/history?action=run:create").await.body;
    assert_eq!(
        (&rows["items"][0]["origin"], &rows["items"][0]["actor"]),
        (&json!("site"), &json!(house.account))
    );
    let own = json!({"target": "operator", "action": "key:create"});
    let refused = house.post("/v1/history", json!({"entries": [own]})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_request"));
}
