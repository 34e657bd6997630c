//! Running other programs.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::root;

/// The cargo that runs us.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Whether there is a program of this name, and it can be asked for its version.
pub(crate) fn exists(program: &str) -> bool {
    // Whether it starts is what counts: nginx and wrk know no `--version` and end with an error.
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs a program in the workspace's folder, its output for all to see.
pub(crate) fn succeeds(program: &str, arguments: &[&str]) -> bool {
    println!("$ {program} {}", arguments.join(" "));
    match Command::new(program).args(arguments).current_dir(root()).status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("{program}: {error}");
            false
        }
    }
}

/// Runs a program like [`succeeds`], and hands each line of its standard output on, too.
pub(crate) fn succeeds_with_lines(program: &str, arguments: &[&str], mut each: impl FnMut(&str)) -> bool {
    println!("$ {program} {}", arguments.join(" "));
    let spawned = Command::new(program).args(arguments).current_dir(root()).stdout(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            println!("{program}: {error}");
            return false;
        }
    };
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            each(&line);
        }
    }
    child.wait().is_ok_and(|status| status.success())
}
