//! `cargo xtask nightly`: what takes too long for every change.

use std::process::Command;

use crate::root;
use crate::run::{cargo, succeeds};

/// The model of the key table is built of other memory than the rest, so it has a folder of its own.
const MODEL_TARGET: &str = "target/model";
/// Cases of each property test; the ordinary run has 256.
const PROPERTY_CASES: &str = "20000";

/// Runs all of it, also after one part has failed. Returns whether all passed.
pub(crate) fn run() -> bool {
    let model = model();
    let decisions = with_cases("decisions", &["--package", "claviger-core", "--test", "decisions"]);
    // Credentials, paths and patterns, forwarded headers, origins and addresses: whatever is sent.
    let texts =
        with_cases("what is read", &["--package", "claviger-core", "--package", "claviger-http", "--lib"]);
    let paths = with_cases("routes", &["--package", "claviger-http", "--test", "life", "reading"]);
    let properties = decisions && texts && paths;
    let long = succeeds(
        &cargo(),
        &["test", "--release", "--package", "claviger-authority", "--", "--ignored", "--nocapture"],
    );
    model && properties && long
}

/// Every order of events that memory allows, for a small key table.
fn model() -> bool {
    println!("\n== the model of the key table");
    let mut command = Command::new(cargo());
    command.args(["test", "--release", "--package", "claviger-authority", "--lib", "index::model"]);
    command.env("RUSTFLAGS", "--cfg claviger_loom").env("CARGO_TARGET_DIR", MODEL_TARGET);
    passes(&mut command)
}

fn with_cases(name: &str, arguments: &[&str]) -> bool {
    println!("\n== properties of {name}, {PROPERTY_CASES} cases each");
    let mut command = Command::new(cargo());
    command.args(["test", "--release"]).args(arguments).env("PROPTEST_CASES", PROPERTY_CASES);
    passes(&mut command)
}

fn passes(command: &mut Command) -> bool {
    command.current_dir(root()).status().is_ok_and(|status| status.success())
}
