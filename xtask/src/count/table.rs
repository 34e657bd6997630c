//! The counts in `docs/PERFORMANCE.md`.

use std::path::Path;

use super::Count;

const DOCUMENT: &str = "docs/PERFORMANCE.md";
/// The heading of the section that has the table.
const HEADING: &str = "## Instructions";
/// Per cent by which a count may grow before the document has to say so. Two runs differ by less than one.
const GROWTH_PERCENT_MAX: u64 = 5;
/// What every other request is compared with.
const BARE: &str = "bare hyper, the same request";

/// What has become of a count.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Same,
    Grown(u64),
    Shrunk(u64),
    New,
    Gone,
}

/// Prints the counts as the document has them, and what differs. Returns whether nothing has grown too much.
pub(super) fn compare(root: &Path, counts: &[Count]) -> bool {
    let document = match std::fs::read_to_string(root.join(DOCUMENT)) {
        Ok(document) => document,
        Err(error) => {
            println!("{DOCUMENT}: {error}");
            return false;
        }
    };
    println!("{}", written(counts));
    let changes = changes(&recorded(&document), counts);
    let mut holds = true;
    for (operation, change) in &changes {
        match change {
            Change::Same => {}
            Change::Grown(before) => {
                println!(
                    "{operation}: more than {GROWTH_PERCENT_MAX} % above {before}, which {DOCUMENT} has"
                );
                holds = false;
            }
            Change::Shrunk(before) => {
                println!("{operation}: more than {GROWTH_PERCENT_MAX} % below {before}. Well done!");
            }
            Change::New => {
                println!("{operation}: not in {DOCUMENT}");
                holds = false;
            }
            Change::Gone => {
                println!("{operation}: in {DOCUMENT}, but not counted");
                holds = false;
            }
        }
    }
    if changes.iter().any(|(_, change)| *change != Change::Same) {
        println!(
            "Make the operation cheaper, or put the table above below `{HEADING}` in {DOCUMENT} and say why."
        );
    }
    holds
}

/// The table, to paste.
fn written(counts: &[Count]) -> String {
    let bare = counts.iter().find(|count| count.operation == BARE).map(|count| count.instructions);
    let mut text =
        "| operation | instructions | divided by bare hyper | SHA-256, apart |\n|---|---|---|---|\n"
            .to_owned();
    for count in counts {
        let ratio = bare.filter(|_| !count.operation.ends_with("in the process"));
        let ratio = ratio.map(|bare| format!("{:.2}", count.instructions as f64 / bare as f64));
        let ratio = ratio.unwrap_or_default();
        let (instructions, sha256) = (thousands(count.instructions), thousands(count.sha256));
        text.push_str(&format!("| {} | {instructions} | {ratio} | {sha256} |\n", count.operation));
    }
    text
}

/// Operations and their counts, from the table below the heading.
fn recorded(document: &str) -> Vec<(String, u64)> {
    let section = document.lines().skip_while(|line| *line != HEADING).skip(1);
    let section = section.take_while(|line| !line.starts_with("## "));
    let row = |line: &str| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let (operation, instructions) = (cells.next()?, cells.next()?);
        Some((operation.to_owned(), instructions.replace(',', "").parse().ok()?))
    };
    section.filter_map(row).collect()
}

fn changes(recorded: &[(String, u64)], counts: &[Count]) -> Vec<(String, Change)> {
    let counted = counts.iter().map(|Count { operation, instructions: now, .. }| {
        let before = recorded.iter().find(|(name, _)| name == operation).map(|(_, before)| *before);
        let change = match before {
            None => Change::New,
            Some(before) if now * 100 > before * (100 + GROWTH_PERCENT_MAX) => Change::Grown(before),
            Some(before) if now * 100 < before * (100 - GROWTH_PERCENT_MAX) => Change::Shrunk(before),
            Some(_) => Change::Same,
        };
        (operation.clone(), change)
    });
    let gone = recorded.iter().filter(|(name, _)| counts.iter().all(|count| count.operation != *name));
    counted.chain(gone.map(|(name, _)| (name.clone(), Change::Gone))).collect()
}

/// `24259` as `24,259`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(operation: &str, instructions: u64) -> Count {
        Count { operation: operation.to_owned(), instructions, sha256: 3_658 }
    }

    #[test]
    fn what_is_printed_is_what_is_read() {
        let counts = [count(BARE, 13_012), count("GET /v1/verify", 1_020_594)];
        let document = format!(
            "# Performance\n\n| x | 1 |\n\n{HEADING}\n\n{}\n## More\n\n| y | 2 |\n",
            written(&counts)
        );
        let expected = [(BARE.to_owned(), 13_012), ("GET /v1/verify".to_owned(), 1_020_594)];
        assert_eq!(recorded(&document), expected);
    }

    fn check(before: u64, now: u64, expect: Change) {
        let changes = changes(&[("GET".to_owned(), before)], &[count("GET", now)]);
        assert_eq!(changes, [("GET".to_owned(), expect)], "{before} to {now}");
    }

    #[test]
    fn a_count_may_grow_by_a_twentieth() {
        check(20_000, 20_000, Change::Same);
        check(20_000, 21_000, Change::Same);
        check(20_000, 21_001, Change::Grown(20_000));
        check(20_000, 19_000, Change::Same);
        check(20_000, 18_999, Change::Shrunk(20_000));
    }

    #[test]
    fn an_operation_that_only_one_of_them_knows_is_found() {
        let found = changes(&[("GET".to_owned(), 1)], &[count("POST", 1)]);
        assert_eq!(found, [("POST".to_owned(), Change::New), ("GET".to_owned(), Change::Gone)]);
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, expect) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), expect);
        }
    }
}
