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
    let properties = with_cases(&["test", "--release", "--package", "claviger-core", "--test", "decisions"]);
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

fn with_cases(arguments: &[&str]) -> bool {
    println!("\n== properties of decisions, {PROPERTY_CASES} cases each");
    passes(Command::new(cargo()).args(arguments).env("PROPTEST_CASES", PROPERTY_CASES))
}

fn passes(command: &mut Command) -> bool {
    command.current_dir(root()).status().is_ok_and(|status| status.success())
}
