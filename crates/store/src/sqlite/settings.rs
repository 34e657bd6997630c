//! What belongs to this installation: small settings, and every key format ever configured.

use claviger_core::key::{FormatError, KeyFormat};
use rusqlite::{Connection, OptionalExtension, params};

use super::Result;
use super::row::Cells;

const GET: &str = "SELECT value FROM settings WHERE name = ?1";
const PUT: &str = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const REMEMBER: &str =
    "INSERT INTO formats (prefix, length, checksum) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
const FORMATS: &str = "SELECT prefix, length, checksum FROM formats ORDER BY prefix, length, checksum";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[GET, PUT, REMEMBER, FORMATS];

/// A setting.
pub(crate) fn get(conn: &Connection, name: &str) -> Result<Option<String>> {
    Ok(conn.prepare_cached(GET)?.query_row(params![name], |row| row.get(0)).optional()?)
}

/// Keeps a setting.
pub(crate) fn put(conn: &Connection, name: &str, value: &str) -> Result<()> {
    conn.prepare_cached(PUT)?.execute(params![name, value])?;
    Ok(())
}

/// Remembers formats and returns all that were ever remembered.
pub(crate) fn remember_formats(conn: &Connection, formats: &[KeyFormat]) -> Result<Vec<KeyFormat>> {
    let mut remember = conn.prepare_cached(REMEMBER)?;
    for format in formats {
        let length = i64::try_from(format.length()).unwrap_or(i64::MAX);
        remember.execute(params![format.prefix(), length, format.has_checksum()])?;
    }
    let mut statement = conn.prepare_cached(FORMATS)?;
    let mut rows = statement.query(params![])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "formats", row };
        let length = usize::try_from(cells.count(1)?).unwrap_or(usize::MAX);
        let format = KeyFormat::new(cells.text(0)?, length, cells.flag(2)?);
        all.push(format.map_err(|error: FormatError| cells.wrong(0, error))?);
    }
    Ok(all)
}
