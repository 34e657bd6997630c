//! The project's own chores. `cargo xtask` lists them.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

mod bench;
mod count;
mod deny;
mod nightly;
mod prerequisites;
mod run;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
The project's own chores.

  cargo xtask test           everything: format, lints, tidy, licences, every test
  cargo xtask test --quick   the same without the end-to-end tests, which need node, npm and curl
  cargo xtask tidy           the house rules that no compiler knows
  cargo xtask deny           licences, sources and duplicates of all dependencies, with cargo-deny;
                             installs it if it is missing (some minutes)
  cargo xtask nightly        what takes too long for every change: every order of events in a model of the key
                             table, many more cases of the properties, a million rows
  cargo xtask bench          speed against the limit and against what people would use instead; needs wrk,
                             nginx and taskset, and measures more peers where PostgreSQL and npm are installed
  cargo xtask bench --instructions
                             how many instructions a verification, a decision and a request take, against the
                             table in docs/PERFORMANCE.md; needs valgrind, and is a part of `test`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let passed = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => test::everything(true),
        ["test", "--quick"] => test::everything(false),
        ["tidy"] => tidy::check(&root()),
        ["bench"] => bench::run(&root()),
        ["bench", "--instructions"] => count::check(&root()),
        ["nightly"] => nightly::run(),
        ["deny"] => deny::check(deny::Missing::Install) != deny::Outcome::Failed,
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            true
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    // Cargo sets it for whatever it runs; the compile-time value is for a binary that is run by hand.
    let own = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&own).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
