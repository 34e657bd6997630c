//! What a caller may not know of answers byte for byte like what does not exist.

use claviger_testkit::{Answer, Demo, folder};
use serde_json::json;

use crate::PROGRAM;

const GONE: &str = "ffffffffffffffff";

#[test]
fn hidden_and_missing_cannot_be_told_apart() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let ask = |method: &str, target: &str, key: Option<&str>| -> Answer {
        let request = demo.gateway().request(method, target).header("Origin", "https://blog.example");
        key.iter().fold(request, |request, key| request.bearer(key)).send().timeless()
    };
    let keys = ["member_account", "lab_team", "atlas_project", "pinned_notebook", "thirty_two"];
    let keys: Vec<Option<&str>> = keys.map(|name| Some(demo.key(name))).into_iter().chain([None]).collect();
    let notebooks = ["private_notebook", "unshared_team_notebook", "team_notebook", "project_notebook"];
    let forms: [fn(&str) -> String; 6] = [
        |id| format!("/d/{id}.js"),
        |id| format!("/d/{id}@1.tgz"),
        |id| format!("/d/{id}@4.js"),
        |id| format!("/d/{id}@0.js"),
        |id| format!("/embed/{id}"),
        |id| format!("/embed/{id}@1?cells=answer"),
    ];
    let mut compared = 0;
    let mut compare = |hidden: &str, missing: &str, key: Option<&str>| {
        for method in ["GET", "HEAD"] {
            let one = ask(method, hidden, key);
            if one.status != 404 {
                continue;
            }
            assert_eq!(one, ask(method, missing, key), "{method} {hidden} {missing}");
            compared += 1;
        }
    };
    for key in keys {
        for notebook in notebooks {
            for form in forms {
                compare(&form(demo.resource(notebook)), &form(GONE), key);
            }
        }
        let sample = |id: &str| format!("/api/v1/samples/{id}");
        for name in ["private_sample", "project_sample", "other_project_sample"] {
            compare(&sample(demo.resource(name)), &sample(GONE), key);
        }
        compare(&sample(GONE), &sample("no-such-sample!"), key);
        let runs = |id: &str| format!("/api/v1/projects/{id}/runs");
        for project in ["atlas", "borealis"] {
            let id = demo.text(&format!("/projects/{project}/id"));
            compare(&runs(id), &runs("proj_00000000000000000000000000"), key);
            compare(&runs(id), &runs("nonsense"), key);
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn so_it_is_in_the_api() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let api = demo.api();
    let create = |subject: String, scopes: serde_json::Value| {
        let body = json!({"name": "x", "subject": subject, "scopes": scopes});
        api.post("/v1/keys", &body).bearer(demo.operator()).send().expect(201).json()
    };
    let account = |name: &str| format!("account:{}", demo.text(&format!("/accounts/{name}/id")));
    let manager = create(account("stranger"), json!(["key:*"]));
    let foreign = create(account("owner"), json!([]));
    let (caller, id) = (manager["secret"].as_str().unwrap(), foreign["key"]["id"].as_str().unwrap());
    let last = if id.ends_with('0') { '1' } else { '0' };
    let missing = format!("{}{last}", &id[..id.len() - 1]);
    for method in ["GET", "PATCH", "DELETE"] {
        let ask = |id: &str| {
            let request = api.request(method, &format!("/v1/keys/{id}")).bearer(caller);
            let request = if method == "PATCH" { request.json(&json!({"name": "mine"})) } else { request };
            request.send().timeless()
        };
        let hidden = ask(id);
        assert_eq!(hidden.status, 404, "{method}: {}", hidden.text());
        assert_eq!(hidden, ask(&missing), "{method}");
    }
}
