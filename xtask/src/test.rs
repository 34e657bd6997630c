//! `cargo xtask test`: everything that has to hold.

use std::time::{Duration, Instant};

use crate::deny::{self, Outcome};
use crate::run::{cargo, succeeds, succeeds_with_lines};
use crate::{count, prerequisites, root, tidy};

/// A step, and how it went.
struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// How many tests there were, over all test programs.
#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs every step, also after one has failed: who has to mend things wants to know of all.
/// Returns whether all passed.
pub(crate) fn everything(end_to_end: bool) -> bool {
    let mut steps = Vec::new();
    let mut counts = Counts::default();
    let mut step = |name: &'static str, run: &mut dyn FnMut() -> Outcome| {
        println!("\n== {name}");
        let began = Instant::now();
        let outcome = run();
        steps.push(Step { name, outcome, took: began.elapsed() });
    };
    if end_to_end {
        step("prerequisites", &mut || outcome(prerequisites::check()));
    }
    step("format", &mut || outcome(succeeds(&cargo(), &["fmt", "--all", "--check"])));
    step("tidy", &mut || outcome(tidy::check(&root())));
    step("dependencies", &mut || deny::check(deny::when_missing()));
    step("lints", &mut || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        outcome(succeeds(&cargo(), &clippy))
    });
    if end_to_end {
        step("tests", &mut || outcome(tests(&["--workspace"], &mut counts)));
        step("instructions", &mut instructions);
    } else {
        step("tests", &mut || {
            // The end-to-end tests are a test of the package `claviger`; its other tests are in its binary.
            let rest = tests(&["--workspace", "--exclude", "claviger"], &mut counts);
            let own = tests(&["--package", "claviger", "--bins"], &mut counts);
            outcome(rest && own)
        });
    }
    summary(&steps, &counts)
}

/// Counts instructions, where that can be compared with what was counted before.
fn instructions() -> Outcome {
    if std::env::consts::ARCH == count::ARCHITECTURE {
        return outcome(count::check(&root()));
    }
    println!("The counts in docs/PERFORMANCE.md are of {}.", count::ARCHITECTURE);
    Outcome::Skipped
}

fn outcome(passed: bool) -> Outcome {
    if passed { Outcome::Passed } else { Outcome::Failed }
}

/// Runs tests and counts them. `--no-fail-fast`: one failure hides no other.
fn tests(which: &[&str], counts: &mut Counts) -> bool {
    let arguments = [&["test", "--locked", "--no-fail-fast"], which].concat();
    succeeds_with_lines(&cargo(), &arguments, |line| counts.read(line))
}

impl Counts {
    /// Reads `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn read(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let result = result.split_once(". ").map_or(result, |(_, numbers)| numbers);
        for part in result.split(';') {
            let Some((number, word)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

fn summary(steps: &[Step], counts: &Counts) -> bool {
    println!("\n== summary");
    for Step { name, outcome, took } in steps {
        let word = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        println!("{name:14} {word:8} {:>5} s", took.as_secs());
    }
    let Counts { passed, failed, skipped } = counts;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    // A run that tested nothing has proven nothing.
    *passed > 0 && steps.iter().all(|step| step.outcome != Outcome::Failed)
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn results_are_counted() {
        let mut counts = Counts::default();
        counts.read(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s",
        );
        counts.read("test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out");
        counts.read("test decisions ... ok");
        assert_eq!((counts.passed, counts.failed, counts.skipped), (14, 5, 1));
    }
}
