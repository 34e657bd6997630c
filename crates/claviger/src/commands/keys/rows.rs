//! Keys from elsewhere as they stand in a file: CSV or JSON Lines. What a row means is read by the authority, in
//! one place for all who import; here are lines and cells.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use claviger_client::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::config::nearest;
use crate::exit::Failure;
use crate::output::{SHOWN_BYTES_MAX, path_shown};

/// Fields of a row; in CSV, its columns.
const FIELDS: [&str; 13] = [
    "key",
    "sha256",
    "name",
    "subject",
    "scopes",
    "versions",
    "grants",
    "expires_at",
    "created_at",
    "preview",
    "status",
    "metadata",
    "restrictions",
];
/// The one field that has no form in a table.
const JSON_ONLY: &str = "restrictions";
/// Bytes of a row at most: all its fields at their limits have half of it.
const ROW_BYTES_MAX: usize = 64 * 1024;
/// What `subject` is called elsewhere, and was called here.
const SUBJECT_ELSEWHERE: [&str; 6] = ["account", "authority", "holder", "owner", "user", "user_id"];

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
        let extension =
            path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            _ => Err(Failure::usage(format!(
                "the name of {} does not show how its rows are written",
                path_shown(path)
            ))
            .hint("Pass --format csv or --format jsonl.")
            .into()),
        }
    }
}

/// A row, and the line of the file in which it begins.
pub(super) struct Row {
    pub(super) line: u64,
    /// Its fields, or why they cannot be read.
    pub(super) fields: Result<Map<String, Value>, String>,
}

impl Row {
    /// When it expires, if that can be read; the authority reads it again.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        let text = self.fields.as_ref().ok()?.get("expires_at")?.as_str()?.trim();
        let text = text.strip_suffix("UTC").map_or(text, str::trim_end);
        let civil = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
        text.parse::<Timestamp>().ok().or_else(civil)
    }

    /// The name of the key, to find the row again.
    pub(super) fn name(&self) -> String {
        let name = self.fields.as_ref().ok().and_then(|fields| fields.get("name")?.as_str());
        name.unwrap_or_default().to_owned()
    }

    /// Whether it has a digest in place of the key.
    pub(super) fn is_by_digest(&self) -> bool {
        let digest = self.fields.as_ref().ok().and_then(|fields| fields.get("sha256")?.as_str());
        digest.is_some_and(|digest| !digest.trim().is_empty())
    }
}

/// Reads all rows. What is wrong with a row is its own outcome; only what is wrong with the whole file ends it.
pub(super) fn read(
    mut source: impl Read,
    format: Format,
    name: &str,
    ignored: &[String],
) -> anyhow::Result<Vec<Row>> {
    let mut bytes = Zeroizing::new(Vec::new());
    source.read_to_end(&mut bytes).with_context(|| name.to_owned())?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Failure::usage(format!("{name} is text in UTF-16; save it as UTF-8")).into());
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let rows = match format {
        Format::Csv => read_csv(text, name, ignored),
        Format::Jsonl => read_json_lines(text, name, ignored),
    }?;
    Ok(rows.into_iter().map(Row::bounded).collect())
}

impl Row {
    /// One enormous row would be refused together with those that are sent beside it.
    fn bounded(self) -> Self {
        let large = |fields: &Map<String, Value>| {
            serde_json::to_vec(fields).map_or(0, |text| Zeroizing::new(text).len()) > ROW_BYTES_MAX
        };
        match &self.fields {
            Ok(fields) if large(fields) => Self {
                fields: Err("the row is larger than 64 KiB; perhaps a quote is not closed".to_owned()),
                ..self
            },
            _ => self,
        }
    }
}

fn is_ignored(column: &str, ignored: &[String]) -> bool {
    ignored.iter().any(|name| name.eq_ignore_ascii_case(column))
}

/// Warns of names to leave out that the file does not have: they may be mistyped.
fn warn_of_unused(name: &str, ignored: &[String], is_there: impl Fn(&str) -> bool) {
    for column in ignored.iter().filter(|column| !is_there(column)) {
        let shown = if column.len() <= SHOWN_BYTES_MAX { column.as_str() } else { "…" };
        eprintln!("warning: --ignore-column {shown}: {name} has no such column");
    }
}

fn read_json_lines(text: &[u8], name: &str, ignored: &[String]) -> anyhow::Result<Vec<Row>> {
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(Failure::usage(format!(
            "{name} is one JSON array; each object belongs on a line of its own"
        ))
        .hint("`jq -c '.[]' FILE` makes lines of it.")
        .into());
    }
    let lines = (1..).zip(text.split(|byte| *byte == b'\n'));
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut used = HashSet::new();
    let rows = lines.map(|(line, text)| Row { line, fields: json_line(text, ignored, &mut used) }).collect();
    warn_of_unused(name, ignored, |column| used.contains(&column.to_ascii_lowercase()));
    Ok(rows)
}

fn json_line(
    text: &[u8],
    ignored: &[String],
    used: &mut HashSet<String>,
) -> Result<Map<String, Value>, String> {
    // What the parser says may quote a value, and the value may be a key: the place is enough.
    let value = serde_json::from_slice::<Value>(text.trim_ascii());
    let value = value.map_err(|error| format!("this line is not JSON (column {})", error.column()))?;
    let Value::Object(mut fields) = value else { return Err("a row is a JSON object: {…}".to_owned()) };
    fields.retain(|field, _| {
        let leave_out = is_ignored(field, ignored);
        if leave_out {
            used.insert(field.to_ascii_lowercase());
        }
        !leave_out
    });
    match fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        None => Ok(fields),
        Some(field) if field.len() <= SHOWN_BYTES_MAX => Err(match meant(field) {
            Some(meant) => format!(
                "{field}: unknown field; rename it to `{meant}`, or leave it out with --ignore-column {field}"
            ),
            None => format!("{field}: unknown field; leave it out with --ignore-column {field}"),
        }),
        Some(_) => Err("unknown field; leave it out with --ignore-column NAME".to_owned()),
    }
}

/// What a cell holds, under which name; nothing for a column that is ignored.
type Columns = Vec<Option<String>>;

fn read_csv(text: &[u8], name: &str, ignored: &[String]) -> anyhow::Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut columns: Option<Columns> = None;
    let mut rows = Vec::new();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).with_context(|| name.to_owned())? {
        let from =
            record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(text.len()));
        let line = lines.of_record(from);
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        let Some(columns) = &columns else {
            columns = Some(head(&record, name, ignored)?);
            continue;
        };
        let to = usize::try_from(reader.position().byte()).unwrap_or(text.len());
        // Quotes stand in pairs; where one has no partner, the row reaches to the end of the file.
        let whole = text.get(from..to).unwrap_or_default();
        let fields = if to >= text.len() && whole.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            Err("a quote is opened here and never closed, so the rest of the file belongs to this row"
                .to_owned())
        } else {
            cells(&record, columns)
        };
        rows.push(Row { line, fields });
    }
    Ok(rows)
}

/// Counts the lines of a file as editors do, whatever stands in its cells.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line in which the record begins that was looked for from this byte on. Before it there may be the end
    /// of the line before, and blank lines.
    fn of_record(&mut self, from: usize) -> u64 {
        let blank = self.text.get(from..).unwrap_or_default().iter();
        let from = from + blank.take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        while self.at < from {
            let next = self.text.get(self.at + 1);
            match self.text.get(self.at) {
                Some(b'\n') => self.line += 1,
                Some(b'\r') if next != Some(&b'\n') => self.line += 1,
                _ => {}
            }
            self.at += 1;
        }
        self.line
    }
}

fn columns_listed() -> String {
    format!("Columns are: {}.", FIELDS[..12].join(", "))
}

/// A column that is no field. What is longer than a name may be a key in a file without a first line.
fn unknown_column(name: &str, column: &str) -> Failure {
    if column == JSON_ONLY {
        return Failure::usage(format!("{name}: `{JSON_ONLY}` cannot be written in CSV"))
            .hint("Use JSON Lines; without them these keys would work from everywhere.");
    }
    if column.len() > SHOWN_BYTES_MAX {
        return Failure::usage(format!("{name}: unknown column in the first line"))
            .hint(format!("Leave it out with --ignore-column NAME. {}", columns_listed()));
    }
    Failure::usage(format!("{name}: unknown column `{column}`")).hint(match meant(column) {
        Some(field) => format!("Rename it to `{field}`, or leave it out with --ignore-column {column}."),
        None => format!("Leave it out with --ignore-column {column}. {}", columns_listed()),
    })
}

/// The field that was probably meant.
fn meant(column: &str) -> Option<&'static str> {
    let elsewhere = SUBJECT_ELSEWHERE.contains(&column).then_some("subject");
    elsewhere.or_else(|| nearest(column, FIELDS.into_iter().filter(|field| *field != JSON_ONLY)))
}

fn head(record: &csv::ByteRecord, name: &str, ignored: &[String]) -> anyhow::Result<Columns> {
    let mut columns = Vec::new();
    for cell in record {
        let column = std::str::from_utf8(cell).map_err(|_| {
            Failure::usage(format!("{name}: the first line does not name columns: it is not text in UTF-8"))
        })?;
        let column = column.trim().to_ascii_lowercase();
        if is_ignored(&column, ignored) {
            columns.push(None);
            continue;
        }
        if record.len() == 1 && column.contains([';', '\t']) {
            let told = Failure::usage(format!("{name}: its columns are not separated by commas"));
            return Err(told.hint("Export it again with commas.").into());
        }
        if !FIELDS.contains(&column.as_str()) || column == JSON_ONLY {
            return Err(unknown_column(name, &column).into());
        }
        if columns.contains(&Some(column.clone())) {
            return Err(Failure::usage(format!("{name}: the column `{column}` stands twice"))
                .hint("Leave one of them out of the file.")
                .into());
        }
        columns.push(Some(column));
    }
    warn_of_unused(name, ignored, |column| {
        record.iter().any(|cell| cell.trim_ascii().eq_ignore_ascii_case(column.as_bytes()))
    });
    let has = |column: &str| columns.iter().flatten().any(|known| known == column);
    for needed in ["name", "subject"] {
        if !has(needed) {
            return Err(Failure::usage(format!("{name}: there is no column `{needed}`"))
                .hint(columns_listed())
                .into());
        }
    }
    if !has("key") && !has("sha256") {
        return Err(Failure::usage(format!("{name}: there is no column `key`, nor `sha256`"))
            .hint(columns_listed())
            .into());
    }
    Ok(columns)
}

/// The fields of a row. An empty cell is no field, whatever its column.
fn cells(record: &csv::ByteRecord, columns: &Columns) -> Result<Map<String, Value>, String> {
    if record.len() != columns.len() {
        let plural = if record.len() == 1 { "cell" } else { "cells" };
        return Err(format!(
            "the row has {} {plural}, and the first line names {}",
            record.len(),
            columns.len()
        ));
    }
    let mut fields = Map::new();
    for (cell, column) in record.iter().zip(columns) {
        let Some(column) = column else { continue };
        let text = std::str::from_utf8(cell).map_err(|_| format!("{column}: not text in UTF-8"))?.trim();
        if text.is_empty() {
            continue;
        }
        let value = match column.as_str() {
            "scopes" | "grants" => text.split_whitespace().map(Value::from).collect::<Vec<_>>().into(),
            "metadata" => metadata(text)?,
            _ => Value::from(text),
        };
        fields.insert(column.clone(), value);
    }
    Ok(fields)
}

fn metadata(text: &str) -> Result<Value, String> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').ok_or("metadata: write name=value, separated by ;")?;
        Ok((name.trim().to_owned(), Value::from(value.trim())))
    };
    let pairs = text.split(';').filter(|text| !text.trim().is_empty()).map(pair);
    pairs.collect::<Result<Map<_, _>, String>>().map(Value::Object)
}

#[cfg(test)]
mod tests;
