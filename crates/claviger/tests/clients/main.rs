//! Programs that other people wrote, unmodified, against the real binary: the Python packages of two products
//! at the demo, a fuzzer that reads our OpenAPI document, and two frameworks that run the applications in
//! `examples/`. They need Python 3 with `venv`, Node.js and npm, and fetch the packages from PyPI and npm's registry.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends here, and says where")]

mod frameworks;
mod python;

use std::time::Duration;

use claviger_testkit::{Demo, Serve, folder};
use python::{Python, run};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_claviger");

#[test]
fn python_clients_work_at_the_demo() {
    let python = Python::with("clients", include_str!("../../../../demo/tests/python/requirements.txt"));
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let mut command = python.command("python");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/tests/python/real_clients.py"));
    let (success, output) = run(command, &demo.told.to_string(), Duration::from_secs(300));
    assert!(success && output.contains("all checks hold"), "{output}");
}

#[test]
fn the_api_is_as_its_description_says() {
    let python = Python::with("fuzzer", include_str!("requirements.txt"));
    let data = folder();
    let server = Serve::start(PROGRAM, data.path(), &[]);
    let key = std::fs::read_to_string(data.path().join("operator-key")).unwrap();
    let input = json!({"api": format!("http://{}", server.api.address()), "operator_key": key.trim()});
    let mut command = python.command("python");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/fuzz.py"));
    let (success, output) = run(command, &input.to_string(), Duration::from_secs(300));
    assert!(success, "{output}");
}
