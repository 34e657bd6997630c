//! A database file that this process does not serve: looking at it, and copying it.

use std::path::Path;

use claviger_core::key::Digest;
use claviger_core::lifecycle::Status;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, backup, schema};
use crate::error::StoreError;

/// What a look at a database shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its schema.
    pub schema: u32,
    /// The latest schema that this program knows.
    pub schema_known: u32,
    /// What is wrong inside, in SQLite's words; empty if it is whole.
    pub damage: Vec<String>,
    /// Whether a process has it open.
    pub locked: bool,
    /// Keys in it, disabled and expired ones included.
    pub keys: u64,
}

/// Rows of SQLite's report on damage at most.
const DAMAGE_ROWS_MAX: usize = 20;

/// Looks without changing anything.
pub(crate) fn inspect(path: &Path) -> Result<Inspection> {
    let conn = open(path)?;
    let mut statement = conn.prepare("PRAGMA quick_check(20)")?;
    let report = statement.query_map(params![], |row| row.get::<_, String>(0))?;
    let report = report.take(DAMAGE_ROWS_MAX).collect::<rusqlite::Result<Vec<_>>>()?;
    let keys = conn.query_row("SELECT count(*) FROM keys", params![], |row| row.get(0))?;
    Ok(Inspection {
        schema: schema::version(&conn)?,
        schema_known: schema::known(),
        damage: report.into_iter().filter(|line| line != "ok").collect(),
        locked: schema::is_locked(path),
        keys,
    })
}

const STATUS_OF: &str = "SELECT status FROM keys WHERE digest_head = ?1 AND digest_tail = ?2";

/// The status of the key with this digest.
pub(crate) fn key_status(path: &Path, digest: &Digest) -> Result<Option<Status>> {
    let (head, tail) = digest.as_bytes().split_at(16);
    let conn = open(path)?;
    let word: Option<String> = conn.query_row(STATUS_OF, params![head, tail], |row| row.get(0)).optional()?;
    Ok(word.map(|word| if word == Status::Active.as_str() { Status::Active } else { Status::Disabled }))
}

/// Copies a database that may be served by another process.
pub(crate) fn backup_file(from: &Path, to: &Path) -> Result<()> {
    drop(open(from)?);
    backup::copy(from, to)
}

/// A database of ours, to read.
fn open(path: &Path) -> Result<Connection> {
    let conn = schema::open_reader(path)?;
    if schema::is_fresh(&conn, path)? {
        return Err(StoreError::ForeignFile { path: path.display().to_string() });
    }
    Ok(conn)
}
