//! The page to try the API on, in a real browser.

use std::io::Write as _;
use std::process::{Command, Stdio};

use claviger_testkit::{Serve, folder};
use serde_json::json;

use crate::PROGRAM;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/browser/playground.mjs");

#[test]
fn a_key_is_entered_and_a_request_sent_in_chromium() {
    let (data, profile) = (folder(), folder());
    let server = Serve::start(PROGRAM, data.path(), &[]);
    let key = std::fs::read_to_string(data.path().join("operator-key")).unwrap();
    let given = json!({"api": format!("http://{}", server.api.address()), "key": key.trim(), "profile": profile.path()});
    let mut node = Command::new("node");
    node.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = node.spawn().unwrap();
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.contains("all checks hold"), "{told}");
}
