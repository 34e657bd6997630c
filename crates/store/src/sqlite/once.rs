//! Requests that were carried out, so that a repeat is recognised.

use claviger_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::Result;
use crate::commit::Once;
use crate::error::StoreError;

const FIND: &str = "SELECT fingerprint, reference FROM once WHERE name = ?1 AND at > ?2";
/// An outdated row under the same name is replaced.
const INSERT: &str = "INSERT INTO once (name, fingerprint, reference, at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (name) DO UPDATE SET
        fingerprint = excluded.fingerprint, reference = excluded.reference, at = excluded.at";
const PRUNE: &str =
    "DELETE FROM once WHERE name IN (SELECT name FROM once WHERE at <= ?1 ORDER BY at LIMIT ?2)";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIND, INSERT, PRUNE];

/// Refuses a request that was carried out already, or another one under its name.
pub(crate) fn check(conn: &Connection, once: &Once) -> Result<()> {
    let found = conn
        .prepare_cached(FIND)?
        .query_row(params![once.name, once.valid_since().millis()], |row| {
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    match found {
        None => Ok(()),
        Some((fingerprint, reference)) if fingerprint == once.fingerprint => {
            Err(StoreError::Replayed { reference })
        }
        Some(_) => Err(StoreError::NameReused),
    }
}

/// Remembers a request, in the transaction that carries it out.
pub(super) fn remember(conn: &Connection, once: &Once) -> Result<()> {
    let values = params![once.name, once.fingerprint, once.reference, once.at.millis()];
    conn.prepare_cached(INSERT)?.execute(values)?;
    Ok(())
}

/// Forgets up to `max` requests of this instant or earlier.
pub(crate) fn prune(conn: &Connection, until: Timestamp, max: u32) -> Result<u64> {
    Ok(conn.prepare_cached(PRUNE)?.execute(params![until.millis(), max])? as u64)
}
