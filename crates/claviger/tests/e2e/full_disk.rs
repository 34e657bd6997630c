//! A disk on which nothing more can be written: what was acknowledged stays true, keys are verified all the same, and
//! the answers say that nothing was changed.
//!
//! The limit on the size of a file stands for the disk: the writes of SQLite itself fail there, as on a full one. The
//! kernel sends a signal first, which the shell has the program ignore.

use std::process::Command;

use claviger_testkit::{Process, Serve, folder};
use serde_json::{Value, json};

use crate::PROGRAM;

const OPERATOR: &str = "ck-test-9f2c51d07ae84b36c1e05d7f3a6b8294d1c7";
/// Of a file: room for the schema, some keys and their history in the write-ahead log.
const FILE_KIB: u32 = 1_024;
/// Keys until one is refused, at most.
const KEYS_MAX: usize = 2_000;

#[test]
fn on_a_full_disk_keys_are_verified_and_every_answer_is_true() {
    let data = folder();
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLAVIGER_") {
            command.env_remove(name);
        }
    }
    let ports = "--listen 127.0.0.1:0 --gateway-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    let script = format!("trap '' XFSZ; ulimit -f {FILE_KIB}; exec '{PROGRAM}' serve {ports} --data \"$0\"");
    command.arg("-c").arg(script).arg(data.path()).env("CLAVIGER_OPERATOR_KEY", OPERATOR);
    let mut server = Serve::of(Process::start(&mut command));

    let create = |server: &Serve| {
        let body = json!({"name": "k", "subject": "operator", "scopes": ["history:read"]});
        server.api.post("/v1/keys", &body).bearer(OPERATOR).send()
    };
    let verified = |server: &Serve, secret: &str| server.api.get("/v1/whoami").bearer(secret).send().status;
    let mut secrets: Vec<(String, String)> = Vec::new();
    let refused = loop {
        let answer = create(&server);
        if answer.status != 201 {
            break answer.json();
        }
        let made = answer.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        secrets.push((text(&made["key"]["id"]), text(&made["secret"])));
        assert!(secrets.len() < KEYS_MAX, "the limit was never reached");
    };
    assert_eq!(refused["code"], "unavailable", "{refused}");
    assert!(secrets.len() > 10, "{}", secrets.len());
    let (_, last) = secrets.last().unwrap();
    assert_eq!(verified(&server, last), 200);
    let ready = server.admin.get("/readyz").send();
    assert_eq!(ready.status, 200, "verification is served");
    assert_eq!(ready.json()["changes"], json!(false), "{}", ready.text());
    assert!(server.admin.get("/metrics").send().text().contains("claviger_changes_possible 0\n"));
    // Nor is anything taken away that is answered as if it was not.
    let (id, secret) = &secrets[0];
    let deleted = server.api.request("DELETE", &format!("/v1/keys/{id}")).bearer(OPERATOR).send();
    assert_eq!(deleted.json()["code"], "unavailable", "{}", deleted.text());
    assert_eq!(verified(&server, secret), 200);

    server.process.kill();
    let server = Serve::start(PROGRAM, data.path(), &[("CLAVIGER_OPERATOR_KEY", OPERATOR)]);
    for (id, secret) in &secrets {
        assert_eq!(verified(&server, secret), 200, "{id} was acknowledged");
    }
    let target = "/v1/keys?subject=operator&limit=1";
    assert_eq!(server.api.get(target).bearer(OPERATOR).send().status, 200);
    let ready = server.admin.get("/readyz").send().json();
    assert_eq!(ready["changes"], json!(true), "{ready}");
    assert_eq!(create(&server).status, 201);
}
