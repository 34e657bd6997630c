//! What every command prints, for people and for programs: of fixed answers as they are, of a real installation
//! without what differs from run to run.

use std::path::Path;

use crate::fixed::{HISTORY, KEY, LIST, VERDICT, ask};
use crate::support::{Demo, Ended, Server, program, run};

const ID: &str = "key_01jd3m0q7w8r9t2v4x6y8z0a1b";
const CREATED: &str = r#"{"secret":"sk_the_new_one","key":{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1d","name":"CI","kind":"account","subject":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":["*:read"],"versions":null,"grants":null,"status":"active","expires_at":"2027-01-31T12:00:00Z","created_at":"2026-11-21T13:00:00Z","created_by":"system","created_via":"api","last_used_at":null,"last_used_from":null,"preview":"sk_..._one","replaces":null,"restrictions":{"addresses":null,"origins":null,"rate":null},"metadata":{}}}"#;
const CHANGED: &str = r#"{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","name":"Blog","kind":"account","subject":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":["*:read"],"versions":null,"grants":null,"status":"disabled","expires_at":null,"created_at":"2026-11-21T13:00:00Z","created_by":"system","created_via":"api","last_used_at":null,"last_used_from":null,"preview":"sk_...Zq3x","replaces":null,"restrictions":{"addresses":null,"origins":null,"rate":null},"metadata":{},"revocation":{"state":"complete","change":"chg_1","acknowledged_by":["node_1"],"elapsed_ms":3}}"#;
const DELETED: &str = r#"{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","deleted":true,"revocation":{"state":"complete","change":"chg_1","acknowledged_by":["node_1"],"elapsed_ms":3}}"#;

#[test]
fn of_every_command_that_asks_the_authority() {
    let me = format!(r#"{{"kind":"key","key":{KEY}}}"#);
    let me: &'static str = me.leak();
    let cases: [(&str, &'static str, &[&str]); 10] = [
        ("whoami", me, &["whoami"]),
        ("keys_create", CREATED, &["keys", "create", "CI", "--for", "account:acct_1"]),
        ("keys_rename", CHANGED, &["keys", "rename", ID, "Blog"]),
        ("keys_disable", CHANGED, &["keys", "disable", ID]),
        ("keys_enable", KEY, &["keys", "enable", ID]),
        ("keys_delete", DELETED, &["keys", "delete", ID, "--yes"]),
        ("keys_list", LIST, &["keys", "list"]),
        ("verify", VERDICT, &["verify"]),
        ("explain", VERDICT, &["explain", "--action", "notebook:write"]),
        ("history", HISTORY, &["history", "--limit", "2"]),
    ];
    for (name, body, arguments) in cases {
        for form in [&[][..], &["--json"][..]] {
            let ended = ask("200 OK", body, &[arguments, form].concat());
            if !form.is_empty() {
                let told = serde_json::from_str::<serde_json::Value>(&ended.out);
                assert!(told.is_ok(), "{name}: {ended:?}");
            }
            let suffix = if form.is_empty() { "" } else { "_json" };
            insta::assert_snapshot!(format!("{name}{suffix}"), ended.shown());
        }
    }
    let lines = ask(
        "200 OK",
        r#"{"items":[{"at":"2026-11-21T13:00:00Z","actor":"system","key":null,"action":"key:create","target":"key:key_1","subject":"operator","origin":"cli","address":null,"request_id":null,"outcome":"done","detail":""}],"next_cursor":null}"#,
        &["history", "--json-lines"],
    );
    insta::assert_snapshot!("history_json_lines", lines.shown());
}

/// Without what differs: the folder, numbers, and how wide a column is for it.
fn steady(ended: &Ended, folder: &Path) -> String {
    let shown = ended.shown().replace(&*folder.to_string_lossy(), "FOLDER");
    let mut text = String::new();
    for line in shown.lines() {
        if line.starts_with("exit ") {
            text.push_str(&format!("{line}\n"));
            continue;
        }
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let digits = word.bytes().any(|byte| byte.is_ascii_digit());
            let kept = !digits || word.contains("FOLDER") || word.contains("127.0.0.1");
            text.push_str(if kept { word } else { "#" });
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[test]
fn of_every_command_on_an_installation() {
    let server = Server::start(None);
    let folder = server.around.as_ref().unwrap().path().to_owned();
    let data = server.folder();
    let backup = folder.join("backup.sqlite");
    let on = |arguments: &[&str]| {
        let ended = run(program(arguments).arg("--data").arg(&data), "");
        steady(&ended, &folder)
    };
    insta::assert_snapshot!("backup", on(&["backup", &backup.to_string_lossy()]));
    let other = folder.join("other.sqlite");
    insta::assert_snapshot!("backup_json", on(&["backup", &other.to_string_lossy(), "--json"]));
    insta::assert_snapshot!("backup_again", on(&["backup", &backup.to_string_lossy()]));
    insta::assert_snapshot!("operator_reset_while_serving", on(&["operator", "reset"]));
    let Server { around, process, .. } = server;
    drop(process);
    insta::assert_snapshot!("doctor", on(&["doctor"]));
    insta::assert_snapshot!("doctor_json", on(&["doctor", "--json"]));
    insta::assert_snapshot!("restore_without_replace", on(&["restore", &backup.to_string_lossy()]));
    insta::assert_snapshot!("restore", on(&["restore", &backup.to_string_lossy(), "--replace"]));
    let again = ["restore", &*backup.to_string_lossy(), "--replace", "--json"];
    insta::assert_snapshot!("restore_json", on(&again));
    insta::assert_snapshot!("restore_nothing", on(&["restore", "/nowhere/at/all", "--replace"]));
    std::fs::write(&other, "not a database").unwrap();
    insta::assert_snapshot!("restore_no_database", on(&["restore", &other.to_string_lossy(), "--replace"]));
    insta::assert_snapshot!("operator_reset", on(&["operator", "reset"]));
    insta::assert_snapshot!("operator_reset_json", on(&["operator", "reset", "--json"]));
    insta::assert_snapshot!("serve_check", on(&["serve", "--check"]));
    drop(around);
}

#[test]
fn of_an_import() {
    let demo = Demo::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.csv");
    let project = format!("project:{}", demo.fact("/projects/atlas/id"));
    let rows =
        format!("name,subject,key\nOne,{project},old_AbCdEfGhIjKlMnOpQrStUvWx1\nTwo,{project},short\n");
    std::fs::write(&path, rows).unwrap();
    let path = path.to_string_lossy();
    let import = |more: &[&str]| {
        let ended = demo.run(&[&["keys", "import", &path], more].concat(), "");
        steady(&ended, folder.path())
    };
    insta::assert_snapshot!("import_wrong", import(&[]));
    insta::assert_snapshot!("import_dry_run_json", import(&["--dry-run", "--json"]));
    insta::assert_snapshot!("import_skip_bad", import(&["--skip-bad"]));
}
