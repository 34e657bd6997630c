//! Who may read what through the gateway: each credential on each notebook, at each version, in each form.
//!
//! Rows are credentials, columns are notebooks and versions (`x@4` and `gone` do not exist). What an application
//! behind the gateway has to rely on stands here line by line (specified by the table of who reaches what).

use claviger_testkit::{Demo, checksum, folder};
use serde_json::json;

use crate::PROGRAM;

/// `/d/{notebook}[@{version}].{js|tgz}`: anonymous callers read what is public, and nobody else's key is
/// worse than none there. Public from version 2 on: `public@1` is its owner's.
const DOWNLOADS: &str = "
                private private@1 private@2 private@3 private@4 team team@1 team@2 unshared unshared@1 public public@1 public@2 public@3 atlas atlas@1 gone gone@1
anonymous       404     404       404       404       404       404  404    404    404      404        200    404      200      200      404   404     404  404
owner_account   200     200       200       200       404       404  404    404    404      404        200    200      200      200      200   200     404  404
thirty_two      200     200       200       200       404       404  404    404    404      404        200    200      200      200      200   200     404  404
member_account  404     404       404       404       404       404  404    404    404      404        200    404      200      200      404   404     404  404
stranger        404     404       404       404       404       404  404    404    404      404        200    404      200      200      404   404     404  404
lab_team        404     404       404       404       404       200  200    200    404      404        200    404      200      200      404   404     404  404
atlas_project   404     404       404       404       404       404  404    404    404      404        200    404      200      200      200   200     404  404
pinned_notebook 403     403       200       403       403       404  404    404    404      404        200    404      200      200      404   404     404  404
open_notebook   200     403       200       200       404       404  404    404    404      404        200    404      200      200      404   404     404  404
no_scopes       403     403       403       403       404       404  404    404    404      404        200    403      200      200      403   403     404  404
operator        403     403       403       403       403       403  403    403    403      403        403    403      403      403      403   403     403  403
expired         401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
disabled        401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
unknown         401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
mistyped        401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
";

/// `/embed/{notebook}[@{version}]`: only keys of that one notebook, or none where it is public.
const EMBEDS: &str = "
                private private@1 private@2 private@3 private@4 team team@1 team@2 unshared unshared@1 public public@1 public@2 public@3 atlas atlas@1 gone gone@1
anonymous       404     404       404       404       404       404  404    404    404      404        200    404      200      200      404   404     404  404
owner_account   404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
thirty_two      404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
member_account  404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
stranger        404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
lab_team        404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
atlas_project   404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
pinned_notebook 403     403       200       403       403       404  404    404    404      404        404    404      404      404      404   404     404  404
open_notebook   200     403       200       200       404       404  404    404    404      404        404    404      404      404      404   404     404  404
no_scopes       404     404       404       404       404       404  404    404    404      404        404    404      404      404      404   404     404  404
operator        403     403       403       403       403       403  403    403    403      403        403    403      403      403      403   403     403  403
expired         401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
disabled        401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
unknown         401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
mistyped        401     401       401       401       401       401  401    401    401      401        401    401      401      401      401   401     401  401
";

/// An id that no notebook has.
const GONE: &str = "ffffffffffffffff";

struct Cast {
    demo: Demo,
    stranger: String,
    no_scopes: String,
}

impl Cast {
    fn key(&self, row: &str) -> Option<String> {
        let demo = &self.demo;
        Some(match row {
            "anonymous" => return None,
            "stranger" => self.stranger.clone(),
            "no_scopes" => self.no_scopes.clone(),
            "operator" => demo.operator().to_owned(),
            "unknown" => unknown(),
            "mistyped" => mistyped(demo.key("owner_account")),
            name => demo.key(name).to_owned(),
        })
    }

    fn id(&self, column: &str) -> &str {
        match column {
            "gone" => GONE,
            "atlas" => self.demo.resource("project_notebook"),
            "unshared" => self.demo.resource("unshared_team_notebook"),
            name => self.demo.resource(&format!("{name}_notebook")),
        }
    }
}

/// A key of the right form, with the right checksum, that was never issued.
fn unknown() -> String {
    let text = format!("sk_{}", "0".repeat(32));
    format!("{text}{}", checksum(&text))
}

/// The key with one letter another.
fn mistyped(key: &str) -> String {
    let (head, tail) = key.split_at(10);
    let other = if tail.starts_with('x') { 'y' } else { 'x' };
    format!("{head}{other}{}", &tail[1..])
}

fn cast(demo: Demo) -> Cast {
    let create = |body: serde_json::Value| {
        let made = demo.api().post("/v1/keys", &body).bearer(demo.operator()).send().expect(201);
        made.json()["secret"].as_str().unwrap().to_owned()
    };
    let stranger = format!("account:{}", demo.text("/accounts/stranger/id"));
    let owner = format!("account:{}", demo.text("/accounts/owner/id"));
    let stranger = create(json!({"name": "stranger", "subject": stranger}));
    let no_scopes = create(json!({"name": "nothing", "subject": owner, "scopes": []}));
    Cast { demo, stranger, no_scopes }
}

/// Asks for every cell of the table, in each of these forms, and compares.
fn check(cast: &Cast, table: &str, forms: &[fn(&str) -> String]) {
    let gateway = cast.demo.gateway();
    let mut lines = table.lines().filter(|line| !line.trim().is_empty());
    let columns: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let mut wrong = Vec::new();
    for line in lines {
        let (row, cells) = line.split_once(' ').unwrap();
        let cells: Vec<u16> = cells.split_whitespace().map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(cells.len(), columns.len(), "{row}");
        let key = cast.key(row);
        for (column, expect) in columns.iter().zip(cells) {
            let (name, version) = column.split_once('@').map_or((*column, None), |(n, v)| (n, Some(v)));
            let id = cast.id(name);
            let named = version.map_or_else(|| id.to_owned(), |version| format!("{id}@{version}"));
            for form in forms {
                let target = form(&named);
                let request = gateway.get(&target);
                let answer = key.iter().fold(request, |request, key| request.bearer(key)).send();
                let told =
                    (answer.status, answer.code(), answer.header("x-claviger-version").map(str::to_owned));
                if told != (expect, code(row, expect).to_owned(), served(name, version, expect)) {
                    wrong.push(format!("{row} {column} {target}: {told:?}, not {expect}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn code(row: &str, status: u16) -> &'static str {
    match (status, row) {
        (200, _) => "",
        (403, _) => "forbidden",
        (404, _) => "not_found",
        (_, "expired") => "key_expired",
        (_, "disabled") => "key_disabled",
        _ => "invalid_key",
    }
}

/// The version that the answer names: the one asked for, else the latest.
fn served(name: &str, version: Option<&str>, status: u16) -> Option<String> {
    let latest = if matches!(name, "private" | "public") { "3" } else { "2" };
    (status == 200).then(|| version.unwrap_or(latest).to_owned())
}

#[test]
fn who_reads_what() {
    let data = folder();
    let cast = cast(Demo::start(PROGRAM, data.path()));
    check(&cast, DOWNLOADS, &[|name| format!("/d/{name}.js"), |name| format!("/d/{name}.tgz")]);
    check(&cast, EMBEDS, &[|name| format!("/embed/{name}"), |name| format!("/embed/{name}?cells=answer")]);
    embeds_show_what_is_granted(&cast);
    other_routes(&cast);
}

fn embeds_show_what_is_granted(cast: &Cast) {
    let demo = &cast.demo;
    let subject = format!("notebook:{}", demo.resource("private_notebook"));
    let granted = |grants: serde_json::Value| {
        let body = json!({"name": "grants", "subject": subject, "versions": "@2", "grants": grants});
        let made = demo.api().post("/v1/keys", &body).bearer(demo.operator()).send().expect(201);
        made.json()["secret"].as_str().unwrap().to_owned()
    };
    let check = |key: &str, secret: bool, database: bool| {
        let page = demo.gateway().get(&format!("/embed/{}@2", demo.resource("private_notebook")));
        let page = page.bearer(key).send().expect(200).text();
        assert_eq!(page.contains("WEATHER_TOKEN = "), secret, "{page}");
        assert_eq!(page.contains("<table>"), database, "{page}");
    };
    check(demo.key("pinned_notebook"), true, true);
    check(&granted(json!(["secrets"])), true, false);
    check(&granted(json!(["databases"])), false, true);
    check(&granted(json!([])), false, false);
}

/// Routes about nothing in particular, about samples, and about a container.
fn other_routes(cast: &Cast) {
    let demo = &cast.demo;
    let gateway = demo.gateway();
    let get = |target: &str, row: &str| {
        let request = gateway.get(target);
        cast.key(row).iter().fold(request, |request, key| request.bearer(key)).send()
    };
    let status = |target: &str, row: &str, expect: u16| {
        let answer = get(target, row);
        assert_eq!(answer.status, expect, "{row} {target}: {}", answer.text());
    };
    for (row, expect) in [("anonymous", 401), ("owner_account", 200), ("lab_team", 200), ("expired", 401)] {
        status("/api/v1/account", row, expect);
    }
    let rows = |row: &str| get("/api/v1/samples", row).expect(200).json().as_array().unwrap().len();
    assert_eq!((rows("anonymous"), rows("owner_account"), rows("atlas_project")), (2, 3, 3));
    let private = format!("/api/v1/samples/{}", demo.resource("private_sample"));
    for (row, expect) in
        [("anonymous", 404), ("owner_account", 200), ("member_account", 404), ("disabled", 401)]
    {
        status(&private, row, expect);
    }
    let runs =
        |project: &str| format!("/api/v1/projects/{}/runs", demo.text(&format!("/projects/{project}/id")));
    let (atlas, borealis) = (runs("atlas"), runs("borealis"));
    status(&atlas, "atlas_project", 200);
    status(&atlas, "owner_account", 200);
    status(&atlas, "anonymous", 401);
    status(&atlas, "stranger", 404);
    status(&borealis, "atlas_project", 404);
    let start = |row: &str| {
        let request = gateway.post(&atlas, &json!({"name": "nightly"}));
        cast.key(row).iter().fold(request, |request, key| request.bearer(key)).send().status
    };
    assert_eq!((start("atlas_project"), start("owner_account"), start("stranger")), (201, 403, 404));
}
