//! Paths that were given as arguments, in messages. Somebody may have given the text of a key in place of a file's
//! name, and messages end in logs.

use std::path::Path;

/// Names up to this length are shorter than any key.
pub const SHOWN_BYTES_MAX: usize = 15;
/// How files are called that commands read and write.
const EXTENSIONS: [&str; 9] = ["csv", "gz", "json", "jsonl", "key", "ndjson", "sqlite", "toml", "txt"];

/// The path, or `FILE` if it could be the text of a key: there is no such file, nor a folder that it would be in, and
/// it is not called as files are.
#[must_use]
pub fn path_shown(path: &Path) -> String {
    let folder = || path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    let extension = || path.extension().and_then(|extension| extension.to_str());
    let is_shown = path.as_os_str().len() <= SHOWN_BYTES_MAX
        || path.is_absolute()
        || path.exists()
        || folder()
        || extension().is_some_and(|extension| EXTENSIONS.contains(&extension));
    if is_shown { path.display().to_string() } else { "FILE".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_key_is_not_shown() {
        let check = |text: &str, expect: &str| assert_eq!(path_shown(Path::new(text)), expect, "{text}");
        check("key.txt", "key.txt");
        check("/nowhere/at/all/operator-key", "/nowhere/at/all/operator-key");
        check("exports/january-of-that-year.csv", "exports/january-of-that-year.csv");
        check("src/operator-key-of-production", "src/operator-key-of-production");
        check("sk_7L20aZr8vQ2mWx7Lk4TnB9cHd3FpZr8vQ2mWx7Lk", "FILE");
        check("SG.Zr8vQ2mWx7Lk4TnB9cHd3F.Zr8vQ2mWx7Lk4TnB9cHd3F", "FILE");
        check("Zr8vQ2mWx7Lk4/TnB9cHd3FZr8v+Q2mWx7Lk4TnB9cHd3F=", "FILE");
    }
}
