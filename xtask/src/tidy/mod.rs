//! `cargo xtask tidy`: the house rules that no compiler knows.

mod docs;
mod manifests;
mod sources;

use std::path::{Path, PathBuf};

/// What is wrong, and where.
pub(crate) struct Finding {
    /// The file, from the workspace's folder.
    file: PathBuf,
    /// The line, from 1; 0 where it is about the whole file.
    line: usize,
    /// What is wrong, and what to do.
    what: String,
}

impl Finding {
    fn new(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

/// A file of the project, as text.
pub(crate) struct File {
    /// Its path from the workspace's folder.
    path: PathBuf,
    text: String,
}

impl File {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|own| own == extension)
    }

    fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Its lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// Folders that hold nothing of ours.
const FOREIGN: [&str; 4] = ["target", "node_modules", ".git", "claviger-data"];

/// Checks everything, says what is wrong, and returns whether nothing is.
pub(crate) fn check(root: &Path) -> bool {
    let mut files = Vec::new();
    gather(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut findings = manifests::check(&files);
    findings.extend(sources::check(&files));
    findings.extend(docs::check(root, &files));
    for Finding { file, line, what } in &findings {
        println!("{}:{line}: {what}", file.display());
    }
    println!("tidy: {} files, {} findings", files.len(), findings.len());
    findings.is_empty()
}

/// Reads all files that are text.
fn gather(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !FOREIGN.iter().any(|foreign| name == *foreign) {
            gather(root, &path, files);
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(&path)
            && let Ok(path) = path.strip_prefix(root)
        {
            files.push(File { path: path.to_owned(), text });
        }
    }
}
