//! Keys from elsewhere as they stand in a file: CSV or JSON Lines.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use claviger_client::ImportRow;
use serde::Deserialize;

use crate::exit::Failure;
use crate::output::parse_instant;

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table with a first line that names the columns.
    Csv,
    /// A JSON object to a line.
    Jsonl,
}

impl Format {
    /// What the name of the file says.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            _ => Err(Failure::usage(format!(
                "the name of {} does not say how its rows are written",
                path.display()
            ))
            .hint("Say --format csv or --format jsonl.")
            .into()),
        }
    }
}

/// A row and the line of the file that it stands in.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) row: ImportRow,
}

/// A line of a CSV file: lists are separated by spaces, and an empty cell is read as none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvRow {
    #[serde(default)]
    key: String,
    #[serde(default)]
    sha256: String,
    name: String,
    authority: String,
    scopes: Option<String>,
    #[serde(default)]
    versions: String,
    grants: Option<String>,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    created_at: String,
    #[serde(default)]
    preview: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    metadata: String,
}

/// Reads all rows. A row that cannot be read ends it, with its line: nothing was sent yet.
pub(super) fn read(source: impl BufRead, format: Format, name: &str) -> anyhow::Result<Vec<Row>> {
    match format {
        Format::Csv => read_csv(source, name),
        Format::Jsonl => read_json_lines(source, name),
    }
}

fn read_json_lines(source: impl BufRead, name: &str) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let text = zeroize::Zeroizing::new(text.with_context(|| name.to_owned())?);
        if text.trim().is_empty() {
            continue;
        }
        // What serde says may quote a value, and the value may be a key: the place is enough.
        let row = serde_json::from_str(&text).map_err(|error| {
            let what = if error.is_data() { "is not a key as it is expected here" } else { "is not JSON" };
            wrong(name, line, &format!("{what} (column {})", error.column()))
        })?;
        rows.push(Row { line, row });
    }
    Ok(rows)
}

fn read_csv(source: impl BufRead, name: &str) -> anyhow::Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let known = "key, sha256, name, authority, scopes, versions, grants, expires_at, created_at, preview, status, metadata";
    let unreadable = "does not name columns: it has to be text in UTF-8, separated by commas";
    let head = reader.headers().map_err(|_| wrong(name, 1, unreadable))?.clone();
    if let Some(column) = head.iter().find(|column| !known.split(", ").any(|known| known == *column)) {
        let told = Failure::usage(format!("{name}: the column `{column}` is not known"));
        return Err(told.hint(format!("Columns are: {known}.")).into());
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(name, line_of(&error), "is not a line of the table"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let mut row: CsvRow = record
            .deserialize(Some(&head))
            .map_err(|_| wrong(name, line, "lacks a column; `name` and `authority` are needed"))?;
        // A column that is there and empty means nothing at all; one that is missing means the default.
        if head.iter().any(|column| column == "scopes") {
            row.scopes.get_or_insert_default();
        }
        rows.push(Row { line, row: row.read().map_err(|what| wrong(name, line, &what))? });
    }
    Ok(rows)
}

fn line_of(error: &csv::Error) -> u64 {
    error.position().map_or(0, csv::Position::line)
}

fn wrong(name: &str, line: u64, what: &str) -> anyhow::Error {
    Failure::usage(format!("{name}: line {line} {what}")).into()
}

impl CsvRow {
    fn read(self) -> Result<ImportRow, String> {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let instant = |column: &str, text: String| match text.as_str() {
            "" => Ok(None),
            text => parse_instant(text)
                .map(Some)
                .ok_or_else(|| format!("`{column}` is neither a date nor an instant")),
        };
        let pair = |text: &str| {
            let pair = text.split_once('=').ok_or("`metadata` is `name=value`, separated by `;`")?;
            Ok((pair.0.trim().to_owned(), pair.1.trim().to_owned()))
        };
        let pairs = self.metadata.split(';').filter(|text| !text.trim().is_empty()).map(pair);
        let metadata = pairs.collect::<Result<BTreeMap<_, _>, String>>()?;
        Ok(ImportRow {
            key: some(self.key).map(Into::into),
            sha256: some(self.sha256),
            name: self.name,
            authority: self.authority,
            scopes: self.scopes.map(words),
            versions: some(self.versions),
            grants: self.grants.map(words),
            expires_at: instant("expires_at", self.expires_at)?,
            created_at: instant("created_at", self.created_at)?,
            preview: some(self.preview),
            status: some(self.status),
            restrictions: None,
            metadata: (!metadata.is_empty()).then_some(metadata),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, format: Format) -> Result<Vec<Row>, String> {
        read(text.as_bytes(), format, "keys").map_err(|error| error.to_string())
    }

    #[test]
    fn tables() {
        let text = "name,authority,key,scopes,expires_at,metadata\n\
            CI, project:proj_1 ,sk_secret_1,run:create *:read,2027-01-31,team=a; x=y\n\
            \"Old, one\",account:acct_1,sk_secret_2,,,\n";
        let rows = told(text, Format::Csv).unwrap();
        assert_eq!((rows.len(), rows[0].line, rows[1].line), (2, 2, 3));
        let first = &rows[0].row;
        assert_eq!(first.scopes.as_deref(), Some(&["run:create".to_owned(), "*:read".to_owned()][..]));
        assert_eq!(first.expires_at.unwrap().to_string(), "2027-01-31T00:00:00Z");
        assert_eq!(first.metadata.as_ref().unwrap()["x"], "y");
        assert_eq!((first.authority.as_str(), rows[1].row.name.as_str()), ("project:proj_1", "Old, one"));
        assert_eq!(rows[1].row.scopes.as_deref(), Some(&[][..]));
        assert!(told("name,authority\nn,a\n", Format::Csv).unwrap()[0].row.scopes.is_none());
    }

    #[test]
    fn lines_of_json() {
        let text = "{\"name\":\"CI\",\"authority\":\"operator\",\"sha256\":\"ab\"}\n\n{\"name\":\"b\",\"authority\":\"c\"}\n";
        let rows = told(text, Format::Jsonl).unwrap();
        assert_eq!((rows.len(), rows[1].line), (2, 3));
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_their_values() {
        let check = |text: &str, format: Format, expect: &str| {
            let told = told(text, format).map(|_| ()).unwrap_err();
            assert!(told.contains(expect) && !told.contains("sk_secret"), "{text}: {told}");
        };
        check("name,authority,secret\n", Format::Csv, "column `secret`");
        check("name,key\nn,sk_secret\n", Format::Csv, "line 2 lacks a column");
        check("name,authority\nn,a,sk_secret\n", Format::Csv, "line 2 is not a line of the table");
        check("name,authority,expires_at\nn,a,sk_secret\n", Format::Csv, "`expires_at` is neither");
        check("{\"name\": 1}", Format::Jsonl, "line 1 is not a key");
        check("\n{\"sk_secret\": 1}", Format::Jsonl, "line 2 is not a key");
        check("sk_secret", Format::Jsonl, "line 1 is not JSON");
    }
}
