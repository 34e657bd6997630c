//! Speed: builds what is measured and what it is measured against, then runs the benches.

use std::path::Path;
use std::process::Command;

use crate::run::exists;

/// Runs them. What is missing is told before anything is built.
pub(crate) fn run(root: &Path) -> bool {
    let missing =
        ["wrk", "nginx", "taskset"].into_iter().filter(|program| !exists(program)).collect::<Vec<_>>();
    if !missing.is_empty() {
        println!("{} missing. On Debian: apt-get install wrk nginx-light util-linux", missing.join(", "));
        return false;
    }
    let cargo = |arguments: &[&str]| step(Command::new("cargo").args(arguments).current_dir(root));
    let peers = root.join("benches/peers");
    let better_auth = peers.join("better-auth");
    if exists("npm") {
        step(Command::new("npm").args(["ci", "--silent"]).current_dir(&better_auth));
    }
    cargo(&["build", "--profile", "dist", "--package", "claviger", "--package", "benches"])
        && step(
            Command::new("cargo").args(["build", "--release", "--target-dir", "target"]).current_dir(&peers),
        )
        && cargo(&["run", "--profile", "dist", "--package", "benches", "--bin", "bench-index"])
        && cargo(&["run", "--profile", "dist", "--package", "benches", "--bin", "bench-store"])
        && cargo(&["run", "--profile", "dist", "--package", "benches", "--bin", "bench-http"])
}

fn step(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
