//! What must not stand in the sources, and where what may stands.

use super::{File, Finding};

/// Lines of a Rust file at most: more is no longer read in one sitting.
const LINES_MAX: usize = 600;

/// Something that stands in some places only.
struct Rule {
    /// What is looked for. Taken apart with `concat!` where it would find itself.
    words: &'static [&'static str],
    /// Extensions of the files that are looked at.
    extensions: &'static [&'static str],
    /// Folders and files in which it may stand.
    allowed: &'static [&'static str],
    /// Folders in which alone it is looked for; none: everywhere.
    only_in: &'static [&'static str],
    /// Whether it holds in tests, too.
    in_tests: bool,
    what: &'static str,
}

impl Rule {
    const EVERYWHERE: Self =
        Self { words: &[], extensions: &["rs"], allowed: &[], only_in: &[], in_tests: true, what: "" };
}

const RULES: &[Rule] = &[
    Rule {
        words: &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK")],
        extensions: &["rs", "toml", "sql", "js", "mjs", "css", "md"],
        what: "finish it, or write it into an issue",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("db", "g!("), concat!("to", "do!("), concat!("unimple", "mented!(")],
        what: "left over from working on it",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("[al", "low(")],
        what: "write `#[expect(…, reason = \"…\")]`, which tells when it is no longer needed",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("print", "ln!("), concat!("print", "!(")],
        allowed: &[
            "crates/claviger/src/commands",
            "crates/claviger/src/exit.rs",
            "crates/claviger/src/main.rs",
            "crates/client/examples",
            "crates/testkit",
            "benches",
            "xtask",
        ],
        in_tests: false,
        what: "only commands talk to the terminal; everything else logs",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &["SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", concat!("rus", "qlite")],
        allowed: &["crates/store", "benches", "xtask/src/tidy"],
        what: "SQL stands in crates/store only",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("Undecided", "::")],
        allowed: &[
            "crates/core/src/permit.rs",
            "crates/authority/src/first_start.rs",
            "crates/authority/src/leaks.rs",
        ],
        in_tests: false,
        what: "a permit without a decision is for the first start, restoring and leak reports; decide through `Deciding`",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("TaskPermit", "::new")],
        allowed: &[
            "crates/core/src/permit.rs",
            "crates/authority/src/authority.rs",
            "crates/authority/src/imports/abandon.rs",
            "crates/authority/src/jobs.rs",
            "crates/authority/src/notes.rs",
            "crates/authority/src/time.rs",
            "crates/authority/src/usage.rs",
        ],
        in_tests: false,
        what: "the permit of a task is for tasks of Claviger's own; decide through `Deciding`",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("System", "Time::now")],
        allowed: &["crates/authority/src/ports.rs", "crates/claviger/src/commands/demo", "demo/src/main.rs"],
        what: "take a clock: instants are arguments",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[
            "std::time::Instant",
            "Instant::now",
            "std::fs",
            "std::env",
            "std::process",
            "std::thread",
            "TcpListener",
            "TcpStream",
            "UdpSocket",
            "async fn",
        ],
        only_in: &["crates/core/src"],
        what: "core has no I/O, no clock and no threads",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &["Instant::now"],
        only_in: &["crates/store/src", "crates/authority/src"],
        allowed: &["crates/authority/src/ports.rs"],
        // Measuring is what some are for.
        in_tests: false,
        what: "take a clock: instants are arguments",
        ..Rule::EVERYWHERE
    },
    Rule {
        words: &[concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")],
        extensions: &["rs", "toml", "lock", "sql", "js", "mjs", "json", "md", "snap", "run"],
        what: "a path of somebody's machine",
        ..Rule::EVERYWHERE
    },
];

/// Checks every source file against every rule.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for rule in RULES.iter().filter(|rule| rule.is_about(file)) {
            findings.extend(rule.check(file));
        }
        let lines = file.text.lines().count();
        if file.has_extension("rs") && lines > LINES_MAX {
            let what = format!("{lines} lines, of at most {LINES_MAX}: split it");
            findings.push(Finding::new(&file.path, 0, what));
        }
        if file.path.to_string_lossy().ends_with(".snap.new") {
            findings.push(Finding::new(&file.path, 0, "a snapshot that nobody has accepted"));
        }
    }
    findings
}

impl Rule {
    fn is_about(&self, file: &File) -> bool {
        let name = file.path.file_name().unwrap_or_default();
        self.extensions.iter().any(|extension| file.has_extension(extension) || name == *extension)
            && (self.only_in.is_empty() || self.only_in.iter().any(|folder| file.is_below(folder)))
            && !self.allowed.iter().any(|folder| file.is_below(folder))
    }

    fn check(&self, file: &File) -> impl Iterator<Item = Finding> {
        let found = |line: &str| self.words.iter().find(|word| line.contains(*word));
        let finding = move |(number, line): (usize, &str)| {
            let word = found(line)?;
            Some(Finding::new(&file.path, number, format!("`{}`: {}", word.trim(), self.what)))
        };
        let tests = if self.in_tests { usize::MAX } else { first_line_of_tests(file) };
        file.lines().take_while(move |(number, _)| *number < tests).filter_map(finding)
    }
}

/// The line from which on a file is tests: those at its end, or all of it.
fn first_line_of_tests(file: &File) -> usize {
    let name = file.path.file_stem().unwrap_or_default();
    if name == "tests" || file.path.components().any(|part| part.as_os_str() == "tests") {
        return 1;
    }
    let begins = file.lines().find(|(_, line)| *line == "#[cfg(test)]");
    begins.map_or(usize::MAX, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn check_one(path: &str, text: &str, expect: usize) {
        let file = File { path: PathBuf::from(path), text: text.to_owned() };
        let found = check(&[file]);
        let told: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found.len(), expect, "{path}: {told:?}");
    }

    #[test]
    fn what_is_found_and_where() {
        check_one("crates/http/src/api/x.rs", "let sql = \"SELECT 1\";", 1);
        check_one("crates/store/src/x.rs", "let sql = \"SELECT 1\";", 0);
        check_one("crates/http/src/x.rs", concat!("print", "ln!(\"x\")"), 1);
        check_one("crates/claviger/src/commands/x.rs", concat!("print", "ln!(\"x\")"), 0);
        let measured = concat!("fn f() {}\n#[cfg(test)]\nmod tests { print", "ln!(); }");
        check_one("crates/http/src/x.rs", measured, 0);
        check_one("crates/http/tests/edge/x.rs", concat!("print", "ln!(\"x\")"), 0);
        check_one("crates/authority/src/keys.rs", "Undecided::FirstStart", 1);
        check_one("crates/authority/src/first_start.rs", "Undecided::FirstStart", 0);
        check_one("crates/authority/src/keys.rs", "TaskPermit::new(Task::Purge)", 1);
        check_one("crates/authority/src/jobs.rs", "TaskPermit::new(Task::Purge)", 0);
        check_one("crates/store/tests/contract/x.rs", "TaskPermit::new(Task::Purge)", 0);
        check_one("crates/core/src/x.rs", "use std::fs;", 1);
        check_one("crates/core/tests/x.rs", "use std::fs;", 0);
        check_one("docs/X.md", concat!("see /ho", "me/me"), 1);
        check_one("crates/core/src/x.rs", &"\n".repeat(LINES_MAX + 1), 1);
    }
}
