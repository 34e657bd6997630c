//! `/v1/keys`, `/v1/whoami` and `/v1/changes`.

use serde_json::json;

use crate::app::{OPERATOR, TestApp};
use crate::world::World;

#[tokio::test]
async fn a_key_from_its_creation_to_its_end() {
    let w = World::new().await;
    let subject = format!("account:{}", w.ada);
    let body = json!({
        "name": " CI ", "subject": subject, "scopes": ["run:create", "notebook:read"],
        "expires_at": "2027-02-01T00:00:00+01:00", "metadata": {"team": "blue"},
        "restrictions": {"addresses": ["127.0.0.0/8", "::1"], "rate": {"limit": 5, "period_seconds": 60}},
    });
    let answer = w.app.post(&w.ada_full.secret, "/v1/keys", body).await;
    assert_eq!(answer.header("etag"), "\"r1\"");
    let made = answer.ok(201);
    let (secret, id) = (made["secret"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    assert!(secret.starts_with("sk_") && secret.len() == 41);
    assert_eq!(made["key"]["name"], "CI");
    assert_eq!(made["key"]["kind"], "account");
    assert_eq!(made["key"]["expires_at"], "2027-01-31T23:00:00Z");
    assert_eq!(made["key"]["created_by"], format!("key:{}", w.ada_full.id));
    assert_eq!(made["key"]["created_via"], "api");
    assert_eq!(made["key"]["preview"], format!("sk_...{}", &secret[37..]));
    assert_eq!(made["key"]["scopes"], json!(["notebook:read", "run:create"]));

    let path = format!("/v1/keys/{id}");
    let shown = w.app.get(&w.ada_full.secret, &path).await;
    assert_eq!((shown.header("etag"), &shown.json()), ("\"r1\"", &made["key"]));
    assert_eq!(w.app.get(secret, &path).await.json(), made["key"], "a key may read itself");

    let narrower = json!({"scopes": ["notebook:read"], "metadata": {}});
    let answer = w.app.patch(&w.ada_full.secret, &path, narrower).await;
    assert_eq!(answer.header("etag"), "\"r2\"");
    let changed = answer.ok(200);
    assert_eq!(changed["scopes"], json!(["notebook:read"]));
    assert_eq!(changed["revocation"]["state"], "complete");
    assert_eq!(changed["revocation"]["acknowledged_by"].as_array().unwrap().len(), 1);
    let change = changed["revocation"]["change"].as_str().unwrap();
    let followed = w.app.get(&w.ada_narrow.secret, &format!("/v1/changes/{change}")).await.ok(200);
    assert_eq!((&followed["state"], &followed["change"]), (&json!("complete"), &json!(change)));

    let renamed = w.app.patch(&w.ada_full.secret, &path, json!({"name": "CI 2"})).await.ok(200);
    assert!(renamed.get("revocation").is_none(), "nothing was taken away");
    let gone = w.app.delete(&w.ada_full.secret, &path).await.ok(200);
    assert_eq!((&gone["id"], &gone["deleted"]), (&json!(id), &json!(true)));
    assert_eq!(gone["revocation"]["state"], "complete");
    w.app.get(secret, "/v1/whoami").await.refused(401, "invalid_key");
    w.app.get(&w.ada_full.secret, &path).await.refused(404, "not_found");
    w.app.delete(&w.ada_full.secret, &path).await.refused(404, "not_found");
}

#[tokio::test]
async fn what_a_patch_changes() {
    let w = World::new().await;
    let path = format!("/v1/keys/{}", w.open.id);
    let patch = async |body| w.app.patch(OPERATOR, &path, body).await.ok(200);
    assert_eq!(patch(json!({"versions": "@3"})).await["versions"], "@3");
    assert_eq!(patch(json!({"versions": null})).await["versions"], json!(null));
    assert_eq!(patch(json!({"grants": ["databases"]})).await["grants"], json!(["databases"]));
    assert_eq!(patch(json!({"grants": []})).await["grants"], json!([]));
    assert_eq!(
        patch(json!({"expires_at": "2028-01-01T00:00:00Z"})).await["expires_at"],
        "2028-01-01T00:00:00Z"
    );
    assert_eq!(patch(json!({"expires_at": null})).await["expires_at"], json!(null));
    let restrictions =
        json!({"addresses": null, "origins": ["https://example.org"], "rate": null, "quota": null});
    assert_eq!(patch(json!({"restrictions": restrictions})).await["restrictions"], restrictions);
    let none = json!({"addresses": null, "origins": null, "rate": null, "quota": null});
    assert_eq!(patch(json!({"restrictions": null})).await["restrictions"], none);
    assert_eq!(
        patch(json!({"metadata": {"b": "2", "a": "1"}})).await["metadata"],
        json!({"a": "1", "b": "2"})
    );
    assert_eq!(patch(json!({"status": "disabled"})).await["status"], "disabled");
    let again = patch(json!({"status": "disabled"})).await;
    assert_eq!(again["revocation"]["state"], "complete", "a repeat is as good as the first");
    assert_eq!(again["revocation"]["change"], json!(null));
    assert_eq!(patch(json!({"status": "active"})).await["status"], "active");
    let same = patch(json!({})).await;
    assert!(same.get("revocation").is_none());

    for body in [
        json!({"name": null}),
        json!({"name": ""}),
        json!({"name": "a\u{0}b"}),
        json!({"name": "x".repeat(129)}),
        json!({"status": "expired"}),
        json!({"status": null}),
        json!({"scopes": null}),
        json!({"scopes": ["read"]}),
        json!({"versions": "12"}),
        json!({"versions": ""}),
        json!({"grants": ["cookies"]}),
        json!({"grants": null}),
        json!({"expires_at": "2020-01-01T00:00:00Z"}),
        json!({"restrictions": {"addresses": ["example.org"]}}),
        json!({"restrictions": {"rate": {"limit": 0, "period_seconds": 1}}}),
        json!({"metadata": {"": "x"}}),
        json!({"metadata": null}),
    ] {
        let answer = w.app.patch(OPERATOR, &path, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.json()["code"], "invalid_request", "{body}");
    }
    for body in [
        json!({"restrictions": [["192.0.2.0/24"], null, null]}),
        json!({"restrictions": {"rate": [1, 1]}}),
        json!({"restrictions": {"blocks": []}}),
        json!({"scopes": "*:*"}),
        json!({"subject": "operator"}),
        json!({"metadata": {"a": 1}}),
    ] {
        w.app.patch(OPERATOR, &path, body).await.refused(400, "malformed_json");
    }
    let account = format!("/v1/keys/{}", w.ada_narrow.id);
    w.app.patch(OPERATOR, &account, json!({"versions": "@1"})).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn listing() {
    let w = World::new().await;
    let ids = async |key: &str, query: &str| {
        let page = w.app.get(key, &format!("/v1/keys?{query}")).await.ok(200);
        let ids = page["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned());
        (ids.collect::<Vec<_>>(), page["next_cursor"].as_str().map(str::to_owned))
    };
    let own = &w.ada_full.secret;
    let (mine, _) = ids(own, "").await;
    assert_eq!(mine.len(), 4, "one that names no subject means its own");
    let (named, _) = ids(own, &format!("subject=account:{}", w.ada)).await;
    assert_eq!(named, mine);
    let (first, cursor) = ids(own, "limit=3").await;
    let (second, end) = ids(own, &format!("limit=3&cursor={}", cursor.unwrap())).await;
    assert_eq!(([first, second].concat(), end), (mine, None));
    assert_eq!(ids(own, "status=disabled").await.0, std::slice::from_ref(&w.ada_disabled.id));
    assert_eq!(ids(own, "status=expired").await.0, std::slice::from_ref(&w.ada_expired.id));
    assert_eq!(ids(OPERATOR, "kind=resource").await.0.len(), 2);
    assert_eq!(ids(OPERATOR, "subject=notebook:alpha&status=active").await.0.len(), 2);
    assert_eq!(ids(OPERATOR, "created_by=system").await.0.len(), 1);
    assert_eq!(ids(OPERATOR, "kind=operator&unused_since=2027-01-15T07:59:59Z").await.0.len(), 0);
    assert_eq!(ids(OPERATOR, "kind=operator&unused_since=2027-01-15T08:00:05Z").await.0.len(), 1);
    w.app.get(&w.pinned.secret, "/v1/keys").await.refused(403, "forbidden");
    for query in [
        "kind=x",
        "status=gone",
        "created_by=ada",
        "subject=ada",
        "subject=account:%00",
        "unused_since=yesterday",
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=",
        "limit=1&limit=2",
        "cursor=",
        "cursor=x",
        "cursor=key_%00",
        "page=2",
    ] {
        w.app.get(OPERATOR, &format!("/v1/keys?{query}")).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn whoami() {
    let w = World::new().await;
    let told = w.app.get(&w.ada_narrow.secret, "/v1/whoami").await.ok(200);
    assert_eq!((&told["kind"], &told["key"]["id"]), (&json!("key"), &json!(w.ada_narrow.id)));
    assert_eq!(told.as_object().unwrap().len(), 2);
    assert_eq!(w.app.get(OPERATOR, "/v1/whoami").await.ok(200)["key"]["kind"], "operator");
    assert_eq!(w.app.get(&w.pinned.secret, "/v1/whoami").await.ok(200)["key"]["versions"], "@2");

    let before = w.app.sequence().await;
    w.app.delete(&w.pinned.secret, "/v1/whoami/key").await.refused(403, "forbidden");
    w.app.delete(&w.pinned.secret, &format!("/v1/keys/{}", w.pinned.id)).await.refused(403, "forbidden");
    assert_eq!(w.app.sequence().await, before, "a key that stands in public pages does not end itself");
    let gone = w.app.delete(&w.ada_narrow.secret, "/v1/whoami/key").await.ok(200);
    assert_eq!((&gone["id"], &gone["revocation"]["state"]), (&json!(w.ada_narrow.id), &json!("complete")));
    w.app.get(&w.ada_narrow.secret, "/v1/whoami").await.refused(401, "invalid_key");
    w.app.delete(OPERATOR, "/v1/whoami/key").await.ok(200);
    w.app.get(OPERATOR, "/v1/whoami").await.refused(401, "invalid_key");
}

#[tokio::test]
async fn creation_refuses_what_cannot_be() {
    let app = TestApp::start().await;
    let before = app.sequence().await;
    let new = |more: serde_json::Value| {
        let mut body = json!({"name": "n", "subject": "operator", "scopes": []});
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        body
    };
    for more in [
        json!({"name": " "}),
        json!({"subject": "operators"}),
        json!({"subject": "account:acct_1"}),
        json!({"subject": "Notebook:1"}),
        json!({"scopes": ["*"]}),
        json!({"scopes": (0..65).map(|n| format!("t{n}:read")).collect::<Vec<_>>()}),
        json!({"versions": "@1"}),
        json!({"grants": []}),
        json!({"format": "none"}),
        json!({"expires_at": "2027-01-15T08:00:00Z"}),
        json!({"metadata": (0..17).map(|n| (n.to_string(), json!(""))).collect::<serde_json::Map<_, _>>()}),
    ] {
        app.post(OPERATOR, "/v1/keys", new(more)).await.refused(400, "invalid_request");
    }
    let unnamed = json!({"name": "n", "subject": "operator"});
    app.post(OPERATOR, "/v1/keys", unnamed).await.refused(400, "invalid_request");
    let nowhere = new(json!({"subject": "notebook:none"}));
    app.post(OPERATOR, "/v1/keys", nowhere).await.refused(404, "not_found");
    assert_eq!(app.sequence().await, before);
}
