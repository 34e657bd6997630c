//! `/v1/teams` and `/v1/projects`.

use serde_json::{Value, json};

use crate::app::OPERATOR;
use crate::world::{World, key};

#[tokio::test]
async fn teams() {
    let w = World::new().await;
    let made = w.app.post(&w.bob_full.secret, "/v1/teams", json!({"name": "Bob's"})).await.ok(201);
    let path = format!("/v1/teams/{}", made["id"].as_str().unwrap());
    let members = w.app.get(OPERATOR, &format!("{path}/members")).await.ok(200);
    assert_eq!(members["items"], json!([{"account": w.bob, "role": "owner"}]), "who makes a team owns it");
    let listed = w.app.get(OPERATOR, &format!("/v1/teams?member={}", w.bob)).await.ok(200);
    assert_eq!(listed["items"], json!([made]));
    let body = json!({"name": "T", "external_id": "t-1", "owner": w.eve});
    let made = w.app.post(OPERATOR, "/v1/teams", body).await.ok(201);
    assert_eq!(w.app.get(OPERATOR, "/v1/teams?external_id=t-1").await.ok(200)["items"], json!([made]));
    let conflict = w.app.post(OPERATOR, "/v1/teams", json!({"name": "U", "external_id": "t-1"})).await;
    conflict.refused(409, "external_id_taken");

    let path = format!("/v1/teams/{}", w.lab);
    let renamed = w.app.patch(&w.lab_full.secret, &path, json!({"name": "Laboratory"})).await.ok(200);
    assert_eq!(renamed["name"], "Laboratory");
    w.app.patch(&w.lab_full.secret, &path, json!({"external_id": "x"})).await.refused(400, "invalid_request");
    let closed = w.app.delete(&w.lab_full.secret, &path).await.ok(200);
    assert_eq!((&closed["closed"], &closed["revocation"]["state"]), (&json!(true), &json!("complete")));
    w.app.get(&w.lab_full.secret, &path).await.refused(401, "key_disabled");
    assert_eq!(w.app.patch(OPERATOR, &path, json!({"closed": false})).await.ok(200)["closed"], false);
    w.app.get(&w.lab_full.secret, &path).await.ok(200);
}

#[tokio::test]
async fn members_of_a_team() {
    let w = World::new().await;
    let path = format!("/v1/teams/{}/members", w.lab);
    let put = async |key: &str, account: &str, role: &str| {
        w.app.put(key, &format!("{path}/{account}"), json!({"role": role})).await
    };
    let (operator, lab) = (OPERATOR, w.lab_full.secret.as_str());
    let added = put(operator, &w.bob, "admin").await.ok(200);
    assert_eq!(added, json!({"account": w.bob, "role": "admin"}));
    let weaker = put(lab, &w.bob, "member").await.ok(200);
    assert_eq!(weaker["revocation"]["state"], "complete");
    let again = put(lab, &w.bob, "member").await.ok(200);
    assert_eq!(again["role"], "member");
    // Owners are made by owners and operators, and one stays.
    put(lab, &w.bob, "owner").await.refused(403, "forbidden");
    put(lab, &w.ada, "member").await.refused(403, "forbidden");
    put(operator, &w.ada, "member").await.refused(409, "last_owner");
    w.app.delete(operator, &format!("{path}/{}", w.ada)).await.refused(409, "last_owner");
    put(operator, &w.bob, "owner").await.ok(200);
    put(operator, &w.ada, "member").await.ok(200);
    put(operator, &w.bob, "viewer").await.refused(400, "invalid_request");
    put(operator, "acct_00000000000000000000000000", "member").await.refused(404, "not_found");
    put(operator, "nobody", "member").await.refused(404, "not_found");
    let gone = w.app.delete(lab, &format!("{path}/{}", w.eve)).await.ok(200);
    assert_eq!((&gone["id"], &gone["deleted"]), (&json!(w.eve), &json!(true)));
    assert_eq!(gone["revocation"]["state"], "complete");
    w.app.delete(lab, &format!("{path}/{}", w.eve)).await.refused(404, "not_found");
}

/// A role is for a person, whom no scopes bind: a key gives none that has more than the key.
#[tokio::test]
async fn keys_give_no_more_than_they_have() {
    let w = World::new().await;
    let made = async |subject: &str, scopes: &[&str]| {
        key(&w.app, json!({"name": "m", "subject": subject, "scopes": scopes})).await.secret
    };
    let narrow = made(&format!("team:{}", w.lab), &["team:update"]).await;
    let reader = made(&format!("project:{}", w.atlas), &["project:*", "*:read", "resource:read"]).await;
    let before = w.app.sequence().await;
    let put = async |group: &str, account: &str, key: &str, role: &str| {
        w.app.put(key, &format!("/v1/{group}/members/{account}"), json!({"role": role})).await
    };
    let (lab, atlas) = (format!("teams/{}", w.lab), format!("projects/{}", w.atlas));
    for role in ["member", "admin", "owner"] {
        put(&lab, &w.bob, &narrow, role).await.refused(403, "forbidden");
    }
    for role in ["admin", "owner"] {
        put(&lab, &w.eve, &w.lab_full.secret, role).await.refused(403, "forbidden");
    }
    put(&atlas, &w.bob, &reader, "collaborator").await.refused(403, "forbidden");
    for key in [&reader, &w.atlas_full.secret, &w.ada_full.secret] {
        put(&atlas, &w.bob, key, "admin").await.refused(403, "forbidden");
    }
    assert_eq!(w.app.sequence().await, before, "and nothing was written");
    put(&lab, &w.bob, &w.lab_full.secret, "member").await.ok(200);
    put(&atlas, &w.bob, &reader, "viewer").await.ok(200);
    put(&atlas, &w.bob, &w.atlas_full.secret, "collaborator").await.ok(200);
    put(&atlas, &w.bob, OPERATOR, "admin").await.ok(200);
    // What takes away is open to the narrow one, too, but owners stay.
    let gone = w.app.delete(&narrow, &format!("/v1/{lab}/members/{}", w.bob)).await.ok(200);
    assert_eq!(gone["revocation"]["state"], "complete");
    w.app.delete(&narrow, &format!("/v1/{lab}/members/{}", w.ada)).await.refused(403, "forbidden");
}

#[tokio::test]
async fn projects() {
    let w = World::new().await;
    let path = format!("/v1/projects/{}", w.atlas);
    let shown = w.app.get(&w.atlas_full.secret, &path).await.ok(200);
    let expect = json!({
        "id": w.atlas, "name": "Atlas", "owner": format!("account:{}", w.ada), "external_id": null,
        "closed": false, "created_at": "2027-01-15T08:00:00Z",
    });
    assert_eq!(shown, expect);
    for query in [format!("member={}", w.eve), format!("owner=account:{}", w.ada)] {
        let listed = w.app.get(OPERATOR, &format!("/v1/projects?{query}")).await.ok(200);
        assert_eq!(listed["items"], json!([expect]), "{query}");
    }
    let before = w.app.sequence().await;
    let new = |owner: &str| json!({"name": "P", "owner": owner});
    for owner in ["", "operator", "notebook:alpha", &format!("project:{}", w.atlas)] {
        w.app.post(OPERATOR, "/v1/projects", new(owner)).await.refused(400, "invalid_request");
        w.app.get(OPERATOR, &format!("/v1/projects?owner={owner}")).await.refused(400, "invalid_request");
    }
    let nobody = "account:acct_00000000000000000000000000";
    w.app.post(OPERATOR, "/v1/projects", new(nobody)).await.refused(404, "not_found");
    assert_eq!(w.app.sequence().await, before);
    w.app.patch(&w.atlas_full.secret, &path, json!({"name": "Atlas 2"})).await.ok(200);
    let closed = w.app.delete(&w.ada_full.secret, &path).await.ok(200);
    assert_eq!((&closed["closed"], &closed["revocation"]["state"]), (&json!(true), &json!("complete")));
    w.app.get(&w.ada_full.secret, &path).await.refused(404, "not_found");
}

#[tokio::test]
async fn members_of_a_project() {
    let w = World::new().await;
    let path = format!("/v1/projects/{}/members", w.atlas);
    let items = async || w.app.get(&w.ada_full.secret, &path).await.ok(200)["items"].clone();
    assert_eq!(items().await, json!([{"account": w.eve, "role": "viewer"}]));
    let role = |role: &str| -> Value { json!({"role": role}) };
    let bob = format!("{path}/{}", w.bob);
    w.app.put(&w.ada_full.secret, &bob, role("collaborator")).await.ok(200);
    w.app.put(&w.ada_full.secret, &bob, role("owner")).await.refused(400, "invalid_request");
    // A collaborator knows of the project, and does not manage it.
    w.app.get(&w.bob_full.secret, &path).await.ok(200);
    w.app.put(&w.bob_full.secret, &bob, role("admin")).await.refused(403, "forbidden");
    let subject = format!("project:{}", w.atlas);
    let new = json!({"name": "n", "subject": subject, "scopes": []});
    w.app.post(&w.bob_full.secret, "/v1/keys", new).await.refused(404, "not_found");
    w.app.get(&w.bob_full.secret, &format!("/v1/history?subject={subject}")).await.refused(403, "forbidden");
    w.app.delete(&w.ada_full.secret, &bob).await.ok(200);
    w.app.get(&w.bob_full.secret, &path).await.refused(404, "not_found");
}
