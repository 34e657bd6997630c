//! What commands print: tables and fields for people, the API's JSON for programs.

mod key;
mod path;
mod progress;
mod style;
mod table;
mod when;

use std::io::Write;

use serde::Serialize;

pub use key::{key_fields, key_table, revoked};
pub use path::{SHOWN_BYTES_MAX, path_shown};
pub use progress::Progress;
pub use style::{Colour, Styled};
pub use table::{Fields, Table};
pub use when::{parse_expiry, parse_past, parse_seconds, short};

/// Where a command prints to, and how.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    colours: bool,
}

impl Output {
    /// JSON, or text: coloured on terminals, unless `NO_COLOR` is set.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json, colours: style::wanted() }
    }

    /// Whether a program reads.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Prints one JSON value.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// Prints one JSON value on a line of its own.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn json_line(self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
        Ok(writeln!(out)?)
    }

    /// Prints a text with a line's end.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn line(self, text: impl AsRef<str>) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", text.as_ref())?;
        Ok(out.flush()?)
    }

    /// Prints a table.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn table(self, table: &Table) -> anyhow::Result<()> {
        self.line(table.render(self.colours).trim_end_matches('\n'))
    }

    /// Prints fields.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn fields(self, fields: &Fields) -> anyhow::Result<()> {
        self.line(fields.render(self.colours).trim_end_matches('\n'))
    }

    /// A text as it stands among others.
    #[must_use]
    pub fn paint(self, styled: &Styled) -> String {
        styled.paint(self.colours)
    }
}
