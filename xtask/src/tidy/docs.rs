//! Links between the documents lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::{File, Finding};

/// Checks every relative link of every Markdown file: the file exists, and so does the heading.
pub(super) fn check(root: &Path, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        let mut fenced = false;
        for (number, line) in file.lines() {
            fenced ^= line.trim_start().starts_with("```");
            if fenced {
                continue;
            }
            for link in links(line) {
                if let Some(what) = wrong(root, files, file, link) {
                    findings.push(Finding::new(&file.path, number, format!("`{link}`: {what}")));
                }
            }
        }
    }
    findings
}

/// The targets of `[text](target)`, outside of `code`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let text = line.split('`').step_by(2);
    text.flat_map(|text| text.split("](").skip(1)).filter_map(|rest| rest.split(')').next())
}

/// What is wrong with a link, if anything is.
fn wrong(root: &Path, files: &[File], from: &File, link: &str) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let target = match path {
        "" => from.path.clone(),
        _ => plain(&from.path.parent().unwrap_or(Path::new("")).join(path)),
    };
    if !root.join(&target).exists() {
        return Some("there is no such file");
    }
    let document = files.iter().find(|file| file.path == target);
    match (heading, document) {
        (Some(heading), Some(document)) if !headings(document).any(|known| known == heading) => {
            Some("there is no such heading")
        }
        _ => None,
    }
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Headings as they are linked to: lower-case, words joined by hyphens, without punctuation.
fn headings(file: &File) -> impl Iterator<Item = String> {
    let titles = file.text.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| {
        let kept = line.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found() {
        let check =
            |line: &str, expect: &[&str]| assert_eq!(links(line).collect::<Vec<_>>(), expect, "{line}");
        check("see [a](A.md) and [b](docs/B.md#part-two)", &["A.md", "docs/B.md#part-two"]);
        check("no link: `[a](b)`", &[]);
    }

    #[test]
    fn headings_are_slugs() {
        let file = File { path: "A.md".into(), text: "# A map, and `more`\n## Part two\n".into() };
        assert_eq!(headings(&file).collect::<Vec<_>>(), ["a-map-and-more", "part-two"]);
        assert_eq!(plain(Path::new("docs/../A.md")), Path::new("A.md"));
    }
}
