//! Tables, JSON and errors for fixed answers.

use crate::support::{Ended, fixed, program, run};

pub(crate) const KEY: &str = r#"{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","name":"Blog 東京","kind":"resource","subject":"notebook:5e1f0c3a9b7d2468","scopes":["*:read"],"versions":"@12...","grants":["secrets","databases"],"status":"disabled","expires_at":"2027-01-31T12:00:00Z","created_at":"2026-11-21T13:00:00.25Z","created_by":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","created_via":"api","last_used_at":null,"last_used_from":null,"preview":"rk_...Zq3x","replaces":null,"restrictions":{"addresses":["192.0.2.0/24"],"origins":[],"rate":{"limit":100,"period_seconds":60}},"metadata":{"team":"web"},"seen_by_a_later_version":true}"#;
pub(crate) const LIST: &str = r#"{"items":[{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","name":"Blog 東京","kind":"account","subject":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":[],"versions":null,"grants":null,"status":"active","expires_at":null,"created_at":"2026-11-21T13:00:00Z","created_by":"system","created_via":"cli","last_used_at":"2026-11-21T13:05:00Z","last_used_from":"192.0.2.7","preview":"sk_...Zq3x","replaces":null,"restrictions":{"addresses":null,"origins":null,"rate":null,"quota":null},"metadata":{}},{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1c","name":"CI","kind":"team","subject":"team:team_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":["*:read"],"versions":null,"grants":null,"status":"expired","expires_at":"2026-01-01T00:00:00Z","created_at":"2025-11-21T13:00:00Z","created_by":"system","created_via":"import","last_used_at":null,"last_used_from":null,"preview":"","replaces":null,"restrictions":{"addresses":null,"origins":null,"rate":null,"quota":null},"metadata":{}}],"next_cursor":null}"#;
pub(crate) const HISTORY: &str = r#"{"items":[{"at":"2026-11-21T13:00:00Z","actor":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","key":null,"action":"key:update","target":"key:key_01jd3m0q7w8r9t2v4x6y8z0a1b","subject":"operator","origin":"site","address":"192.0.2.7","request_id":"req_1","outcome":"done","detail":"status: active -> disabled"},{"at":"2026-11-21T12:00:00Z","actor":"system","key":null,"action":"key:create","target":"key:key_01jd3m0q7w8r9t2v4x6y8z0a1b","subject":"operator","origin":"cli","address":null,"request_id":null,"outcome":"done","detail":""}],"next_cursor":"7"}"#;
pub(crate) const VERDICT: &str = r#"{"valid":false,"code":"forbidden","key_id":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","kind":"account","subject":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":["*:read"],"expires_at":null,"grants":{"secrets":[],"databases":[]},"version":null,"reasons":[{"code":"key_active","text":"the key is active and not expired"},{"code":"scope_missing","text":"no scope covers the action"}]}"#;

pub(crate) fn ask(status: &'static str, body: &'static str, arguments: &[&str]) -> Ended {
    let url = fixed(status, body);
    run(program(arguments).env("CLAVIGER_URL", url).env("CLAVIGER_KEY", "ck_caller"), "sk_suspect")
}

#[test]
fn tables_and_json() {
    let shown = |name: &str, body, arguments: &[&str]| {
        insta::assert_snapshot!(name, ask("200 OK", body, arguments).shown());
    };
    shown("keys_show", KEY, &["keys", "show", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"]);
    shown("keys_show_json", KEY, &["keys", "show", "key_01jd3m0q7w8r9t2v4x6y8z0a1b", "--json"]);
    shown("keys_list", LIST, &["keys", "list"]);
    shown("keys_list_empty", r#"{"items":[],"next_cursor":null}"#, &["keys", "list"]);
    shown("history", HISTORY, &["history", "--limit", "2"]);
    shown("verify", VERDICT, &["verify", "--action", "notebook:write"]);
    shown("verify_json", VERDICT, &["verify", "--json"]);
    shown("explain", VERDICT, &["explain", "--action", "notebook:write", "--target", "notebook:5e1f@12"]);
}

const ROTATED: &str = r#"{"secret":"sk_the_new_one","key":{"id":"key_01jd3m0q7w8r9t2v4x6y8z0a1d","name":"CI","kind":"account","subject":"account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b","scopes":["*:read"],"versions":null,"grants":null,"status":"active","expires_at":null,"created_at":"2026-11-21T13:00:00Z","created_by":"system","created_via":"api","last_used_at":null,"last_used_from":null,"preview":"sk_..._one","replaces":"key_01jd3m0q7w8r9t2v4x6y8z0a1b","restrictions":{"addresses":null,"origins":null,"rate":null,"quota":null},"metadata":{}},"revocation":{"state":"complete","change":"chg_1","acknowledged_by":["node_1"],"elapsed_ms":3}}"#;
#[test]
fn a_rotated_key_is_shown_once() {
    let rotate = ["keys", "rotate", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"];
    insta::assert_snapshot!("keys_rotate", ask("200 OK", ROTATED, &rotate).shown());
    let only = ask("200 OK", ROTATED, &[&rotate[..], &["--overlap", "24h", "--secret-only"]].concat());
    assert_eq!(only.good(), "sk_the_new_one\n");
    let json = ask("200 OK", ROTATED, &[&rotate[..], &["--json"]].concat()).json();
    assert_eq!(json, serde_json::from_str::<serde_json::Value>(ROTATED).unwrap());
}

#[test]
fn errors_say_what_to_do_and_end_with_their_code() {
    let problem = |status, body, code: i32, name: &str| {
        let ended = ask(status, body, &["whoami"]);
        assert_eq!(ended.code, code, "{ended:?}");
        insta::assert_snapshot!(name, ended.shown());
    };
    problem(
        "401 Unauthorized",
        r#"{"status":401,"code":"invalid_key","detail":"This key is not known here."}"#,
        3,
        "error_refused",
    );
    problem(
        "404 Not Found",
        r#"{"status":404,"code":"not_found","detail":"There is nothing here."}"#,
        4,
        "error_not_found",
    );
    problem(
        "409 Conflict",
        r#"{"status":409,"code":"key_not_active","detail":"Only an active key can be rotated."}"#,
        5,
        "error_conflict",
    );
    problem(
        "503 Service Unavailable",
        r#"{"status":503,"code":"unavailable","detail":"The store cannot answer."}"#,
        6,
        "error_unavailable",
    );
    problem(
        "500 Internal Server Error",
        r#"{"status":500,"code":"internal","detail":"Something failed."}"#,
        1,
        "error_internal",
    );
}

#[test]
fn what_cannot_be_asked() {
    let check = |arguments: &[&str], url: &str, key: &str, code: i32, expect: &str| {
        let ended = run(program(arguments).env("CLAVIGER_URL", url).env("CLAVIGER_KEY", key), "");
        assert!(ended.code == code && ended.err.contains(expect), "{arguments:?}: {ended:?}");
    };
    let nobody = "http://127.0.0.1:1";
    check(&["whoami"], nobody, "k", 6, "Is `claviger serve` running there?");
    check(&["whoami"], nobody, "", 2, "there is no key to call with");
    check(&["whoami"], "http://keys.example.org", "k", 2, "plain HTTP");
    check(&["keys", "delete", "key_1"], nobody, "k", 2, "Pass --yes");
    check(&["keys", "create", "n", "--for", "operator", "--expires", "soon"], nobody, "k", 2, "`--expires`");
    check(&["keys", "frobnicate"], nobody, "k", 2, "unrecognized subcommand");
    check(&["verify", "--target", "notebook:1@x"], nobody, "k", 2, "after the `@`");
    check(&["verify"], nobody, "k", 2, "standard input holds no key");
    check(&["keys", "import", "-", "--format", "csv"], nobody, "k", 2, "standard input has no rows");
}
