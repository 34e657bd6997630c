//! What the end-to-end tests need besides a Rust toolchain.

use std::path::Path;

use crate::run::{exists, succeeds};

/// A program, and the package of Debian that has it.
struct Needed {
    program: &'static str,
    package: &'static str,
    what_for: &'static str,
}

const NEEDED: [Needed; 10] = [
    Needed { program: "curl", package: "curl", what_for: "the lines that the demo prints" },
    Needed { program: "bash", package: "bash", what_for: "the lines that the demo prints" },
    Needed { program: "node", package: "nodejs", what_for: "notebooks in the real Observable runtime" },
    Needed { program: "npm", package: "npm", what_for: "notebooks as packages" },
    Needed { program: "nginx", package: "nginx-light", what_for: "a proxy that asks about each request" },
    Needed { program: "caddy", package: "caddy", what_for: "another proxy that asks about each request" },
    Needed { program: "haproxy", package: "haproxy", what_for: "a third such proxy" },
    Needed { program: "chromium", package: "chromium", what_for: "pages in a real browser" },
    Needed { program: "valgrind", package: "valgrind", what_for: "counting instructions" },
    Needed {
        program: PYTHON,
        package: "python3-venv",
        what_for: "two Python clients, and a fuzzer of the API",
    },
];

/// Stands for a Python that can make virtual environments.
const PYTHON: &str = "python3 -m venv";

/// The version of Node.js from which the tests' own script runs (`fetch`, `import` of file addresses).
const NODE_MAJOR_MIN: u32 = 18;

/// Installs what is missing where that is possible, else says what to install.
pub(crate) fn check() -> bool {
    let mut lacking = lacking();
    if !lacking.is_empty() && is_debian_root() {
        let packages = lacking.iter().map(|needed| needed.package);
        let install: Vec<&str> = ["install", "-y", "--no-install-recommends", "ca-certificates"]
            .into_iter()
            .chain(packages)
            .collect();
        // An old list of packages is better than none: what matters is whether the programs are there after it.
        succeeds("apt-get", &["update"]);
        without_services(|| succeeds("apt-get", &install));
        lacking = self::lacking();
    }
    for Needed { program, package, what_for } in &lacking {
        println!("`{program}` is missing, which is for {what_for}. On Debian: apt-get install {package}");
    }
    if !lacking.is_empty() {
        println!("Without them, `cargo xtask test --quick` tests everything else.");
        return false;
    }
    node_is_recent()
}

/// Runs an installation whose packages must not start their services: the tests start their own, on loopback.
fn without_services(install: impl FnOnce() -> bool) {
    // Debian asks this script before a package starts a service; 101 forbids it.
    let policy = Path::new("/usr/sbin/policy-rc.d");
    let ours = !policy.exists();
    if ours && std::fs::write(policy, "#!/bin/sh\nexit 101\n").is_ok() {
        succeeds("chmod", &["755", "/usr/sbin/policy-rc.d"]);
    }
    install();
    if ours {
        // It was not there before; whether it goes is not worth failing for.
        let _ = std::fs::remove_file(policy);
    }
}

fn lacking() -> Vec<&'static Needed> {
    let there = |program: &str| match program {
        PYTHON => exists("python3") && succeeds("python3", &["-c", "import ensurepip, venv"]),
        program => exists(program),
    };
    NEEDED.iter().filter(|needed| !there(needed.program)).collect()
}

fn is_debian_root() -> bool {
    // Root owns what it makes; asking the system itself would take a crate.
    let root = std::process::Command::new("id").arg("-u").output();
    let root = root.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    root && Path::new("/etc/debian_version").exists() && exists("apt-get")
}

fn node_is_recent() -> bool {
    let output = std::process::Command::new("node").arg("--version").output();
    let text =
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let major = text.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major >= NODE_MAJOR_MIN) {
        return true;
    }
    println!("node is {text}; the tests need version {NODE_MAJOR_MIN} or later.");
    false
}
