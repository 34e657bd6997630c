//! What reached the sample application, as `claviger demo --record FILE` writes it down.

use std::path::Path;

/// The head of a request.
#[derive(Debug)]
pub struct Recorded {
    pub target: String,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Recorded {
    /// The values of the headers that only the gateway may set, in whatever spelling they came.
    pub fn identity(&self) -> Vec<(&str, &str)> {
        let is_ours = |name: &str| name.replace(['_', '.'], "-").starts_with("x-claviger-");
        let ours = self.headers.iter().filter(|(name, _)| is_ours(name));
        ours.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Every request so far, oldest first.
pub fn read(path: &Path) -> Vec<Recorded> {
    let text = std::fs::read_to_string(path).unwrap();
    text.split("\n\n").filter(|head| !head.trim().is_empty()).map(parse).collect()
}

fn parse(head: &str) -> Recorded {
    let mut lines = head.lines();
    let (_method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Recorded { target: target.to_owned(), headers: lines.map(field).collect() }
}
