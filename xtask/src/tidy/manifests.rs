//! The arrows between the crates, and where dependencies come from.

use toml::{Table, Value};

use super::{File, Finding};

/// A crate, and what it may know of the others and of the world.
struct Member {
    name: &'static str,
    /// Crates of ours that it may depend on.
    knows: &'static [&'static str],
    /// Crates of others that it must not depend on, tests aside.
    banned: &'static [&'static str],
}

const RUNTIMES: &[&str] = &[
    "axum",
    "getrandom",
    "http",
    "hyper",
    "hyper-util",
    "jiff",
    "rand",
    "rusqlite",
    "rustix",
    "socket2",
    "tokio",
    "tracing",
];
const HTTP: &[&str] = &["axum", "http", "http-body", "hyper", "hyper-util", "rusqlite", "tower"];

/// `core <- store <- authority <- http <- claviger`. Only `authority` is where core meets store.
const MEMBERS: &[Member] = &[
    Member { name: "claviger-core", knows: &[], banned: RUNTIMES },
    Member {
        name: "claviger-store",
        knows: &["claviger-core"],
        banned: &["axum", "http", "hyper", "hyper-util", "tower"],
    },
    Member { name: "claviger-authority", knows: &["claviger-core", "claviger-store"], banned: HTTP },
    Member {
        name: "claviger-http",
        knows: &["claviger-core", "claviger-authority"],
        banned: &["rusqlite", "clap"],
    },
    Member {
        name: "claviger",
        knows: &[
            "claviger-core",
            "claviger-authority",
            "claviger-client",
            "claviger-http",
            "claviger-demo",
            "claviger-testkit",
        ],
        banned: &["rusqlite"],
    },
    // It knows the API by its wire alone; `core` and `authority` for verification in process, `http` in tests.
    Member {
        name: "claviger-client",
        knows: &["claviger-core", "claviger-authority", "claviger-http"],
        banned: &["axum", "rusqlite", "clap"],
    },
    // What a customer would write: it knows Claviger by HTTP and the client alone.
    Member { name: "claviger-demo", knows: &["claviger-client"], banned: &["rusqlite"] },
    // What tests from outside share: it knows Claviger by HTTP alone.
    Member { name: "claviger-testkit", knows: &[], banned: &["rusqlite", "tokio"] },
    Member {
        name: "benches",
        knows: &["claviger-core", "claviger-store", "claviger-authority", "claviger-http"],
        banned: &[],
    },
    Member { name: "xtask", knows: &[], banned: &["tokio", "hyper"] },
];

/// Checks the manifest of each member.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Not the workspace's own, nor those of programs to measure against, which are workspaces of their own.
    let of_member = |file: &&File| file.path.ends_with("Cargo.toml") && !file.is_below("benches/peers");
    for file in files.iter().filter(of_member).filter(|file| file.path.components().count() > 1) {
        match file.text.parse::<Table>() {
            Ok(manifest) => check_manifest(file, &manifest, &mut findings),
            Err(error) => findings.push(Finding::new(&file.path, 0, error.to_string())),
        }
    }
    findings
}

fn check_manifest(file: &File, manifest: &Table, findings: &mut Vec<Finding>) {
    let mut add = |what: String| findings.push(Finding::new(&file.path, 0, what));
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let Some(member) = MEMBERS.iter().find(|member| Some(member.name) == name) else {
        return add(
            "a crate that xtask/src/tidy/manifests.rs does not know: say there what it may know".into()
        );
    };
    if !inherits(manifest.get("lints")) {
        add("write `[lints] workspace = true`".into());
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(section).and_then(Value::as_table) else { continue };
        for (dependency, value) in table {
            if !inherits(Some(value)) {
                add(format!("`{dependency}`: take it from the workspace, where the reason for it stands"));
            }
            let ours = MEMBERS.iter().any(|member| member.name == dependency);
            // A crate may name itself, to test with a feature that it does not have by default.
            let itself = section == "dev-dependencies" && dependency == member.name;
            if ours && !itself && !member.knows.contains(&dependency.as_str()) {
                add(format!("`{}` must not know `{dependency}`: arrows point one way", member.name));
            }
            // Tests may use what the crate itself must not: a runtime to run in, a database to look into.
            if section != "dev-dependencies" && member.banned.contains(&dependency.as_str()) {
                add(format!("`{}` must not depend on `{dependency}`", member.name));
            }
        }
    }
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn findings(manifest: &str) -> Vec<String> {
        let file = File { path: PathBuf::from("crates/x/Cargo.toml"), text: manifest.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn an_arrow_that_turns_back_is_found() {
        let check = |name: &str, dependency: &str, expect: &str| {
            let manifest = format!(
                "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependency}.workspace = true\n"
            );
            let found = findings(&manifest).join("; ");
            assert!(
                if expect.is_empty() { found.is_empty() } else { found.contains(expect) },
                "{name}: {found}"
            );
        };
        check("claviger-store", "claviger-core", "");
        check("claviger-core", "claviger-store", "arrows point one way");
        check("claviger-http", "claviger-store", "arrows point one way");
        check("claviger-demo", "claviger-client", "");
        check("claviger-demo", "claviger-core", "arrows point one way");
        check("claviger-client", "claviger-demo", "arrows point one way");
        check("claviger-core", "tokio", "must not depend on `tokio`");
        check("claviger-new", "tokio", "does not know");
    }

    #[test]
    fn dependencies_and_lints_come_from_the_workspace() {
        let manifest = "[package]\nname = \"claviger-store\"\n[dependencies]\nserde = \"1\"\n";
        let found = findings(manifest).join("; ");
        assert!(
            found.contains("`serde`: take it from the workspace") && found.contains("[lints]"),
            "{found}"
        );
    }
}
