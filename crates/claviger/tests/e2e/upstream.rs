//! The application that stands behind the gateway in some of these tests: a real HTTP server, Node's.

use std::process::Command;

use claviger_testkit::Process;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/upstream.mjs");

/// A running application. It ends with the test.
pub(crate) struct Upstream {
    pub(crate) process: Process,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let mut process = Process::start(Command::new("node").arg(SCRIPT));
        let port = process.wait_for(|process| {
            let out = process.out();
            let line = out.lines().find_map(|line| line.strip_prefix("listening "))?;
            Some(line.to_owned())
        });
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }
}
