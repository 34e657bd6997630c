//! Imports. Rows are staged among the keys, a batch at a time, hidden while their import is open; so the
//! commit is one deleted row, and other writers wait for a batch at most.
//!
//! A staged row goes with what it stands for, like any key: deleting a resource, or all keys of an account,
//! takes the staged ones along.

use claviger_core::change::ChangeItem;
use claviger_core::key::{Actor, KeyRecord};
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::row::Cells;
use super::{Result, Write, keys};
use crate::error::StoreError;
use crate::query::Staged;

const OPEN: &str =
    "INSERT INTO open_imports (started_at, started_by, sealed) VALUES (?1, ?2, 0) RETURNING number";
const IS_OPEN: &str = "SELECT 1 FROM open_imports WHERE number = ?1 AND sealed = 0";
const IS_KNOWN: &str = "SELECT 1 FROM open_imports WHERE number = ?1";
const SEAL: &str = "UPDATE open_imports SET sealed = 1 WHERE number = ?1";
const CLOSE: &str = "DELETE FROM open_imports WHERE number = ?1";
const COUNT: &str = "SELECT count(*) FROM keys WHERE import = ?1 AND import > 0";
const ABANDON: &str = "DELETE FROM keys WHERE digest_head IN
    (SELECT digest_head FROM keys WHERE import = ?1 AND import > 0 LIMIT ?2)";
const ALL: &str = "SELECT number FROM open_imports ORDER BY number";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[OPEN, IS_OPEN, IS_KNOWN, SEAL, CLOSE, COUNT, ABANDON, ALL];

/// Opens an import.
pub(crate) fn open(conn: &Connection, at: Timestamp, by: Actor) -> Result<u64> {
    Ok(conn.prepare_cached(OPEN)?.query_row(params![at.millis(), by.to_string()], |row| row.get(0))?)
}

/// Stages a batch and says of each row what became of it.
pub(crate) fn stage(
    conn: &Connection,
    import: u64,
    rows: &[KeyRecord],
    limit: Option<u32>,
) -> Result<Vec<Staged>> {
    if !conn.prepare_cached(IS_OPEN)?.exists(params![import])? {
        return Err(StoreError::NotFound);
    }
    let mut staging = keys::Staging::new(conn, import);
    if limit.is_some() {
        // The first ones find room.
        return rows.iter().map(|row| staging.stage(row, limit)).collect();
    }
    // In the order of the table, where neighbours share a page. Of two rows with one digest the first stays first.
    let mut order = (0..rows.len()).collect::<Vec<_>>();
    order.sort_by_key(|at| rows[*at].digest);
    let mut outcomes = vec![Staged::Missing; rows.len()];
    for at in order {
        outcomes[at] = staging.stage(&rows[at], limit)?;
    }
    Ok(outcomes)
}

/// Whether rows of this import are still to be committed.
pub(super) fn is_open(conn: &Connection, import: u64) -> Result<bool> {
    Ok(conn.prepare_cached(IS_KNOWN)?.exists(params![import])?)
}

/// Ends the staging: from now on only a commit or abandoning follow.
pub(crate) fn seal(conn: &Connection, import: u64) -> Result<()> {
    match conn.prepare_cached(SEAL)?.execute(params![import])? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// What the change of its commit will say.
pub(crate) fn items(conn: &Connection, import: u64) -> Result<Vec<ChangeItem>> {
    let mut scopes = keys::Interner::default();
    let mut statement = conn.prepare_cached(keys::OF_IMPORT)?;
    let mut rows = statement.query(params![import])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (digest, entry) = keys::decode_entry(&Cells { table: "keys", row }, &mut scopes)?;
        found.push((digest, entry));
    }
    // So they come, but nothing says that they have to; in this order neighbours lie side by side in the index, too.
    found.sort_unstable_by_key(|(digest, _)| *digest);
    Ok(found.into_iter().map(|(digest, entry)| ChangeItem::Key(digest, entry)).collect())
}

/// Makes everything that was staged visible at once. `items` were read before, so that nobody waits for
/// that; if rows have gone since, with what they stood for, nothing is done and the answer is `None`.
pub(crate) fn commit(write: &mut Write<'_>, import: u64, items: Vec<ChangeItem>) -> Result<Option<u64>> {
    // A sealed import gains no rows, so as many are the same ones.
    let staged: u64 = write.conn.prepare_cached(COUNT)?.query_row(params![import], |row| row.get(0))?;
    if staged != items.len() as u64 {
        write.unchanged();
        return Ok(None);
    }
    if write.conn.prepare_cached(CLOSE)?.execute(params![import])? != 1 {
        return Err(StoreError::NotFound);
    }
    write.touch_import(import, items);
    Ok(Some(staged))
}

/// Takes away up to `max` staged rows of an import, and the import itself with the last of them. Returns
/// whether it is gone.
pub(crate) fn abandon(conn: &Connection, import: u64, max: u32) -> Result<bool> {
    // Without a row here the keys of this number are committed ones.
    if conn.prepare_cached(SEAL)?.execute(params![import])? == 0 {
        return Ok(true);
    }
    let gone = conn.prepare_cached(ABANDON)?.execute(params![import, max])?;
    if gone as u64 == u64::from(max) {
        return Ok(false);
    }
    conn.prepare_cached(CLOSE)?.execute(params![import])?;
    Ok(true)
}

/// The imports that are open.
pub(crate) fn all(conn: &Connection) -> Result<Vec<u64>> {
    let mut statement = conn.prepare_cached(ALL)?;
    let numbers = statement.query_map(params![], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(numbers)
}
