//! Codes: those that the sources can answer with, those that have a page, and those in the document for users
//! are the same.

use std::collections::BTreeSet;
use std::path::Path;

use claviger_http::problem::CODES;

/// After which words a code stands in the sources.
const BEFORE: [&str; 3] = ["Problem::new(", "bad_request(", "code: "];
/// Files in which a code is what a match arm yields.
const MATCHES: [&str; 5] = [
    "core/src/quota.rs",
    "core/src/decide/refusal.rs",
    "http/src/credential.rs",
    "http/src/gate/service.rs",
    "authority/src/error.rs",
];

fn crates() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All sources below a folder, without their tests.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
            let name = path.strip_prefix(crates()).unwrap().to_string_lossy().replace('\\', "/");
            found.push((name, text));
        }
    }
}

/// The literal that a text begins with, after white space.
fn literal(text: &str) -> Option<&str> {
    let (code, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    let word = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    word.then_some(code)
}

/// Every code that a problem is made with.
fn emitted() -> BTreeSet<String> {
    let mut files = Vec::new();
    for part in ["core/src", "authority/src", "http/src", "claviger/src"] {
        sources(&crates().join(part), &mut files);
    }
    let mut codes = BTreeSet::new();
    for (name, text) in &files {
        for word in BEFORE {
            for rest in text.split(word).skip(1) {
                // `Problem::new` takes the status first.
                let argument = if word == "Problem::new(" {
                    rest.split_once(',').map_or(rest, |parts| parts.1)
                } else {
                    rest
                };
                codes.extend(literal(argument).map(ToOwned::to_owned));
            }
        }
        // Statuses that the problem's own constructor names are written with `Self::new`.
        if name == "http/src/problem.rs" {
            for rest in text.split("Self::new(").skip(1) {
                codes.extend(rest.split_once(',').and_then(|parts| literal(parts.1)).map(ToOwned::to_owned));
            }
        }
        if MATCHES.contains(&name.as_str()) {
            // Words that are no codes stand in functions of another name.
            let text = text.split_once("fn code(").map_or(text.as_str(), |parts| parts.1);
            let arms = text.split("=> ").skip(1).map(|arm| arm.strip_prefix('{').unwrap_or(arm));
            codes.extend(arms.filter_map(literal).map(ToOwned::to_owned));
        }
    }
    codes
}

#[test]
fn every_code_that_is_answered_has_a_page_and_no_other_has() {
    let pages = CODES.iter().map(|(code, _, _)| (*code).to_owned()).collect::<BTreeSet<_>>();
    let emitted = emitted();
    let without_page = emitted.difference(&pages).collect::<Vec<_>>();
    let never_answered = pages.difference(&emitted).collect::<Vec<_>>();
    assert!(without_page.is_empty(), "answered, but without a page: {without_page:?}");
    assert!(never_answered.is_empty(), "with a page, but never answered: {never_answered:?}");
}

/// The words in backticks in one column of the table of the document for users that begins like this.
fn listed(head: &str, column: usize) -> BTreeSet<String> {
    let document = std::fs::read_to_string(crates().join("../docs/API.md")).unwrap();
    let (_, table) = document.split_once(head).unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').nth(column).unwrap());
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(ToOwned::to_owned);
    let words = words.collect::<Vec<_>>();
    let once = words.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(once.len(), words.len(), "nothing stands twice below {head}");
    once
}

#[test]
fn the_document_for_users_lists_the_same_codes() {
    let pages = CODES.iter().map(|(code, _, _)| (*code).to_owned()).collect();
    assert_eq!(listed("| status | code | |\n", 2), pages);
}

#[test]
fn the_document_for_users_lists_every_reason_and_verdict() {
    let source = |path: &str| std::fs::read_to_string(crates().join(path)).unwrap();
    let codes = |text: &str| {
        let (_, function) = text.split_once("fn code(").unwrap();
        let function = function.split("\n    }\n").next().unwrap();
        function.split("=> ").skip(1).filter_map(literal).map(ToOwned::to_owned).collect::<BTreeSet<_>>()
    };
    let reasons = codes(&source("core/src/decide/reason.rs"));
    assert!(reasons.len() > 20);
    assert_eq!(listed("in the order in which they were found:\n\n| `code` | |\n", 1), reasons);

    // A verification is asked with a key, so that it never lacks one.
    let mut verdicts = codes(&source("core/src/decide/refusal.rs"));
    assert!(verdicts.remove("credentials_required"));
    verdicts.extend(codes(&source("core/src/quota.rs")));
    verdicts.insert("valid".to_owned());
    assert_eq!(
        listed("`grants` names the secrets and databases that this page may use.\n\n| `code` | |\n", 1),
        verdicts
    );
}
