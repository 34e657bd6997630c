//! Every route, and who is denied there. The document that the code generates says which routes there are;
//! one without a row here fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{OPERATOR, TestApp};
use crate::world::{Key, World};

/// Routes that take no credential, and why.
pub const PUBLIC: [(&str, &str, &str); 5] = [
    ("GET", "/openapi.json", "the description is the same for everybody"),
    ("GET", "/playground", "a page that sends requests with the key it is given"),
    ("GET", "/problems/", "a page of text"),
    ("GET", "/problems/{code}", "a page of text"),
    ("POST", "/v1/leaks", "whoever reports a key holds it"),
];

/// Who may do what a row samples.
#[derive(Clone, Copy)]
enum By {
    Operator,
    Ada,
    Lab,
    /// Every credential that is accepted, as it concerns nobody else.
    Anybody,
}

struct Row {
    method: &'static str,
    route: &'static str,
    /// Who may.
    by: By,
    /// What Bob's key gets, which has every scope.
    foreign: u16,
    path: String,
    body: Option<Value>,
}

/// A valid request for every route. What each names is Ada's, or her team's or project's.
fn denials(w: &World) -> Vec<Row> {
    let parts = [of_keys(w), of_lives(w), of_accounts(w), of_teams(w), of_projects(w), of_resources(w)];
    parts.into_iter().flatten().collect()
}

fn row(
    method: &'static str,
    route: &'static str,
    by: By,
    foreign: u16,
    path: impl Into<String>,
    body: Option<Value>,
) -> Row {
    Row { method, route, by, foreign, path: path.into(), body }
}

fn of_keys(w: &World) -> Vec<Row> {
    let of_ada = format!("account:{}", w.ada);
    let (one, other) = (format!("/v1/keys/{}", w.ada_narrow.id), format!("/v1/keys/{}", w.ada_disabled.id));
    let new = json!({"name": "n", "subject": of_ada, "scopes": ["notebook:read"]});
    let verify = json!({"key": w.ada_full.secret});
    let batch = json!({"requests": [verify]});
    let change = format!("/v1/changes/chg_{:032x}", 7);
    vec![
        row("GET", "/v1/keys", By::Ada, 404, format!("/v1/keys?subject={of_ada}"), None),
        row("POST", "/v1/keys", By::Ada, 404, "/v1/keys", Some(new)),
        row("GET", "/v1/keys/{id}", By::Ada, 404, other.clone(), None),
        row("PATCH", "/v1/keys/{id}", By::Ada, 404, one, Some(json!({"name": "m"}))),
        row("DELETE", "/v1/keys/{id}", By::Ada, 404, other, None),
        row("POST", "/v1/verify", By::Operator, 403, "/v1/verify", Some(verify)),
        row("POST", "/v1/verify/batch", By::Operator, 403, "/v1/verify/batch", Some(batch)),
        row("GET", "/v1/whoami", By::Anybody, 200, "/v1/whoami", None),
        row("DELETE", "/v1/whoami/key", By::Anybody, 200, "/v1/whoami/key", None),
        row("GET", "/v1/changes/{change}", By::Anybody, 404, change, None),
    ]
}

/// What happens to keys after they were made, and what is known of their use.
fn of_lives(w: &World) -> Vec<Row> {
    let of_ada = format!("account:{}", w.ada);
    let imported =
        json!({"key": "legacy_0123456789abcdefghijklmnop", "name": "n", "subject": of_ada, "scopes": []});
    let (rows, begin) = (json!({"rows": [imported]}), json!({"dry_run": true}));
    let short = json!({"rows": [imported], "dry_run": true});
    let import = "/v1/keys/imports/imp_7";
    let usage = format!("/v1/usage?key={}", w.ada_disabled.id);
    let report = json!({"entries": [{"target": of_ada, "action": "run:create"}]});
    vec![
        row(
            "POST",
            "/v1/keys/{id}/rotate",
            By::Ada,
            404,
            format!("/v1/keys/{}/rotate", w.ada_narrow.id),
            Some(json!({})),
        ),
        row(
            "POST",
            "/v1/keys/revoke",
            By::Ada,
            404,
            "/v1/keys/revoke",
            Some(json!({"ids": [w.ada_disabled.id]})),
        ),
        // Whoever may import at all is told about each row.
        row("POST", "/v1/keys/import", By::Ada, 200, "/v1/keys/import", Some(short)),
        row("POST", "/v1/keys/imports", By::Ada, 201, "/v1/keys/imports", Some(begin)),
        // An import that is over, somebody else's and one that never was are the same conflict.
        row("GET", "/v1/keys/imports/{id}", By::Anybody, 200, import, None),
        row("DELETE", "/v1/keys/imports/{id}", By::Anybody, 200, import, None),
        row("POST", "/v1/keys/imports/{id}/rows", By::Anybody, 200, format!("{import}/rows"), Some(rows)),
        row("POST", "/v1/keys/imports/{id}/commit", By::Anybody, 200, format!("{import}/commit"), None),
        row("GET", "/v1/verify", By::Anybody, 200, "/v1/verify", None),
        row("GET", "/v1/usage", By::Ada, 404, usage, None),
        row("POST", "/v1/history", By::Ada, 404, "/v1/history", Some(report)),
    ]
}

fn of_accounts(w: &World) -> Vec<Row> {
    let one = format!("/v1/accounts/{}", w.ada);
    let (new, name) = (json!({"external_id": "x"}), json!({"name": "A"}));
    vec![
        row("GET", "/v1/accounts", By::Operator, 403, "/v1/accounts", None),
        row("POST", "/v1/accounts", By::Operator, 403, "/v1/accounts", Some(new)),
        row("PUT", "/v1/accounts/{id}", By::Operator, 403, "/v1/accounts/external:x", Some(json!({}))),
        row("GET", "/v1/accounts/{id}", By::Ada, 404, one.clone(), None),
        row("PATCH", "/v1/accounts/{id}", By::Ada, 404, one.clone(), Some(name)),
        row("DELETE", "/v1/accounts/{id}", By::Ada, 404, one, None),
    ]
}

fn of_teams(w: &World) -> Vec<Row> {
    let one = format!("/v1/teams/{}", w.lab);
    let (members, member) = (format!("{one}/members"), format!("{one}/members/{}", w.eve));
    let (new, name) = (json!({"name": "T", "owner": w.ada}), json!({"name": "L"}));
    let role = json!({"role": "member"});
    vec![
        row("GET", "/v1/teams", By::Ada, 404, format!("/v1/teams?member={}", w.ada), None),
        row("POST", "/v1/teams", By::Ada, 404, "/v1/teams", Some(new)),
        row("GET", "/v1/teams/{id}", By::Lab, 404, one.clone(), None),
        row("PATCH", "/v1/teams/{id}", By::Lab, 404, one.clone(), Some(name)),
        row("DELETE", "/v1/teams/{id}", By::Lab, 404, one, None),
        row("GET", "/v1/teams/{id}/members", By::Lab, 404, members, None),
        row("PUT", "/v1/teams/{id}/members/{account}", By::Lab, 404, member.clone(), Some(role)),
        row("DELETE", "/v1/teams/{id}/members/{account}", By::Lab, 404, member, None),
    ]
}

fn of_projects(w: &World) -> Vec<Row> {
    let one = format!("/v1/projects/{}", w.atlas);
    let (members, member) = (format!("{one}/members"), format!("{one}/members/{}", w.eve));
    let new = json!({"name": "P", "owner": format!("account:{}", w.ada)});
    let (name, role) = (json!({"name": "L"}), json!({"role": "collaborator"}));
    vec![
        row("GET", "/v1/projects", By::Ada, 404, format!("/v1/projects?member={}", w.ada), None),
        row("POST", "/v1/projects", By::Ada, 404, "/v1/projects", Some(new)),
        row("GET", "/v1/projects/{id}", By::Ada, 404, one.clone(), None),
        row("PATCH", "/v1/projects/{id}", By::Ada, 404, one.clone(), Some(name)),
        row("DELETE", "/v1/projects/{id}", By::Ada, 404, one, None),
        row("GET", "/v1/projects/{id}/members", By::Ada, 404, members, None),
        row("PUT", "/v1/projects/{id}/members/{account}", By::Ada, 404, member.clone(), Some(role)),
        row("DELETE", "/v1/projects/{id}/members/{account}", By::Ada, 404, member, None),
    ]
}

fn of_resources(w: &World) -> Vec<Row> {
    let one = "/v1/resources/notebook:alpha";
    let of_ada = format!("account:{}", w.ada);
    let put = json!({"owner": of_ada, "visibility": "private", "latest_version": 4, "versions": []});
    let mut listed = put.clone();
    listed["reference"] = json!("notebook:alpha");
    let all = json!({"resources": [listed]});
    vec![
        row("GET", "/v1/resources", By::Ada, 404, format!("/v1/resources?owner={of_ada}"), None),
        row("PUT", "/v1/resources", By::Operator, 403, "/v1/resources?type=notebook", Some(all)),
        row("GET", "/v1/resources/{reference}", By::Ada, 404, one, None),
        row("PUT", "/v1/resources/{reference}", By::Operator, 404, one, Some(put)),
        row("DELETE", "/v1/resources/{reference}", By::Ada, 404, one, None),
        row("GET", "/v1/history", By::Ada, 404, format!("/v1/history?subject={of_ada}"), None),
    ]
}

fn routes(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let methods = item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
    };
    paths.iter().flat_map(methods).collect()
}

#[tokio::test]
async fn every_route_has_a_row() {
    let world = World::new().await;
    let rows = denials(&world).into_iter().map(|row| (row.method.to_owned(), row.route.to_owned()));
    let public = PUBLIC.iter().map(|(method, path, why)| {
        assert!(!why.is_empty());
        ((*method).to_owned(), (*path).to_owned())
    });
    let known = rows.chain(public).collect::<BTreeSet<_>>();
    let routes = routes(&world.app.call("GET", "/openapi.json", None, None).await.json());
    assert_eq!(routes.difference(&known).collect::<Vec<_>>(), Vec::<&_>::new(), "routes without a row");
    assert_eq!(known.difference(&routes).collect::<Vec<_>>(), Vec::<&_>::new(), "rows without a route");
}

#[tokio::test]
async fn what_is_public_is_public() {
    let app = TestApp::start().await;
    for (method, path, _) in PUBLIC {
        let path = path.replace("{code}", "invalid_key");
        let body = (method == "POST").then(|| json!({"leaks": []}));
        assert_eq!(app.call(method, &path, None, body).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_denial_is_as_it_should_be_and_writes_nothing() {
    let count = denials(&World::new().await).len();
    for n in 0..count {
        // A world for each, as what is allowed in the end deletes things.
        let world = World::new().await;
        let row = denials(&world).swap_remove(n);
        let before = world.app.sequence().await;
        let deny = async |key: Option<&str>, status: u16, code: &str| {
            let answer = world.app.call(row.method, &row.path, key, row.body.clone()).await;
            let place = format!("{} {}: {}", row.method, row.path, String::from_utf8_lossy(&answer.body));
            assert_eq!(answer.status, status, "{place}");
            assert_eq!(answer.json()["code"], code, "{place}");
            assert_eq!(world.app.sequence().await, before, "{place}");
        };
        deny(None, 401, "credentials_required").await;
        deny(Some("sk_0000000000000000000000000000000000000"), 401, "invalid_key").await;
        deny(Some(&world.ada_disabled.secret), 401, "key_disabled").await;
        deny(Some(&world.ada_expired.secret), 401, "key_expired").await;
        let code = |status| if status == 404 { "not_found" } else { "forbidden" };
        let (own, narrow): (&str, Option<&Key>) = match row.by {
            By::Operator => (OPERATOR, Some(&world.operator_narrow)),
            By::Ada => (&world.ada_full.secret, Some(&world.ada_narrow)),
            By::Lab => (&world.lab_full.secret, Some(&world.lab_narrow)),
            By::Anybody => (&world.bob_full.secret, None),
        };
        if row.foreign >= 400 {
            deny(Some(&world.bob_full.secret), row.foreign, code(row.foreign)).await;
        }
        if let Some(narrow) = narrow {
            deny(Some(&narrow.secret), 403, "forbidden").await;
            // And the row is about a request that would have succeeded.
            let answer = world.app.call(row.method, &row.path, Some(own), row.body.clone()).await;
            assert!(answer.status.is_success(), "{} {}: {}", row.method, row.path, answer.text());
        }
    }
}

/// An owner in the body is a wish, not a fact: what names somebody else's is refused, and nothing is written.
#[tokio::test]
async fn a_foreign_owner_in_the_body_writes_nothing() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let of_ada = format!("account:{}", w.ada);
    let resource =
        |owner: &str| json!({"owner": owner, "visibility": "private", "latest_version": 1, "versions": []});
    let refused = async |method: &str, path: &str, body: Value| {
        let answer = w.app.call(method, path, Some(&w.bob_full.secret), Some(body.clone())).await;
        assert!([400, 403, 404].contains(&answer.status.as_u16()), "{path} {body}: {}", answer.text());
        assert_eq!(w.app.sequence().await, before, "{path} {body}");
    };
    for subject in [&of_ada, &format!("team:{}", w.lab), &format!("project:{}", w.atlas)] {
        refused("POST", "/v1/keys", json!({"name": "n", "subject": subject, "scopes": []})).await;
    }
    for subject in ["notebook:alpha", "operator"] {
        refused("POST", "/v1/keys", json!({"name": "n", "subject": subject, "scopes": []})).await;
    }
    refused("POST", "/v1/teams", json!({"name": "n", "owner": w.ada})).await;
    refused("POST", "/v1/teams", json!({"name": "n", "external_id": "theirs"})).await;
    for owner in [&of_ada, &format!("team:{}", w.lab)] {
        refused("POST", "/v1/projects", json!({"name": "n", "owner": owner})).await;
    }
    for owner in [&of_ada, &format!("team:{}", w.lab), &format!("project:{}", w.atlas)] {
        refused("PUT", "/v1/resources/notebook:new", resource(owner)).await;
    }
    // Nor somebody else's resource under one's own name, nor a name that only the host may give.
    let of_bob = format!("account:{}", w.bob);
    refused("PUT", "/v1/resources/notebook:alpha", resource(&of_bob)).await;
    refused("PUT", "/v1/resources/notebook:new", resource(&of_bob)).await;
    refused("PATCH", &format!("/v1/accounts/{}", w.bob), json!({"external_id": "Ada2"})).await;
}

/// An import belongs to the caller that began it, and to nobody else. Operators may end it, and do nothing else with it.
#[tokio::test]
async fn an_import_is_its_beginners() {
    let w = World::new().await;
    let begun = w.app.post(&w.ada_full.secret, "/v1/keys/imports", json!({})).await.ok(201);
    let path = format!("/v1/keys/imports/{}", begun["id"].as_str().unwrap());
    let of_bob = format!("account:{}", w.bob);
    let row =
        json!({"key": "legacy_0123456789abcdefghijklmnop", "name": "n", "subject": of_bob, "scopes": []});
    let calls = [
        ("GET", path.clone(), None),
        ("POST", format!("{path}/rows"), Some(json!({"rows": [row]}))),
        ("POST", format!("{path}/commit"), None),
        ("DELETE", path.clone(), None),
    ];
    let before = w.app.sequence().await;
    for (method, path, body) in &calls {
        for other in [&w.bob_full.secret, OPERATOR, &w.lab_full.secret] {
            if *method == "DELETE" && other == OPERATOR {
                continue;
            }
            w.app.call(method, path, Some(other), body.clone()).await.refused(409, "import_closed");
        }
    }
    assert_eq!(w.app.sequence().await, before);
    let progress = w.app.get(&w.ada_full.secret, &path).await.ok(200);
    assert_eq!((&progress["staged"], &progress["committed"]), (&json!(0), &json!(false)));
    w.app.delete(OPERATOR, &path).await.ok(200);
    w.app.get(&w.ada_full.secret, &path).await.refused(409, "import_closed");
}

/// The rows above are compared with the description, so a route has to be in that: all are added with `routes!`.
#[test]
fn no_route_is_left_out_of_the_description() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api"))];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            for undescribed in
                [".route(", ".route_service(", ".nest(", ".nest_service(", "Router::new().merge"]
            {
                let found = text.match_indices(undescribed).any(|(at, _)| !text[..at].ends_with("OpenApi"));
                // The script and the style of a page are the same for everybody.
                let page = path.ends_with("playground.rs") && undescribed == ".route(";
                assert!(!found || page, "{} adds a route with `{undescribed}`", path.display());
            }
        }
    }
    assert!(files > 50, "{files}");
}
