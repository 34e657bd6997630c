//! `cargo xtask bench --instructions`: how many instructions operations take, counted by valgrind's callgrind.
//!
//! Time depends on the machine and on what else it does. Instructions do not, so a change that makes an operation
//! dearer shows in the first run after it.

mod profile;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{cargo, exists, succeeds};
use profile::Profile;

const PROGRAM: &str = "bench-count";
/// The profile that it is built with; see `Cargo.toml`.
const BUILD: &str = "bench-count";
/// The function after which callgrind writes what it has counted.
const END_OF_PART: &str = "*bench_count::end_of_part*";
/// The function whose cost is that of the operation.
const COUNTED: &str = "bench_count::counted";
/// The architecture that the counts in the document are of.
pub(crate) const ARCHITECTURE: &str = "x86_64";

/// What one operation takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) operation: String,
    /// Instructions, without those that compute SHA-256.
    pub(crate) instructions: u64,
    /// Instructions that compute SHA-256: valgrind offers no processor with instructions for it.
    pub(crate) sha256: u64,
}

/// One part of a run: an operation that was done so many times.
struct Part {
    operations: u64,
    operation: String,
    instructions: u64,
    sha256: u64,
}

/// Counts, prints the counts, and compares them with those in `docs/PERFORMANCE.md`. Returns whether none has grown
/// by more than is allowed.
pub(crate) fn check(root: &Path) -> bool {
    if !exists("valgrind") {
        println!("`valgrind` is missing. On Debian: apt-get install valgrind");
        return false;
    }
    let counts = match count(root) {
        Ok(counts) => counts,
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    table::compare(root, &counts)
}

fn count(root: &Path) -> Result<Vec<Count>, String> {
    let build =
        ["build", "--locked", "--quiet", "--profile", BUILD, "--package", "benches", "--bin", PROGRAM];
    if !succeeds(&cargo(), &build) {
        return Err(format!("{PROGRAM} does not build"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("instructions");
    // What an earlier run has left would be taken for parts of this one.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let profile = folder.join("profile");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).arg(format!("--dump-after={END_OF_PART}"));
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(target.join(BUILD).join(PROGRAM)).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("{PROGRAM} did not run to its end below valgrind"));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let parts = parts(&lines, |number| {
        let path = profile.with_extension(number.to_string());
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    })?;
    counts(&parts)
}

/// Reads lines such as `part 800 GET /v1/verify`, each with the profile of that number.
fn parts(lines: &str, read: impl Fn(usize) -> Result<String, String>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let lines = lines.lines().filter_map(|line| line.strip_prefix("part "));
    for (number, line) in (1..).zip(lines) {
        let wrong = || format!("not understood: part {line}");
        let (operations, operation) = line.split_once(' ').ok_or_else(wrong)?;
        let operations = operations.parse().map_err(|_| wrong())?;
        if operations == 0 {
            continue;
        }
        let profile = Profile::read(&read(number)?);
        let instructions = profile.cost(|name| name.starts_with(COUNTED));
        if instructions == 0 {
            return Err(format!("{operation}: the profile does not know `{COUNTED}`"));
        }
        let sha256 = profile.cost(|name| name.starts_with("sha2::") && name.contains("compress"));
        parts.push(Part { operations, operation: operation.to_owned(), instructions, sha256 });
    }
    Ok(parts)
}

/// The difference between a long part and the short one before it, for each operation: what happens once in each
/// falls out.
fn counts(parts: &[Part]) -> Result<Vec<Count>, String> {
    let pairs = parts.chunks(2).map(|pair| match pair {
        [short, long] if short.operation == long.operation && short.operations < long.operations => {
            let operations = long.operations - short.operations;
            let each = |short: u64, long: u64| (long.saturating_sub(short) + operations / 2) / operations;
            let sha256 = each(short.sha256, long.sha256);
            let all = each(short.instructions, long.instructions);
            let instructions = all.saturating_sub(sha256);
            Ok(Count { operation: long.operation.clone(), instructions, sha256 })
        }
        _ => Err("each operation is counted in a short part and a longer one".to_owned()),
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(operations: u64, operation: &str, instructions: u64, sha256: u64) -> Part {
        Part { operations, operation: operation.to_owned(), instructions, sha256 }
    }

    #[test]
    fn a_count_is_the_difference_between_two_parts() {
        // 5,000 once in each part, 110 for an operation, 30 of which are SHA-256.
        let counted = counts(&[part(10, "GET", 6_100, 300), part(30, "GET", 8_300, 900)]).unwrap();
        assert_eq!(counted, [Count { operation: "GET".to_owned(), instructions: 80, sha256: 30 }]);
    }

    #[test]
    fn parts_that_are_not_pairs_are_refused() {
        counts(&[part(10, "GET", 1, 0)]).unwrap_err();
        counts(&[part(10, "GET", 1, 0), part(30, "POST", 1, 0)]).unwrap_err();
        counts(&[part(10, "GET", 1, 0), part(10, "GET", 1, 0)]).unwrap_err();
    }

    #[test]
    fn parts_are_read_with_their_profiles() {
        let read = |number: usize| Ok(format!("fn=(1) bench_count::counted\n0 {number}00\n"));
        let parts = parts("part 0 start\npart 7 GET /v1/verify\n", read).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].operations, parts[0].operation.as_str()), (7, "GET /v1/verify"));
        assert_eq!(parts[0].instructions, 200);
    }

    #[test]
    fn a_profile_without_what_is_counted_is_an_error() {
        let read = |_| Ok("fn=(1) main\n0 100\n".to_owned());
        assert!(parts("part 7 GET", read).is_err_and(|error| error.contains(COUNTED)));
    }
}
