//! Every door by which somebody could win a secret, or widen what a key may do: whoever goes through has at
//! least the rights that lie behind it. Each door is tried by callers that lack one thing each, which are
//! refused and have written nothing, and then by one that lacks nothing.

use serde_json::{Value, json};

use crate::app::OPERATOR;
use crate::world::{FULL, World, key};

/// What lies behind most of the doors: a key that writes samples, for ever and from everywhere.
const BEHIND: [&str; 1] = ["sample:write"];
/// A text that is imported: no format of ours, and hard enough to guess.
const TEXT: &str = "legacy_kq7Zp2Xw9Lr4Tn8Vb3Ms6Yc1Hd5Jf0";
/// SHA-256 of that text.
const TEXT_SHA256: &str = "7e109fed140133e6299d43fd62b47340c3b43c0d1085a51a0eb07b5a67561160";

struct Door {
    name: &'static str,
    method: &'static str,
    path: String,
    body: Value,
    /// Who may: nobody but operators where it is not Ada's key with every scope.
    opened_by: String,
}

/// Somebody who lacks something.
struct Narrow {
    lacks: &'static str,
    secret: String,
    status: u16,
}

async fn callers(w: &World) -> Vec<Narrow> {
    let of_ada = format!("account:{}", w.ada);
    let made = async |scopes: &[&str], more: Value| {
        let mut body = json!({"name": "narrow", "subject": of_ada, "scopes": scopes});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key(&w.app, body).await.secret
    };
    let manages = ["key:create", "key:read", "key:update", "key:delete", "notebook:read"];
    let unmanaging = FULL.iter().copied().filter(|scope| !scope.starts_with("key:")).collect::<Vec<_>>();
    let restrictions = |restrictions: Value| json!({"restrictions": restrictions});
    let rate = json!({"rate": {"limit": 1_000_000, "period_seconds": 1}});
    let quota = json!({"quota": {"limit": 1_000_000, "period": "day"}});
    let secrets = [
        ("the scopes", made(&manages, json!({})).await, 403),
        ("the scope to manage", made(&unmanaging, json!({})).await, 403),
        ("the time", made(&FULL, json!({"expires_at": "2027-06-01T00:00:00Z"})).await, 403),
        ("the addresses", made(&FULL, restrictions(json!({"addresses": ["127.0.0.0/8"]}))).await, 403),
        ("the rate", made(&FULL, restrictions(rate)).await, 403),
        ("the quota", made(&FULL, restrictions(quota)).await, 403),
        ("the account", w.bob_full.secret.clone(), 404),
        ("the account, being a team", w.lab_full.secret.clone(), 404),
    ];
    secrets.map(|(lacks, secret, status)| Narrow { lacks, secret, status }).into()
}

/// The doors, each with a key of its own behind it.
async fn doors(w: &World) -> Vec<Door> {
    let of_ada = format!("account:{}", w.ada);
    let made = async |more: Value| {
        let mut body = json!({"name": "behind", "subject": of_ada, "scopes": BEHIND});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("/v1/keys/{}", key(&w.app, body).await.id)
    };
    let disabled = made(json!({})).await;
    w.app.patch(OPERATOR, &disabled, json!({"status": "disabled"})).await.ok(200);
    let restricted = |restrictions: Value| json!({"restrictions": restrictions});
    let (office, site) = (json!({"addresses": ["192.0.2.0/24"]}), json!({"origins": ["https://a.example"]}));
    let slow = json!({"rate": {"limit": 1, "period_seconds": 60}});
    let few = json!({"quota": {"limit": 1, "period": "day"}});
    let patches = [
        ("enable", disabled, json!({"status": "active"})),
        (
            "a later expiry",
            made(json!({"expires_at": "2027-02-01T00:00:00Z"})).await,
            json!({"expires_at": null}),
        ),
        ("more scopes", made(json!({"scopes": []})).await, json!({"scopes": BEHIND})),
        ("more addresses", made(restricted(office)).await, json!({"restrictions": null})),
        ("more origins", made(restricted(site)).await, json!({"restrictions": null})),
        ("a faster rate", made(restricted(slow)).await, json!({"restrictions": null})),
        ("a larger quota", made(restricted(few)).await, json!({"restrictions": null})),
    ];
    let ada = || w.ada_full.secret.clone();
    let mut doors = patches
        .map(|(name, path, body)| Door { name, method: "PATCH", path, body, opened_by: ada() })
        .into_iter()
        .collect::<Vec<_>>();
    let create = json!({"name": "n", "subject": of_ada, "scopes": BEHIND});
    let rotate = format!("{}/rotate", made(json!({})).await);
    doors.push(Door {
        name: "create",
        method: "POST",
        path: "/v1/keys".into(),
        body: create,
        opened_by: ada(),
    });
    doors.push(Door { name: "rotate", method: "POST", path: rotate, body: json!({}), opened_by: ada() });
    doors.extend(of_a_notebook(w).await);
    doors
}

/// Doors to keys of one notebook, which Ada holds; what they carry into a page only operators and people give.
async fn of_a_notebook(w: &World) -> Vec<Door> {
    let body = json!({"name": "page", "subject": "notebook:alpha", "versions": "@2", "grants": []});
    let pinned = format!("/v1/keys/{}", key(&w.app, body.clone()).await.id);
    let bare = format!("/v1/keys/{}", key(&w.app, body.clone()).await.id);
    let mut granted = body.clone();
    granted["grants"] = json!(["secrets"]);
    let door = |name, method, path: &str, body, opened_by: &str| Door {
        name,
        method,
        path: path.to_owned(),
        body,
        opened_by: opened_by.to_owned(),
    };
    let ada = &w.ada_full.secret;
    vec![
        door("more versions", "PATCH", &pinned, json!({"versions": null}), ada),
        door("a key of a resource", "POST", "/v1/keys", body, ada),
        door("more grants", "PATCH", &bare, json!({"grants": ["databases"]}), OPERATOR),
        door("a key with grants", "POST", "/v1/keys", granted, OPERATOR),
    ]
}

#[tokio::test]
async fn whoever_lacks_something_is_refused_and_has_written_nothing() {
    let w = World::new().await;
    let (callers, doors) = (callers(&w).await, doors(&w).await);
    let before = w.app.sequence().await;
    for door in &doors {
        let ask = async |secret: &str| {
            w.app.call(door.method, &door.path, Some(secret), Some(door.body.clone())).await
        };
        for narrow in &callers {
            let answer = ask(&narrow.secret).await;
            let place = format!("{} without {}: {}", door.name, narrow.lacks, answer.text());
            assert_eq!(answer.status, narrow.status, "{place}");
            assert_eq!(answer.json().get("secret"), None, "{place}");
        }
        if door.opened_by == OPERATOR {
            ask(&w.ada_full.secret).await.refused(403, "forbidden");
        }
    }
    assert_eq!(w.app.sequence().await, before, "somebody has written something");
    for door in &doors {
        let answer =
            w.app.call(door.method, &door.path, Some(&door.opened_by), Some(door.body.clone())).await;
        assert!(answer.status.is_success(), "{}: {}", door.name, answer.text());
    }
}

/// What wins nothing is open to everybody who manages keys, however narrow.
#[tokio::test]
async fn what_wins_nothing_is_open() {
    let w = World::new().await;
    let of_ada = format!("account:{}", w.ada);
    let wide = key(&w.app, json!({"name": "wide", "subject": of_ada, "scopes": ["*:*"]})).await;
    let path = format!("/v1/keys/{}", wide.id);
    for narrow in callers(&w).await.iter().filter(|narrow| narrow.status == 403) {
        let expect = if narrow.lacks == "the scope to manage" { 403 } else { 200 };
        let renamed = w.app.patch(&narrow.secret, &path, json!({"name": "again"})).await;
        assert_eq!(renamed.status, expect, "{}: {}", narrow.lacks, renamed.text());
        assert_eq!(w.app.get(&narrow.secret, &path).await.status, expect, "{}", narrow.lacks);
    }
    let narrow = &callers(&w).await[0].secret;
    w.app.patch(narrow, &path, json!({"scopes": ["sample:read"]})).await.ok(200);
    w.app.patch(narrow, &path, json!({"expires_at": "2027-02-01T00:00:00Z"})).await.ok(200);
    w.app.patch(narrow, &path, json!({"status": "disabled"})).await.ok(200);
    w.app.patch(narrow, &path, json!({"status": "active"})).await.refused(403, "forbidden");
    w.app.delete(narrow, &path).await.ok(200);
}

#[tokio::test]
async fn imports() {
    let w = World::new().await;
    let of_ada = format!("account:{}", w.ada);
    let rows = [json!({"key": TEXT}), json!({"sha256": TEXT_SHA256})].map(|mut row| {
        row.as_object_mut()
            .unwrap()
            .extend(json!({"name": "old", "subject": of_ada, "scopes": BEHIND}).as_object().unwrap().clone());
        row
    });
    let works = async || w.app.get(TEXT, "/v1/whoami").await.status == 200;
    let import = async |secret: &str, row: &Value| {
        let body = json!({"rows": [row], "digests_are_strong": true});
        w.app.post(secret, "/v1/keys/import", body).await
    };
    for row in &rows {
        for narrow in callers(&w).await {
            let answer = import(&narrow.secret, row).await;
            let refused = match answer.status.as_u16() {
                200 => answer.json()["outcomes"][0]["outcome"] == "refused",
                status => status == 403 && narrow.lacks == "the scope to manage",
            };
            assert!(refused, "{}: {}", narrow.lacks, answer.text());
            assert!(!works().await, "{}", narrow.lacks);
        }
    }
    let done = import(&w.ada_full.secret, &rows[1]).await.ok(200);
    assert_eq!(done["outcomes"][0]["outcome"], "imported", "{done}");
    assert!(works().await);
    let again = import(&w.ada_full.secret, &rows[0]).await.ok(200);
    assert_eq!(again["outcomes"][0]["outcome"], "duplicate", "the digest is that of the text: {again}");
}

/// What was closed is opened by operators with the scope for it, and by nobody else.
#[tokio::test]
async fn opening_again() {
    let w = World::new().await;
    let paths = [
        format!("/v1/projects/{}", w.atlas),
        format!("/v1/teams/{}", w.lab),
        format!("/v1/accounts/{}", w.ada),
    ];
    for path in &paths {
        w.app.delete(OPERATOR, path).await.ok(200);
    }
    let before = w.app.sequence().await;
    for path in &paths {
        let open = async |secret: &str| w.app.patch(secret, path, json!({"closed": false})).await;
        for secret in [&w.ada_full.secret, &w.lab_full.secret, &w.atlas_full.secret] {
            open(secret).await.refused(401, "key_disabled");
        }
        open(&w.bob_full.secret).await.refused(404, "not_found");
        open(&w.operator_narrow.secret).await.refused(403, "forbidden");
    }
    assert_eq!(w.app.sequence().await, before);
    for path in paths.iter().rev() {
        assert_eq!(w.app.patch(OPERATOR, path, json!({"closed": false})).await.ok(200)["closed"], false);
    }
    w.app.get(&w.ada_full.secret, &paths[0]).await.ok(200);
}

/// `key:verify` is given by operators, and nobody else gives it, not even who has it.
#[tokio::test]
async fn verification_is_given_by_operators() {
    let w = World::new().await;
    let of_ada = format!("account:{}", w.ada);
    let new = |scope: &str| json!({"name": "n", "subject": of_ada, "scopes": [scope]});
    let verifies = [FULL.as_slice(), &["key:*"]].concat();
    let all = json!({"name": "all", "subject": of_ada, "scopes": verifies});
    let owner = key(&w.app, all).await;
    let before = w.app.sequence().await;
    for secret in [&owner.secret, &w.ada_full.secret] {
        for scope in ["key:verify", "key:*"] {
            w.app.post(secret, "/v1/keys", new(scope)).await.refused(403, "forbidden");
            let path = format!("/v1/keys/{}", w.ada_narrow.id);
            w.app.patch(secret, &path, json!({"scopes": [scope]})).await.refused(403, "forbidden");
        }
        let rotate = format!("/v1/keys/{}/rotate", owner.id);
        w.app.post(secret, &rotate, json!({})).await.refused(403, "forbidden");
    }
    assert_eq!(w.app.sequence().await, before);
    let made = key(&w.app, new("key:verify")).await;
    w.app.post(&made.secret, "/v1/verify", json!({"key": TEXT})).await.ok(200);
    // An operator key that has it not gives it to no operator key.
    let creator = key(&w.app, json!({"name": "c", "subject": "operator", "scopes": ["key:create"]})).await;
    let operator = json!({"name": "n", "subject": "operator", "scopes": ["key:verify"]});
    w.app.post(&creator.secret, "/v1/keys", operator).await.refused(403, "forbidden");
}

/// Whoever finds a key of one resource in a page cannot end it: not by itself, not with a report.
#[tokio::test]
async fn a_key_in_a_page_is_not_killed_by_whoever_reads_it() {
    let w = World::new().await;
    let report = async |secret: &str, more: Value| {
        let mut leak = json!({"key": secret});
        leak.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        w.app.call("POST", "/v1/leaks", None, Some(json!({"leaks": [leak]}))).await.ok(200)["outcomes"][0]
            .clone()
    };
    assert_eq!(report(&w.pinned.secret, json!({"source": "x"})).await, "told");
    let path = format!("/v1/keys/{}", w.pinned.id);
    w.app.delete(&w.pinned.secret, "/v1/whoami/key").await.refused(403, "forbidden");
    w.app.delete(&w.pinned.secret, &path).await.refused(403, "forbidden");
    w.app
        .post(&w.pinned.secret, "/v1/keys/revoke", json!({"ids": [w.pinned.id]}))
        .await
        .refused(403, "forbidden");
    w.app.post(&w.pinned.secret, &format!("{path}/rotate"), json!({})).await.refused(404, "not_found");
    w.app.patch(&w.pinned.secret, &path, json!({"status": "disabled"})).await.refused(404, "not_found");
    assert_eq!(w.app.get(&w.pinned.secret, "/v1/whoami").await.ok(200)["key"]["status"], "active");
    assert_eq!(report(&w.ada_full.secret, json!({})).await, "disabled");
    w.app.get(&w.ada_full.secret, "/v1/whoami").await.refused(401, "key_disabled");
}
