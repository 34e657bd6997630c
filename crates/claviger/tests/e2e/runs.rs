//! Project runs: started with a key through the gateway, or by the site itself, which reports them with the client
//! and guards its own addresses with the client's layer.

use std::time::{Duration, Instant};

use claviger_testkit::{Demo, folder};
use serde_json::{Value, json};

use crate::PROGRAM;

/// What passes the gateway is written to the history in batches, within a second or so.
const WRITTEN_WITHIN: Duration = Duration::from_secs(15);

/// The runs in the history of a project, oldest first, once there are this many.
fn history(demo: &Demo, project: &str, expect: usize) -> Vec<Value> {
    let since = Instant::now();
    loop {
        let target = format!("/v1/history?subject=project:{project}&action=run:create");
        let answer = demo.api().get(&target).bearer(demo.operator()).send().expect(200).json();
        let mut rows = answer["items"].as_array().unwrap().clone();
        if rows.len() >= expect || since.elapsed() > WRITTEN_WITHIN {
            rows.reverse();
            return rows;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn id_of(demo: &Demo, key: &str) -> String {
    let me = demo.api().get("/v1/whoami").bearer(demo.key(key)).send().expect(200).json();
    me["key"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_history_says_who_started_a_run_and_by_which_way() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let atlas = demo.text("/projects/atlas/id");
    let runs = format!("/api/v1/projects/{atlas}/runs");
    let with_key = demo.gateway().post(&runs, &json!({"name": "nightly"})).bearer(demo.key("atlas_project"));
    let with_key = with_key.send().expect(201).json();
    let (runner, staff) = (id_of(&demo, "atlas_project"), id_of(&demo, "lab_operations"));
    assert_eq!((&with_key["origin"], &with_key["started_by"]), (&json!("api"), &json!(runner)));
    let row = &history(&demo, atlas, 1)[0];
    let told = ["origin", "key", "target", "outcome"].map(|name| row[name].clone());
    assert_eq!(
        told,
        [json!("api"), json!(runner), json!(format!("project:{atlas}")), json!("done")],
        "{row}"
    );

    let body = json!({"project": atlas, "name": "weekly"});
    let by_site = demo.application().post("/internal/runs", &body).bearer(demo.key("lab_operations"));
    let by_site = by_site.send().expect(201).json();
    assert_eq!((&by_site["origin"], &by_site["started_by"]), (&json!("site"), &json!(staff)));
    // Reported before the answer, so there is nothing to wait for.
    let rows = history(&demo, atlas, 0);
    assert_eq!(rows.len(), 2);
    let told = ["origin", "target", "outcome"].map(|name| rows[1][name].clone());
    assert_eq!(told, [json!("site"), json!(format!("project:{atlas}")), json!("done")], "{}", rows[1]);
    assert!(rows[1]["detail"].as_str().unwrap().contains(&staff), "{}", rows[1]);

    let listed = demo.gateway().get(&runs).bearer(demo.key("atlas_project")).send().expect(200).json();
    assert_eq!(listed, json!([by_site, with_key]));
    let all = demo.application().get("/internal/runs").bearer(demo.key("lab_team")).send().expect(200).json();
    assert_eq!(all, listed);
}

#[test]
fn past_the_gateway_the_application_asks_about_keys_itself() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let path = "/internal/runs";
    let read = |key: &str| demo.application().get(path).bearer(demo.key(key)).send();
    let check = |key: &str, status: u16, code: &str| {
        let answer = read(key).expect(status);
        assert!(status == 200 || answer.code() == code, "{key}: {}", answer.text());
    };
    check("lab_team", 200, "");
    check("lab_operations", 200, "");
    // A key of an account reaches no team, not even that of its owner.
    check("owner_account", 404, "not_found");
    check("atlas_project", 404, "not_found");
    check("pinned_notebook", 404, "not_found");
    check("expired", 401, "key_expired");
    check("disabled", 401, "key_disabled");
    let anonymous = demo.application().get(path).send().expect(401);
    assert_eq!(anonymous.code(), "credentials_required");
    assert!(anonymous.header("www-authenticate").unwrap().starts_with("Bearer"));
    let body = json!({"project": demo.text("/projects/atlas/id"), "name": "weekly"});
    let start = |key: &str| demo.application().post(path, &body).bearer(demo.key(key)).send();
    assert_eq!(start("lab_team").expect(403).code(), "forbidden");
    start("lab_operations").expect(201);
    // The gateway has no route there.
    demo.gateway().get(path).bearer(demo.key("lab_operations")).send().expect(404);

    // When the answer to a revocation is there, the key is refused, here as well.
    let key = format!("/v1/keys/{}", id_of(&demo, "lab_operations"));
    demo.api().patch(&key, &json!({"status": "disabled"})).bearer(demo.operator()).send().expect(200);
    check("lab_operations", 401, "key_disabled");
    assert_eq!(start("lab_operations").expect(401).code(), "key_disabled");
}
