//! Every operation of the description, asked about things that are hidden from the caller and about things that
//! do not exist: the answers are the same byte by byte, and so is what they leave behind. An operation that is
//! not listed here fails the test.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::app::{Answer, OPERATOR, TestApp};
use crate::world::{FULL, Key, World, key};

/// What a request is about: everything of it hidden from the caller, or everything missing.
struct Things {
    key: String,
    account: String,
    team: String,
    project: String,
    resource: &'static str,
    import: String,
}

impl Things {
    fn missing() -> Self {
        let nothing = "00000000000000000000000000";
        Self {
            key: format!("key_{nothing}"),
            account: format!("acct_{nothing}"),
            team: format!("team_{nothing}"),
            project: format!("proj_{nothing}"),
            resource: "notebook:omega",
            import: "imp_9".to_owned(),
        }
    }

    fn hidden(w: &World, import: String) -> Self {
        Self {
            key: w.ada_narrow.id.clone(),
            account: w.ada.clone(),
            team: w.lab.clone(),
            project: w.atlas.clone(),
            resource: "notebook:alpha",
            import,
        }
    }

    /// As what keys stand for and as targets.
    fn references(&self) -> [String; 4] {
        [
            format!("account:{}", self.account),
            format!("team:{}", self.team),
            format!("project:{}", self.project),
            self.resource.to_owned(),
        ]
    }

    /// The names of these things in a text, made alike.
    fn without_names(&self, text: &str) -> String {
        let names = [&self.key, &self.account, &self.team, &self.project, self.resource, &self.import];
        let text = names.iter().fold(text.to_owned(), |text, name| text.replace(*name, "THING"));
        // Each dry run is an import of its own, with a random number.
        let mut parts = text.split("imp_");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + "imp_" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
    }
}

/// One request.
type Probe = (&'static str, String, Option<Value>);

/// Operations that name nothing which could be hidden, and why.
const NAMELESS: [(&str, &str); 14] = [
    ("read_description", "the same for everybody"),
    ("read_playground", "the same for everybody"),
    ("list_problems", "the same for everybody"),
    ("read_problem", "the same for everybody"),
    ("whoami", "about the caller alone"),
    ("delete_own_key", "about the caller alone"),
    ("report", "whoever reports a key holds its text"),
    ("begin_import", "names nothing yet"),
    ("read_change", "128 random bits that only those have who were told of the change"),
    ("create_account", "for operators, who may know everything"),
    ("put_account", "for operators, who may know everything"),
    ("list_accounts", "for operators, who may know everything"),
    ("reconcile_resources", "for operators, who may know everything"),
    ("create_team", "its owner becomes the caller's account unless an operator says another"),
];

fn about_keys(t: &Things) -> Vec<(&'static str, Vec<Probe>)> {
    let one = format!("/v1/keys/{}", t.key);
    let of = t.references();
    let new = |subject: &String| json!({"name": "n", "subject": subject, "scopes": []});
    let create = of.iter().map(|of| ("POST", "/v1/keys".to_owned(), Some(new(of)))).collect();
    let list = of.iter().map(|of| ("GET", format!("/v1/keys?subject={of}"), None)).collect();
    let mut revoke = vec![("POST", "/v1/keys/revoke".to_owned(), Some(json!({"ids": [t.key]})))];
    revoke.extend(of.iter().map(|of| ("POST", "/v1/keys/revoke".to_owned(), Some(json!({"subject": of})))));
    let rows = of.iter().enumerate().map(|(n, of)| {
        json!({"key": format!("legacy_0123456789abcdefghijklmno{n}"), "name": "n", "subject": of, "scopes": []})
    });
    let rows = rows.collect::<Vec<_>>();
    let import = format!("/v1/keys/imports/{}", t.import);
    let import_rows = Some(json!({"rows": rows}));
    vec![
        ("create_key", create),
        ("list_keys", list),
        ("read_key", vec![("GET", one.clone(), None)]),
        (
            "update_key",
            vec![
                ("PATCH", one.clone(), Some(json!({"name": "m"}))),
                ("PATCH", one.clone(), Some(json!({"status": "disabled", "scopes": ["*:*"]}))),
            ],
        ),
        ("rotate_key", vec![("POST", format!("{one}/rotate"), Some(json!({})))]),
        ("delete_key", vec![("DELETE", one, None)]),
        ("revoke_keys", revoke),
        (
            "import_keys",
            vec![("POST", "/v1/keys/import".to_owned(), Some(json!({"rows": rows, "dry_run": true})))],
        ),
        ("show_import", vec![("GET", import.clone(), None)]),
        ("abandon_import", vec![("DELETE", import.clone(), None)]),
        ("stage_import_rows", vec![("POST", format!("{import}/rows"), import_rows)]),
        ("commit_import", vec![("POST", format!("{import}/commit"), None)]),
        ("read_usage", vec![("GET", format!("/v1/usage?key={}", t.key), None)]),
    ]
}

fn about_groups(w: &World, t: &Things) -> Vec<(&'static str, Vec<Probe>)> {
    let role = Some(json!({"role": "admin"}));
    let account = format!("/v1/accounts/{}", t.account);
    let (team, project) = (format!("/v1/teams/{}", t.team), format!("/v1/projects/{}", t.project));
    let change = |path: &String| {
        vec![
            ("PATCH", path.clone(), Some(json!({"name": "m"}))),
            ("PATCH", path.clone(), Some(json!({"closed": true}))),
        ]
    };
    let of = t.references();
    let create = of[..3]
        .iter()
        .map(|owner| ("POST", "/v1/projects".to_owned(), Some(json!({"name": "n", "owner": owner}))));
    let mut list = t.references()[..3]
        .iter()
        .map(|owner| ("GET", format!("/v1/projects?owner={owner}"), None))
        .collect::<Vec<_>>();
    list.push(("GET", format!("/v1/projects?member=account:{}", t.account), None));
    vec![
        ("read_account", vec![("GET", account.clone(), None)]),
        ("update_account", change(&account)),
        ("delete_account", vec![("DELETE", account, None)]),
        ("list_teams", vec![("GET", format!("/v1/teams?member=account:{}", t.account), None)]),
        ("read_team", vec![("GET", team.clone(), None)]),
        ("update_team", change(&team)),
        ("delete_team", vec![("DELETE", team.clone(), None)]),
        ("list_team_members", vec![("GET", format!("{team}/members"), None)]),
        ("put_team_member", vec![("PUT", format!("{team}/members/{}", w.eve), role.clone())]),
        ("delete_team_member", vec![("DELETE", format!("{team}/members/{}", w.eve), None)]),
        ("create_project", create.collect()),
        ("list_projects", list),
        ("read_project", vec![("GET", project.clone(), None)]),
        ("update_project", change(&project)),
        ("delete_project", vec![("DELETE", project.clone(), None)]),
        ("list_project_members", vec![("GET", format!("{project}/members"), None)]),
        ("put_project_member", vec![("PUT", format!("{project}/members/{}", w.eve), role)]),
        ("delete_project_member", vec![("DELETE", format!("{project}/members/{}", w.eve), None)]),
    ]
}

fn about_resources(w: &World, t: &Things) -> Vec<(&'static str, Vec<Probe>)> {
    let resource = format!("/v1/resources/{}", t.resource);
    let put = |owner: &String| {
        let body = json!({"owner": owner, "visibility": "public", "latest_version": 1, "versions": []});
        ("PUT", resource.clone(), Some(body))
    };
    let mut owners = t.references()[..3].to_vec();
    owners.push(format!("account:{}", w.bob));
    let history = t.references();
    let list = history[..3].iter().map(|of| ("GET", format!("/v1/resources?owner={of}"), None));
    let listed = history.iter().map(|of| ("GET", format!("/v1/history?subject={of}"), None));
    let mut listed = listed.collect::<Vec<_>>();
    listed.push(("GET", format!("/v1/history?target={}", t.resource), None));
    listed.push(("GET", format!("/v1/history?key={}", t.key), None));
    let report = history.iter().map(|of| {
        let entry = json!({"target": of, "action": "run:create"});
        ("POST", "/v1/history".to_owned(), Some(json!({"entries": [entry]})))
    });
    vec![
        ("put_resource", owners.iter().map(put).collect()),
        ("list_resources", list.collect()),
        ("read_resource", vec![("GET", resource.clone(), None)]),
        ("delete_resource", vec![("DELETE", resource.clone(), None)]),
        ("list_history", listed),
        ("report_history", report.collect()),
    ]
}

/// `subject` is a key of Bob's that others ask about.
fn about_verification(t: &Things, subject: &str) -> Vec<(&'static str, Vec<Probe>)> {
    let mut own = Vec::new();
    let mut questions = Vec::new();
    for target in t.references() {
        for action in ["", "notebook:read", "notebook:write", "key:read"] {
            for more in ["", "&explain=true", "&explain=true&count=false"] {
                let action = if action.is_empty() { String::new() } else { format!("&action={action}") };
                own.push(("GET", format!("/v1/verify?target={target}{action}{more}"), None));
            }
        }
        questions.push(json!({"key": subject, "target": target, "explain": true}));
        questions.push(json!({"key": subject, "target": target, "action": "notebook:read", "count": false}));
    }
    for version in [1, 2, 3, 4, 99] {
        for context in ["api", "embed"] {
            let query = format!("target={}&version={version}&context={context}&explain=true", t.resource);
            own.push(("GET", format!("/v1/verify?{query}"), None));
            questions.push(json!({
                "key": subject, "target": t.resource, "version": version, "context": context, "explain": true,
            }));
        }
    }
    let each = questions.iter().map(|question| ("POST", "/v1/verify".to_owned(), Some(question.clone())));
    vec![
        ("verify_own_key", own),
        ("verify", each.collect()),
        ("verify_batch", vec![("POST", "/v1/verify/batch".to_owned(), Some(json!({"requests": questions})))]),
    ]
}

fn probes(w: &World, t: &Things, subject: &str) -> Vec<(&'static str, Vec<Probe>)> {
    let parts = [about_keys(t), about_groups(w, t), about_resources(w, t), about_verification(t, subject)];
    parts.into_iter().flatten().collect()
}

/// Two keys with the same rights: one asks about what is hidden, the other about what is missing.
async fn twins(app: &TestApp, body: Value) -> [Key; 2] {
    [key(app, body.clone()).await, key(app, body).await]
}

/// Every kind of caller from whom all these things are hidden.
async fn callers(w: &World) -> Vec<(&'static str, [Key; 2])> {
    let app = &w.app;
    let made = async |path: &str, body: Value| {
        app.post(OPERATOR, path, body).await.ok(201)["id"].as_str().unwrap().to_owned()
    };
    let team = made("/v1/teams", json!({"name": "Rivals", "owner": w.bob})).await;
    let of_bob = format!("account:{}", w.bob);
    let project = made("/v1/projects", json!({"name": "Rival", "owner": of_bob})).await;
    let resource = json!({"owner": of_bob, "visibility": "private", "latest_version": 3, "versions": []});
    app.put(OPERATOR, "/v1/resources/notebook:rival", resource).await.ok(201);
    let of = |subject: &str, scopes: &[&str]| json!({"name": "k", "subject": subject, "scopes": scopes});
    let (of_team, of_project) = (format!("team:{team}"), format!("project:{project}"));
    let resource_key = json!({"name": "k", "subject": "notebook:rival"});
    let mut disabled = twins(app, of(&of_bob, &FULL)).await;
    for key in &mut disabled {
        app.patch(OPERATOR, &format!("/v1/keys/{}", key.id), json!({"status": "disabled"})).await.ok(200);
    }
    vec![
        ("an account's", twins(app, of(&of_bob, &FULL)).await),
        ("an account's without scopes", twins(app, of(&of_bob, &[])).await),
        ("an account's that reads", twins(app, of(&of_bob, &["notebook:read"])).await),
        ("an account's that verifies", twins(app, of(&of_bob, &["key:verify"])).await),
        ("a team's", twins(app, of(&of_team, &FULL)).await),
        ("a project's", twins(app, of(&of_project, &FULL)).await),
        ("a project's that verifies", twins(app, of(&of_project, &["key:verify", "*:*"])).await),
        ("a resource's", twins(app, resource_key).await),
        ("a disabled one", disabled),
    ]
}

async fn ask(app: &TestApp, key: &Key, probe: &Probe, tag: Option<&str>) -> Answer {
    let (method, path, body) = probe;
    let mut request = Request::builder().method(*method).uri(path).header("x-api-key", &key.secret);
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    let request = match body {
        None => request.body(Body::empty()),
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
    };
    app.send(request.unwrap()).await
}

/// The whole answer but for the request id and the names of the things themselves.
fn seen(answer: &Answer, things: &Things, asked_by: &Key) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let (status, mut headers, body) = answer.fingerprint();
    if body.windows(4).any(|part| part == b"imp_") {
        headers.retain(|(name, _)| name != "content-length");
    }
    (status, headers, things.without_names(std::str::from_utf8(&body).unwrap()).replace(&asked_by.id, "KEY"))
}

/// What the history says of a key, and how often it was used, without what always differs.
async fn left_behind(w: &World, key: &Key, things: &Things) -> String {
    let page = w.app.get(OPERATOR, &format!("/v1/history?key={}&limit=200", key.id)).await.ok(200);
    let rows = page["items"].as_array().unwrap().iter().map(|row| {
        // As its manager sees it.
        let mut row = row.clone();
        let row = row.as_object_mut().unwrap();
        row.remove("request_id");
        if row["outcome"] == "not_found" {
            row.remove("reasons");
        }
        json!(row).to_string()
    });
    let rows = rows.collect::<Vec<_>>().join("\n");
    let usage = w.app.get(OPERATOR, &format!("/v1/usage?key={}&step=hour", key.id)).await.ok(200);
    things.without_names(&format!("{rows}\n{usage}")).replace(&key.id, "KEY")
}

#[tokio::test]
async fn hidden_and_missing_are_the_same_for_every_operation_and_every_kind_of_key() {
    let w = World::new().await;
    let begun = w.app.post(&w.ada_full.secret, "/v1/keys/imports", json!({"dry_run": true})).await.ok(201);
    let import = begun["id"].as_str().unwrap().to_owned();
    let (hidden, missing) = (Things::hidden(&w, import), Things::missing());
    let before = w.app.sequence().await;
    let callers = callers(&w).await;
    let after_setup = w.app.sequence().await;
    assert!(after_setup > before);
    let subject = &callers[0].1[0].secret;
    let (about_hidden, about_missing) = (probes(&w, &hidden, subject), probes(&w, &missing, subject));
    let mut asked = 0;
    for (caller, twins) in &callers {
        for ((operation, hidden_probes), (_, missing_probes)) in about_hidden.iter().zip(&about_missing) {
            for (one, other) in hidden_probes.iter().zip(missing_probes) {
                let tags: &[Option<&str>] = if matches!(one.0, "PATCH" | "PUT" | "DELETE") {
                    &[None, Some("\"r9\"")]
                } else {
                    &[None]
                };
                for tag in tags {
                    let answers =
                        [ask(&w.app, &twins[0], one, *tag).await, ask(&w.app, &twins[1], other, *tag).await];
                    let (one_seen, other_seen) =
                        (seen(&answers[0], &hidden, &twins[0]), seen(&answers[1], &missing, &twins[1]));
                    assert_eq!(one_seen, other_seen, "{operation} by {caller} key: {one:?}");
                    asked += 1;
                }
            }
        }
        w.app.state.authority.flush_usage().await.unwrap();
        w.app.state.authority.flush_notes().await.unwrap();
        let left = [left_behind(&w, &twins[0], &hidden).await, left_behind(&w, &twins[1], &missing).await];
        assert_eq!(left[0], left[1], "what {caller} key left behind");
    }
    assert!(asked > 1_000, "{asked}");
    assert_eq!(w.app.sequence().await, after_setup, "nothing was changed by any of them");
}

#[tokio::test]
async fn every_operation_is_among_those_that_are_asked() {
    let w = World::new().await;
    let listed = probes(&w, &Things::missing(), "");
    let listed = listed.iter().map(|(operation, _)| *operation);
    let listed = listed.chain(NAMELESS.iter().map(|(operation, _)| *operation)).collect::<BTreeSet<_>>();
    let document = w.app.get(OPERATOR, "/openapi.json").await.ok(200);
    let methods = ["get", "put", "post", "patch", "delete"];
    let items = document["paths"].as_object().unwrap().values();
    let operations = items
        .flat_map(|item| methods.iter().filter_map(|method| item[*method]["operationId"].as_str()))
        .collect::<BTreeSet<_>>();
    assert_eq!(
        operations, listed,
        "list each operation with what it may name, or among those that name nothing"
    );
}
