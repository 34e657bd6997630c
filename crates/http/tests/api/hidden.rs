//! What a caller may not know of looks like what does not exist, byte for byte.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::world::World;

/// Sends the same request about something foreign and about something that does not exist.
async fn alike(app: &TestApp, key: &str, method: &str, foreign: &str, nothing: &str, body: Option<&Value>) {
    let ask = async |path: &str| {
        let answer = app.call(method, path, Some(key), body.cloned()).await;
        answer.refused(404, "not_found");
        answer.fingerprint()
    };
    let (one, other) = (ask(foreign).await, ask(nothing).await);
    assert_eq!(one, other, "{method} {foreign}");
}

#[tokio::test]
async fn foreign_and_nonexistent_are_the_same() {
    let w = World::new().await;
    let key = &w.bob_full.secret;
    let nothing = "00000000000000000000000000";
    let before = w.app.sequence().await;
    let name = json!({"name": "x"});
    let role = json!({"role": "admin"});
    let key_of_ada = format!("/v1/keys/{}", w.ada_narrow.id);
    for (method, body) in [("GET", None), ("PATCH", Some(&name)), ("DELETE", None)] {
        alike(&w.app, key, method, &key_of_ada, &format!("/v1/keys/key_{nothing}"), body).await;
        for (group, id) in [("accounts/acct", &w.ada), ("teams/team", &w.lab), ("projects/proj", &w.atlas)] {
            let (group, prefix) = group.split_once('/').unwrap();
            let foreign = format!("/v1/{group}/{id}");
            alike(&w.app, key, method, &foreign, &format!("/v1/{group}/{prefix}_{nothing}"), body).await;
        }
    }
    for (group, id, prefix) in [("teams", &w.lab, "team"), ("projects", &w.atlas, "proj")] {
        let foreign = format!("/v1/{group}/{id}/members");
        let none = format!("/v1/{group}/{prefix}_{nothing}/members");
        alike(&w.app, key, "GET", &foreign, &none, None).await;
        for (method, body) in [("PUT", Some(&role)), ("DELETE", None)] {
            let (foreign, none) = (format!("{foreign}/{}", w.eve), format!("{none}/{}", w.eve));
            alike(&w.app, key, method, &foreign, &none, body).await;
        }
    }
    for method in ["GET", "DELETE"] {
        alike(&w.app, key, method, "/v1/resources/notebook:alpha", "/v1/resources/notebook:none", None).await;
    }
    for list in ["keys?subject", "history?subject", "resources?owner", "projects?owner"] {
        let foreign = format!("/v1/{list}=account:{}", w.ada);
        alike(&w.app, key, "GET", &foreign, &format!("/v1/{list}=account:acct_{nothing}"), None).await;
    }
    // An identifier that cannot be one names nothing, either.
    for odd in ["x", "key_", "acct_00000000000000000000000000", "%00", "%ff", "key_%2e%2e", "..%2f.."] {
        alike(&w.app, key, "GET", &key_of_ada, &format!("/v1/keys/{odd}"), None).await;
    }
    alike(&w.app, key, "GET", &key_of_ada, "/v1/nothing/here", None).await;
    assert_eq!(w.app.sequence().await, before);
}

#[tokio::test]
async fn a_foreign_key_is_left_as_it_was() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.ada_narrow.id);
    let shown = async || w.app.get(&w.ada_full.secret, &path).await.ok(200);
    let before = shown().await;
    for body in [json!({"status": "disabled"}), json!({"scopes": ["*:*"]}), json!({"name": "mine"})] {
        w.app.patch(&w.bob_full.secret, &path, body).await.refused(404, "not_found");
    }
    w.app.delete(&w.bob_full.secret, &path).await.refused(404, "not_found");
    assert_eq!(shown().await, before);
}

/// A listing leaves out what the same credential could not open.
#[tokio::test]
async fn listings_show_what_can_be_opened() {
    let w = World::new().await;
    let listed = async |key: &str, path: &str, field: &str| {
        let page = w.app.get(key, path).await.ok(200);
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of_lab = format!("/v1/resources?owner=team:{}", w.lab);
    assert_eq!(listed(&w.lab_full.secret, &of_lab, "reference").await, ["notebook:shared"]);
    // Keys of accounts do not reach what teams hold, so not the teams either.
    assert_eq!(listed(&w.ada_full.secret, "/v1/teams", "id").await, Vec::<String>::new());
    assert_eq!(listed(&w.ada_full.secret, "/v1/projects", "id").await, std::slice::from_ref(&w.atlas));
    let owner = format!("team:{}", w.lab);
    let made = json!({"name": "Lab's own", "owner": owner});
    w.app.post(&w.lab_full.secret, "/v1/projects", made).await.ok(201);
    let of_lab = format!("/v1/projects?owner={owner}");
    assert_eq!(listed(&w.lab_full.secret, &of_lab, "id").await, Vec::<String>::new());
}
