//! References by the application's own names: `account:external:user-4711`.

use serde_json::json;

use crate::app::OPERATOR;
use crate::world::{FULL, World};

/// The application's own names for the team and the project of the world.
async fn named() -> World {
    let w = World::new().await;
    let names = [(format!("teams/{}", w.lab), "lab/1"), (format!("projects/{}", w.atlas), "atlas 1")];
    for (path, external_id) in names {
        w.app.patch(OPERATOR, &format!("/v1/{path}"), json!({"external_id": external_id})).await.ok(200);
    }
    w
}

#[tokio::test]
async fn every_reference_may_be_by_external_id() {
    let w = named().await;
    for (reference, subject) in [
        ("account:external:Ada", format!("account:{}", w.ada)),
        ("team:external:lab/1", format!("team:{}", w.lab)),
        ("project:external:atlas 1", format!("project:{}", w.atlas)),
    ] {
        let body = json!({"name": "k", "subject": reference, "scopes": FULL});
        let key = w.app.post(OPERATOR, "/v1/keys", body).await.ok(201);
        assert_eq!(key["key"]["subject"], json!(subject), "the answer has the identifier");
        let body = json!({"owner": reference, "creator": "external:Bob", "visibility": "private", "latest_version": 1});
        let body = if reference.starts_with("account") {
            json!({"owner": reference, "visibility": "private", "latest_version": 1})
        } else {
            body
        };
        let made = w
            .app
            .put(OPERATOR, "/v1/resources/notebook:n", body)
            .await
            .ok(if reference.starts_with("account") { 201 } else { 200 });
        assert_eq!(made["owner"], json!(subject));
        let target = json!({"key": key["secret"], "action": format!("{}:read", &reference[..reference.find(':').unwrap()]), "target": reference});
        let verdict = w.app.post(&verifier(&w).await, "/v1/verify", target).await.ok(200);
        assert_eq!(verdict["code"], "valid", "{verdict}");
        let escaped = reference.replace('/', "%2F").replace(' ', "%20");
        for listing in ["keys?subject=", "resources?owner=", "history?subject="] {
            let listed = w.app.get(OPERATOR, &format!("/v1/{listing}{escaped}&limit=200")).await.ok(200);
            let by_id = w.app.get(OPERATOR, &format!("/v1/{listing}{subject}&limit=200")).await.ok(200);
            assert!(!listed["items"].as_array().unwrap().is_empty(), "{listing}{escaped}");
            assert_eq!(listed, by_id, "{listing}{escaped}");
        }
        let revoked = w.app.post(OPERATOR, "/v1/keys/revoke", json!({"subject": reference})).await.ok(200);
        assert_ne!(revoked["revoked"], 0);
    }
    let team = json!({"name": "T", "owner": "external:Ada"});
    let team = w.app.post(OPERATOR, "/v1/teams", team).await.ok(201);
    let project = json!({"name": "P", "owner": "account:external:Ada"});
    let project = w.app.post(OPERATOR, "/v1/projects", project).await.ok(201);
    assert_eq!(project["owner"], json!(format!("account:{}", w.ada)));
    for (path, made) in [
        ("teams?member=external:Ada", &team),
        ("projects?owner=account:external:Ada", &project),
        ("projects?member=external:Eve", &json!({"id": w.atlas})),
    ] {
        let listed = w.app.get(OPERATOR, &format!("/v1/{path}")).await.ok(200);
        let ids = listed["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect::<Vec<_>>();
        assert!(ids.contains(&&made["id"]), "{path}: {listed}");
    }
    let row =
        json!({"target": "account:external:Ada", "action": "run:create", "actor": "account:external:Bob"});
    w.app.post(OPERATOR, "/v1/history", json!({"entries": [row]})).await.ok(201);
    let listed = w.app.get(OPERATOR, "/v1/history?actor=account:external:Bob&origin=site").await.ok(200);
    assert_eq!(listed["items"][0]["target"], json!(format!("account:{}", w.ada)));
}

/// A key that may have keys verified.
async fn verifier(w: &World) -> String {
    let body = json!({"name": "v", "subject": "operator", "scopes": ["key:verify"]});
    let made = w.app.post(OPERATOR, "/v1/keys", body).await.ok(201);
    made["secret"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn paths_take_external_ids() {
    let w = named().await;
    for (path, id) in [
        ("accounts/external:Ada", &w.ada),
        ("teams/external:lab%2F1", &w.lab),
        ("projects/external:atlas%201", &w.atlas),
    ] {
        assert_eq!(&w.app.get(OPERATOR, &format!("/v1/{path}")).await.ok(200)["id"], id);
        let escaped = path.replace(':', "%3A");
        assert_eq!(&w.app.get(OPERATOR, &format!("/v1/{escaped}")).await.ok(200)["id"], id);
    }
    let member = "/v1/teams/external:lab%2F1/members/external:Bob";
    let put = w.app.put(OPERATOR, member, json!({"role": "admin"})).await.ok(200);
    assert_eq!(put, json!({"account": w.bob, "role": "admin"}));
    w.app.delete(OPERATOR, member).await.ok(200);
    w.app.patch(OPERATOR, "/v1/accounts/external:Ada", json!({"external_id": "ada-2"})).await.ok(200);
    w.app.get(OPERATOR, "/v1/accounts/external:Ada").await.refused(404, "not_found");
    assert_eq!(w.app.get(OPERATOR, "/v1/accounts/external:ada-2").await.ok(200)["id"], json!(w.ada));
    // What another had is there for the taking.
    w.app.patch(OPERATOR, &format!("/v1/accounts/{}", w.bob), json!({"external_id": "Ada"})).await.ok(200);
    assert_eq!(w.app.get(OPERATOR, "/v1/accounts/external:Ada").await.ok(200)["id"], json!(w.bob));
}

#[tokio::test]
async fn an_unknown_external_id_is_like_an_unknown_id() {
    let w = named().await;
    let unknown = "acct_7zzzzzzzzzzzzzzzzzzzzzzzzz";
    for key in [OPERATOR, &w.bob_full.secret, &w.lab_full.secret] {
        let ask = async |id: &str| {
            let mut told: Vec<_> = Vec::new();
            told.push(w.app.get(key, &format!("/v1/accounts/{id}")).await.fingerprint());
            let body = json!({"name": "k", "subject": format!("account:{id}"), "scopes": []});
            told.push(w.app.post(key, "/v1/keys", body).await.fingerprint());
            told.push(w.app.get(key, &format!("/v1/keys?subject=account:{id}")).await.fingerprint());
            let body =
                json!({"owner": format!("account:{id}"), "visibility": "private", "latest_version": 1});
            told.push(w.app.put(key, "/v1/resources/notebook:new", body).await.fingerprint());
            let member = format!("/v1/teams/{}/members/{id}", w.lab);
            told.push(w.app.put(key, &member, json!({"role": "member"})).await.fingerprint());
            told
        };
        let expect = ask(unknown).await;
        assert_eq!(ask("external:nobody").await, expect, "unknown");
        if key == w.bob_full.secret {
            assert_eq!(ask("external:Ada").await, expect, "somebody else's");
        }
    }
    for wrong in ["account:external:", "account:external: x", "operator:external:x"] {
        let body = json!({"name": "k", "subject": wrong, "scopes": []});
        w.app.post(OPERATOR, "/v1/keys", body).await.refused(400, "invalid_request");
    }
    w.app.get(OPERATOR, "/v1/accounts/external:").await.refused(404, "not_found");
}

#[tokio::test]
async fn imported_rows_take_external_ids() {
    let w = named().await;
    let row = |subject: &str, n: u32| json!({"name": "i", "subject": subject, "key": format!("imported_Zq8rT2mK5vX0cN7hW4yB9dF{n:02}"), "scopes": []});
    let rows =
        [row("account:external:Ada", 1), row("team:external:lab/1", 2), row("account:external:nobody", 3)];
    let told = w.app.post(OPERATOR, "/v1/keys/import", json!({"rows": rows})).await.ok(200);
    let outcomes = told["outcomes"].as_array().unwrap();
    let words = outcomes.iter().map(|outcome| outcome["outcome"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(words, ["imported", "imported", "invalid"], "{told}");
    let listed = w.app.get(OPERATOR, "/v1/keys?subject=account:external:Ada&limit=200").await.ok(200);
    assert!(listed["items"].as_array().unwrap().iter().any(|key| key["name"] == "i"));
}

#[tokio::test]
async fn putting_an_account_makes_it_once() {
    let w = World::new().await;
    let path = "/v1/accounts/external:user%2F4711";
    let made = w.app.put(OPERATOR, path, json!({"name": "Grace"})).await.ok(201);
    assert_eq!((&made["external_id"], &made["name"]), (&json!("user/4711"), &json!("Grace")));
    let again = w.app.put(OPERATOR, path, json!({"name": "Another"})).await.ok(200);
    assert_eq!(again, made, "it stays as it is");
    assert_eq!(w.app.get(OPERATOR, path).await.ok(200), made);
    let put = || w.app.put(OPERATOR, "/v1/accounts/external:crowd", json!({}));
    let answers = tokio::join!(put(), put(), put(), put());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let ids = answers.iter().map(|answer| answer.json()["id"].clone()).collect::<Vec<_>>();
    assert!(ids.iter().all(|id| id.is_string() && *id == ids[0]), "{ids:?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    w.app.put(OPERATOR, "/v1/accounts/external:z", json!({"email": "a@b.example"})).await.ok(201);
    let taken = json!({"email": "a@b.example"});
    w.app.put(OPERATOR, "/v1/accounts/external:y", taken).await.refused(409, "email_taken");
    for wrong in [format!("/v1/accounts/{}", w.ada), "/v1/accounts/external:".to_owned()] {
        w.app.put(OPERATOR, &wrong, json!({})).await.refused(400, "invalid_request");
    }
    for key in [&w.ada_full.secret, &w.lab_full.secret, &w.operator_narrow.secret] {
        let unknown = w.app.put(key, "/v1/accounts/external:new", json!({})).await;
        let known = w.app.put(key, "/v1/accounts/external:Bob", json!({})).await;
        assert_eq!(unknown.status, 403);
        assert_eq!(known.fingerprint(), unknown.fingerprint());
    }
}
