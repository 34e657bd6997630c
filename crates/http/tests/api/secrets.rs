//! The text of a key is in the answer to its creation, and nowhere else.

use serde_json::json;

use crate::app::OPERATOR;
use crate::world::World;

#[tokio::test]
async fn the_text_of_a_key_is_shown_once() {
    let w = World::new().await;
    let body = json!({"name": "n", "subject": format!("account:{}", w.ada), "scopes": ["notebook:read"]});
    let made = w.app.post(&w.ada_full.secret, "/v1/keys", body).await.ok(201);
    let secret = made["secret"].as_str().unwrap();
    let path = format!("/v1/keys/{}", made["key"]["id"].as_str().unwrap());
    let mut texts = vec![made["key"].to_string()];
    for read in [&path, "/v1/keys?limit=200", "/v1/history?limit=200", "/openapi.json", "/v1/accounts"] {
        texts.push(w.app.get(OPERATOR, read).await.text().to_owned());
    }
    texts.push(w.app.get(secret, "/v1/whoami").await.text().to_owned());
    texts.push(w.app.get(secret, "/v1/history").await.text().to_owned());
    texts.push(w.app.get(secret, &format!("/v1/keys?cursor={secret}")).await.text().to_owned());
    texts.push(w.app.get(OPERATOR, &format!("/v1/keys?subject={secret}")).await.text().to_owned());
    texts.push(w.app.get(OPERATOR, &format!("/v1/keys?{secret}=1")).await.text().to_owned());
    texts.push(w.app.get(OPERATOR, &format!("/v1/keys?limit={secret}")).await.text().to_owned());
    texts.push(w.app.get(OPERATOR, &format!("/v1/keys/{secret}")).await.text().to_owned());
    texts.push(
        w.app.post(OPERATOR, "/v1/verify", json!({"key": secret, "explain": true})).await.text().to_owned(),
    );
    texts.push(w.app.patch(OPERATOR, &path, json!({"name": "m", "status": secret})).await.text().to_owned());
    texts.push(w.app.patch(OPERATOR, &path, json!({"expires_at": secret})).await.text().to_owned());
    texts.push(w.app.patch(OPERATOR, &path, json!({secret: 1})).await.text().to_owned());
    texts.push(w.app.patch(OPERATOR, &path, json!({"status": "disabled"})).await.text().to_owned());
    texts.push(w.app.delete(OPERATOR, &path).await.text().to_owned());
    texts.push(w.app.get(OPERATOR, "/v1/history?limit=200").await.text().to_owned());
    for text in texts {
        assert!(!text.contains(secret) && !text.contains(&secret[3..20]), "{text:.200}");
    }
}
