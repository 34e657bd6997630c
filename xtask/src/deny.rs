//! Licences, sources and duplicates of all dependencies, with cargo-deny (`deny.toml`).

use crate::run::{cargo, exists, succeeds};

/// What to do where cargo-deny is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Install it: two or three minutes on two cores.
    Install,
    /// Leave it be, and say so.
    Skip,
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// The version that is installed: what later ones find is for us to decide when.
const PACKAGE: &str = "cargo-deny@0.20.2";
/// The variable that makes `cargo xtask test` install cargo-deny rather than skip it.
const INSTALL_VARIABLE: &str = "CLAVIGER_DENY";
/// What is checked without asking anybody. Advisories need a database from the network: see [`ADVISORIES`].
const OFFLINE: [&str; 3] = ["bans", "licenses", "sources"];
/// The variable by which advisories are checked, too.
const ADVISORIES: &str = "CLAVIGER_DENY_ADVISORIES";

/// What the environment asks for.
pub(crate) fn when_missing() -> Missing {
    if is_set(INSTALL_VARIABLE) { Missing::Install } else { Missing::Skip }
}

/// Runs the checks.
pub(crate) fn check(missing: Missing) -> Outcome {
    if !exists("cargo-deny") {
        if missing == Missing::Skip {
            println!(
                "cargo-deny is not installed. `cargo xtask deny` installs it, as does {INSTALL_VARIABLE}=1."
            );
            return Outcome::Skipped;
        }
        // Without optimisation: it takes half the time to build, and a moment to run either way.
        if !succeeds(&cargo(), &["install", "--locked", "--debug", PACKAGE]) {
            return Outcome::Failed;
        }
    }
    let mut arguments = vec!["deny", "--workspace", "check", "--hide-inclusion-graph"];
    arguments.extend(OFFLINE);
    if is_set(ADVISORIES) {
        arguments.push("advisories");
    }
    if succeeds(&cargo(), &arguments) { Outcome::Passed } else { Outcome::Failed }
}

fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}
