//! What SQLite's errors mean here.

use rusqlite::{Connection, Error, OptionalExtension, ToSql, ffi};

use super::Result;
use crate::error::{Conflict, StoreError};

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match conflict(&error) {
            Some(conflict) => Self::Conflict(conflict),
            None => Self::unavailable(error),
        }
    }
}

/// SQLite names the column of a broken uniqueness in its message and nowhere else.
fn conflict(error: &Error) -> Option<Conflict> {
    let Error::SqliteFailure(code, Some(message)) = error else { return None };
    if !matches!(code.extended_code, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) {
        return None;
    }
    match message.rsplit_once(' ')?.1 {
        "keys.digest_head" => Some(Conflict::Digest),
        "keys.id" | "accounts.id" | "teams.id" | "projects.id" => Some(Conflict::Id),
        "accounts.email" => Some(Conflict::Email),
        "accounts.external_id" | "teams.external_id" | "projects.external_id" => Some(Conflict::ExternalId),
        "resources.reference" => Some(Conflict::Resource),
        _ => None,
    }
}

/// Whether a COMMIT failed because its pages could not be written, as on a full disk. The frame that makes them a
/// transaction is the last one in the write-ahead log, so without it there is none, now or after a crash.
pub(super) fn is_unwritten(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    let code = source.downcast_ref::<Error>().and_then(Error::sqlite_error);
    code.is_some_and(|code| matches!(code.extended_code, ffi::SQLITE_FULL | ffi::SQLITE_IOERR_WRITE))
}

/// Whether a row that was referred to does not exist.
pub(super) fn is_missing_reference(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(code, _) if code.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}

/// Where a record is: for the checks that go with a write, and for naming it when they fail.
pub(super) struct Place<'a, K> {
    pub(super) table: &'static str,
    /// Selects its revision by its key.
    pub(super) revision: &'static str,
    pub(super) key: K,
    pub(super) name: &'a dyn std::fmt::Display,
}

impl<K: ToSql> Place<'_, K> {
    /// Refuses a revision that does not follow the one it replaces; if that one is stale, says so.
    pub(super) fn check_follows(&self, conn: &Connection, next: u64, expected: u64) -> Result<()> {
        if expected.checked_add(1) == Some(next) {
            return Ok(());
        }
        Err(self.missed(
            conn,
            Some(expected),
            &format!("revision {next} was to replace revision {expected}"),
        )?)
    }

    /// Judges how many rows an UPDATE or DELETE at a revision has changed: one, or it says why none.
    pub(super) fn check_one(&self, conn: &Connection, changed: usize, expected: Option<u64>) -> Result<()> {
        match changed {
            1 => Ok(()),
            0 => Err(self.missed(conn, expected, "what never changes of it was to change")?),
            _ => Err(self.inconsistent(format!("{changed} rows instead of one"))),
        }
    }

    /// Why there was nothing at that revision; the detail counts if there was.
    fn missed(&self, conn: &Connection, expected: Option<u64>, detail: &str) -> Result<StoreError> {
        let mut statement = conn.prepare_cached(self.revision)?;
        let current = statement.query_row([&self.key], |row| row.get::<_, u64>(0)).optional()?;
        Ok(match (current, expected) {
            (None, _) => StoreError::NotFound,
            (Some(current), Some(expected)) if current != expected => StoreError::Stale { current },
            (Some(_), _) => self.inconsistent(detail.to_owned()),
        })
    }

    fn inconsistent(&self, detail: String) -> StoreError {
        StoreError::Inconsistent { table: self.table, row: self.name.to_string(), detail }
    }
}
