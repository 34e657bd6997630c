//! Where values come from: the file, with its lines, the variables and the flags.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistakes, Named};

/// Bytes of a configuration file at most: a thousand routes have less than one.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where a value was found.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the file, at this line.
    File(Rc<str>, usize),
    /// In this variable.
    Variable(&'static str),
    /// In this flag.
    Flag(&'static str),
}

impl Place {
    /// The place, followed by the name where the place does not say it.
    pub(super) fn of(&self, name: &str) -> Named {
        match self {
            Self::File(file, line) => Named { text: format!("{file}:{line}: {name}"), line: *line },
            Self::Variable(variable) => Named { text: (*variable).to_owned(), line: 0 },
            Self::Flag(flag) => Named { text: format!("--{flag}"), line: 0 },
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value of the file.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// A number as it is written, to base 10.
    Number(String),
    YesNo(bool),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    /// Something that no setting takes.
    Other,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::YesNo(true) => "true",
            Self::YesNo(false) => "false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other => "something else",
        })
    }
}

/// Reads the file.
pub(super) fn read(path: &Path, mistakes: &mut Mistakes) -> Option<Vec<(String, Node)>> {
    let name = path.display().to_string();
    let text = match text_of(path) {
        Ok(text) => text,
        Err(complaint) => {
            mistakes.add(name.as_str(), complaint);
            return None;
        }
    };
    parse(&name, &text, mistakes)
}

fn text_of(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err("this is a folder; name a file, such as claviger.toml".to_owned());
    }
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read.map_err(|error| error.kind()) {
        Ok(read) if read as u64 > FILE_BYTES_MAX => Err("the file is larger than 4 MiB".to_owned()),
        Ok(_) => String::from_utf8(bytes).map_err(|_| "the file is not text in UTF-8".to_owned()),
        Err(std::io::ErrorKind::NotFound) => {
            Err("there is no such file; name another with --config or CLAVIGER_CONFIG".to_owned())
        }
        Err(std::io::ErrorKind::PermissionDenied) => {
            Err("permission denied; let the user that runs claviger read it".to_owned())
        }
        Err(kind) => Err(format!("cannot be read: {kind}")),
    }
}

/// Reads the text of the file.
pub(super) fn parse(name: &str, text: &str, mistakes: &mut Mistakes) -> Option<Vec<(String, Node)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let broken = !errors.is_empty();
    let mut lines = Vec::new();
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        let line = line_of(text, at);
        // One slip makes the parser stumble several times over the same line.
        if !lines.contains(&line) {
            lines.push(line);
            mistakes.add(Named { text: format!("{name}:{line}"), line }, syntax(text, line, error.message()));
        }
    }
    // What is made of a broken file is guesswork: that it is broken is said first.
    let lines = Lines { name: name.into(), text };
    (!broken).then(|| lines.table(table.get_ref()))
}

struct Lines<'t> {
    name: Rc<str>,
    text: &'t str,
}

impl Lines<'_> {
    fn place(&self, at: usize) -> Place {
        Place::File(self.name.clone(), line_of(self.text, at))
    }

    fn table(&self, table: &DeTable<'_>) -> Vec<(String, Node)> {
        let mut entries = table.iter().collect::<Vec<_>>();
        entries.sort_by_key(|(key, _)| key.span().start);
        let node = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            (
                name.to_string(),
                Node { place: self.place(key.span().start), value: self.value(value.get_ref()) },
            )
        };
        entries.into_iter().map(node).collect()
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Value::Number(number.as_str().replace('_', ""))
            }
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                let read =
                    u64::from_str_radix(digits.trim_start_matches(['0', 'x', 'o', 'b']), number.radix());
                Value::Number(read.map_or(digits, |read| read.to_string()))
            }
            DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Boolean(yes) => Value::YesNo(*yes),
            DeValue::Datetime(_) => Value::Other,
            DeValue::Array(list) => Value::List(
                list.iter()
                    .map(|item| Node {
                        place: self.place(item.span().start),
                        value: self.value(item.get_ref()),
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}

/// The line of the file, from 1, in which a byte stands.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// What is wrong with a line that is not TOML, in our own words.
fn syntax(text: &str, line: usize, message: &str) -> String {
    let line = text.lines().nth(line - 1).unwrap_or_default().trim();
    let (name, value) =
        line.split_once('=').map_or((line, None), |(name, value)| (name.trim(), Some(value.trim())));
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.\"[]".contains(&b))
    };
    if message.contains("duplicate key") {
        return format!(
            "{} is set a second time; keep one of the two",
            if is_name(name) { name } else { "this" }
        );
    }
    match value {
        Some("") => format!("{name} has no value; write one, or remove the line"),
        Some(value)
            if is_name(name) && value.starts_with(|c: char| c.is_alphabetic() || c == '/' || c == ':') =>
        {
            format!("text needs quotes: {name} = \"…\"")
        }
        Some(value) if is_name(name) && value.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("a number has digits only, and text needs quotes: {name} = \"…\"")
        }
        Some(value) if value.matches(['"', '\'']).count() % 2 == 1 => "a quote is not closed".to_owned(),
        Some(value) if value.matches('[').count() != value.matches(']').count() => {
            "a list is not closed; it ends with ]".to_owned()
        }
        None if line.starts_with('[') => {
            "a section is written on a line of its own, such as [formats.acme] or [[routes]]".to_owned()
        }
        None if is_name(line) => format!("write a value: {line} = \"…\""),
        _ => "this line is not TOML; write name = value, such as listen = \"127.0.0.1:8400\"".to_owned(),
    }
}
