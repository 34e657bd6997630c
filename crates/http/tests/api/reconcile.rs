//! `PUT /v1/resources`: the whole list of a type.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::app::{Answer, OPERATOR};
use crate::world::{World, key};

const NOTEBOOKS: &str = "/v1/resources?type=notebook";

fn notebook(w: &World, id: &str) -> Value {
    json!({
        "reference": format!("notebook:{id}"), "owner": format!("account:{}", w.ada), "creator": w.ada,
        "visibility": "private", "latest_version": 3, "versions": [
            {"version": 1, "secrets": [], "databases": ["lake"]},
            {"version": 2, "secrets": ["token"], "databases": ["lake"]},
            {"version": 3},
        ],
    })
}

/// The notebooks as the world has them.
fn known(w: &World) -> Vec<Value> {
    let held = |id: &str, owner: String, visibility: &str| {
        let mut notebook = notebook(w, id);
        notebook["owner"] = json!(owner);
        notebook["visibility"] = json!(visibility);
        notebook
    };
    let mut open = held("open", format!("account:{}", w.ada), "public");
    open["public_from"] = json!(2);
    vec![
        held("unshared", format!("team:{}", w.lab), "private"),
        notebook(w, "alpha"),
        held("shared", format!("team:{}", w.lab), "shared"),
        open,
        held("atlas", format!("project:{}", w.atlas), "private"),
    ]
}

async fn put(w: &World, path: &str, resources: impl Into<Value>) -> Answer {
    w.app.put(OPERATOR, path, json!({"resources": resources.into()})).await
}

async fn names(w: &World) -> Vec<String> {
    let page = w.app.get(OPERATOR, "/v1/resources?limit=200").await.ok(200);
    let name = |item: &Value| item["reference"].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(name).collect()
}

fn counts(answer: &Value) -> [u64; 5] {
    ["created", "updated", "deleted", "unchanged", "keys_deleted"].map(|name| answer[name].as_u64().unwrap())
}

#[tokio::test]
async fn a_list_that_says_what_is_known_changes_nothing() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let answer = put(&w, NOTEBOOKS, known(&w)).await.ok(200);
    assert_eq!(
        answer,
        json!({
            "type": "notebook", "dry_run": false, "created": 0, "updated": 0, "deleted": 0, "unchanged": 5,
            "keys_deleted": 0, "differences": [], "differences_left_out": 0,
        })
    );
    assert_eq!(w.app.sequence().await, before);
}

#[tokio::test]
async fn what_differs_is_made_so_at_once_and_told() {
    let w = World::new().await;
    let other = json!({"owner": format!("account:{}", w.ada), "visibility": "private", "latest_version": 1, "versions": []});
    w.app.put(OPERATOR, "/v1/resources/sample:kept", other).await.ok(201);
    // Without alpha and atlas; `open` is private by now; two are new.
    let mut list = known(&w);
    list.retain(|known| {
        !["notebook:alpha", "notebook:atlas"].contains(&known["reference"].as_str().unwrap())
    });
    list[2] = notebook(&w, "open");
    list.extend([notebook(&w, "new"), notebook(&w, "a-new")]);
    let expect = json!([
        {"reference": "notebook:a-new", "difference": "created"},
        {"reference": "notebook:alpha", "difference": "deleted"},
        {"reference": "notebook:atlas", "difference": "deleted"},
        {"reference": "notebook:new", "difference": "created"},
        {"reference": "notebook:open", "difference": "updated"},
    ]);

    let before = w.app.sequence().await;
    let dry = put(&w, &format!("{NOTEBOOKS}&dry_run=true"), list.clone()).await.ok(200);
    assert_eq!((counts(&dry), &dry["differences"]), ([2, 1, 2, 2, 2], &expect));
    assert_eq!((&dry["dry_run"], dry.get("revocation")), (&json!(true), None));
    assert_eq!(w.app.sequence().await, before, "it was only looked");
    w.app.get(&w.pinned.secret, "/v1/whoami").await.ok(200);

    let done = put(&w, NOTEBOOKS, list.clone()).await.ok(200);
    assert_eq!((counts(&done), &done["differences"]), ([2, 1, 2, 2, 2], &expect));
    assert_eq!(done["revocation"]["state"], "complete");
    assert_eq!(w.app.sequence().await, before + 1, "one change");
    let change = done["revocation"]["change"].as_str().unwrap();
    w.app.get(OPERATOR, &format!("/v1/changes/{change}")).await.ok(200);
    let expect = ["a-new", "new", "open", "shared", "unshared"].map(|id| format!("notebook:{id}"));
    assert_eq!(names(&w).await, [&expect[..], &["sample:kept".to_owned()]].concat());
    // The keys of what is gone are gone, and do not come back with it.
    for gone in [&w.pinned, &w.open] {
        w.app.get(&gone.secret, "/v1/whoami").await.refused(401, "invalid_key");
    }
    w.app.get(OPERATOR, "/v1/resources/notebook:alpha").await.refused(404, "not_found");
    assert_eq!(w.app.get(OPERATOR, "/v1/resources/notebook:open").await.ok(200)["visibility"], "private");
    let verify =
        json!({"key": w.ada_full.secret, "action": "notebook:read", "target": "notebook:new", "version": 3});
    assert_eq!(w.app.post(OPERATOR, "/v1/verify", verify).await.ok(200)["valid"], true);
    list.push(notebook(&w, "alpha"));
    let again = put(&w, NOTEBOOKS, list).await.ok(200);
    assert_eq!((counts(&again), again.get("revocation")), ([1, 0, 0, 5, 0], None), "nothing is taken away");
    w.app.get(&w.pinned.secret, "/v1/whoami").await.refused(401, "invalid_key");

    // Each difference is in the history, under whoever holds the resource.
    let rows = w.app.get(OPERATOR, &format!("/v1/history?subject=project:{}", w.atlas)).await.ok(200);
    let row = &rows["items"][0];
    assert_eq!((&row["action"], &row["target"]), (&json!("resource:delete"), &json!("notebook:atlas")));
    for (target, action) in [("new", "create"), ("open", "update"), ("alpha", "create")] {
        let rows = w.app.get(OPERATOR, &format!("/v1/history?target=notebook:{target}")).await.ok(200);
        assert_eq!(rows["items"][0]["action"], format!("resource:{action}"), "{target}");
    }
}

#[tokio::test]
async fn nothing_is_done_by_halves_or_by_mistake() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let with = |field: &str, value: Value| {
        let mut wrong = notebook(&w, "wrong");
        wrong[field] = value;
        let mut list = known(&w);
        list.insert(2, wrong);
        list
    };
    for (list, told) in [
        (vec![], "allow_empty=true"),
        (with("reference", json!("sample:x")), "`resources[2].reference`: is of another type"),
        (
            with("reference", json!("notebook:open")),
            "`resources[4].reference`: names a resource a second time",
        ),
        (with("reference", json!("notebook")), "`type:id`"),
        (
            with("owner", json!("account:acct_00000000000000000000000000")),
            "`resources[2].owner`: there is no such account",
        ),
        (with("owner", json!("operator")), "`resources[2]`: `owner`"),
        (with("creator", json!("acct_00000000000000000000000000")), "`resources[2].creator`"),
        (with("visibility", json!("shared")), "`resources[2].visibility`"),
        (with("latest_version", json!(2)), "`resources[2].versions`"),
        (with("latest_version", json!(0)), "`resources[2]`: `latest_version`"),
    ] {
        for dry in ["", "&dry_run=true"] {
            let answer = put(&w, &format!("{NOTEBOOKS}{dry}"), list.clone()).await;
            answer.refused(400, "invalid_request");
            assert!(answer.text().contains(told), "{}", answer.text());
        }
    }
    for list in [with("extra", json!(1)), with("versions", json!({})), vec![json!(["notebook:x"])]] {
        put(&w, NOTEBOOKS, list).await.refused(400, "malformed_json");
    }
    for path in ["/v1/resources", "/v1/resources?type=Notebook", "/v1/resources?type=notebook&force=1"] {
        put(&w, path, known(&w)).await.refused(400, "invalid_request");
    }
    assert_eq!(w.app.sequence().await, before);
    let emptied = put(&w, &format!("{NOTEBOOKS}&allow_empty=true"), json!([])).await.ok(200);
    assert_eq!(counts(&emptied), [0, 0, 5, 0, 2]);
    assert_eq!(names(&w).await, Vec::<String>::new());
}

/// Each of the three scopes is needed, and a key that stands for an account never suffices.
#[tokio::test]
async fn operators_with_all_three_scopes() {
    let w = World::new().await;
    let body = || json!({"resources": known(&w)});
    for scopes in [
        json!(["resource:create", "resource:update"]),
        json!(["resource:update", "resource:delete"]),
        json!(["resource:create", "resource:delete", "resource:read"]),
    ] {
        let some = key(&w.app, json!({"name": "n", "subject": "operator", "scopes": scopes})).await;
        w.app.put(&some.secret, NOTEBOOKS, body()).await.refused(403, "forbidden");
    }
    w.app.put(&w.ada_full.secret, NOTEBOOKS, body()).await.refused(403, "forbidden");
    let all = json!(["resource:create", "resource:update", "resource:delete"]);
    let all = key(&w.app, json!({"name": "n", "subject": "operator", "scopes": all})).await;
    w.app.put(&all.secret, NOTEBOOKS, body()).await.ok(200);
    // Who may not is told before the list is read, however long or broken it is.
    let request = Request::builder().method("PUT").uri(NOTEBOOKS).header("x-api-key", &w.ada_full.secret);
    let request = request.header("content-type", "application/json").body(Body::from("{".repeat(1000)));
    w.app.send(request.unwrap()).await.refused(403, "forbidden");
}

/// Far more than fits into the body of any other request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list() {
    const COUNT: usize = 20_000;
    let w = World::new().await;
    let brief = |n: usize, latest: u32| {
        json!({
            "reference": format!("sample:{n:016x}"), "owner": format!("account:{}", w.ada),
            "visibility": "private", "latest_version": latest, "versions": [],
        })
    };
    let list = |latest: u32| (0..COUNT).map(|n| brief(n, latest)).collect::<Vec<_>>();
    let first = put(&w, "/v1/resources?type=sample", list(1)).await.ok(200);
    assert_eq!(counts(&first), [COUNT as u64, 0, 0, 0, 0]);
    assert_eq!(first["differences"].as_array().unwrap().len(), 1000);
    assert_eq!(first["differences_left_out"], COUNT - 1000);
    assert_eq!(
        counts(&put(&w, "/v1/resources?type=sample", list(1)).await.ok(200)),
        [0, 0, 0, COUNT as u64, 0]
    );
    let mut shorter = list(1);
    shorter.truncate(COUNT / 2);
    shorter[7] = brief(7, 2);
    let answer = put(&w, "/v1/resources?type=sample", shorter).await.ok(200);
    assert_eq!(counts(&answer), [0, 1, COUNT as u64 / 2, COUNT as u64 / 2 - 1, 0]);
}

/// Others change resources at the same time. Whatever order it comes to, what is there in the end is what one
/// of the lists said, or what came after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_single_descriptions_at_the_same_time() {
    let w = std::sync::Arc::new(World::new().await);
    let single = {
        let w = std::sync::Arc::clone(&w);
        tokio::spawn(async move {
            for n in 0..40 {
                let mut body = notebook(&w, "x");
                body.as_object_mut().unwrap().remove("reference");
                let path = format!("/v1/resources/notebook:single-{n}");
                w.app.put(OPERATOR, &path, body).await.ok(201);
            }
        })
    };
    while !single.is_finished() {
        let answer = put(&w, NOTEBOOKS, known(&w)).await;
        if answer.status == 503 {
            answer.refused(503, "unavailable");
        } else {
            answer.ok(200);
        }
    }
    single.await.unwrap();
    put(&w, NOTEBOOKS, known(&w)).await.ok(200);
    assert_eq!(
        names(&w).await,
        ["alpha", "atlas", "open", "shared", "unshared"].map(|id| format!("notebook:{id}"))
    );
}
