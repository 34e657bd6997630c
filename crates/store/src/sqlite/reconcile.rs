//! The whole list of a type of resources, replaced in one change.

use claviger_core::resource::{ResourceRecord, ResourceRef};
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::load::Children;
use super::resources::{self, SELECT_TYPE, names_of};
use super::row::Cells;
use super::{Result, Write};
use crate::error::StoreError;
use crate::query::Differences;

const REFERENCES: &str = "SELECT reference, version, secrets, databases FROM resource_references
    WHERE reference >= ?1 AND reference < ?2 ORDER BY reference, version";
const STATES: &str = "SELECT reference, created_at, revision FROM resources
    WHERE reference >= ?1 AND reference < ?2 ORDER BY reference";
const KEYS: &str = "SELECT count(*) FROM keys WHERE subject = ?1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[SELECT_TYPE, REFERENCES, STATES, KEYS];

/// All resources of a type, by name. What they reference is read beside them, not one by one.
pub(crate) fn all_of(conn: &Connection, kind: &str) -> Result<Vec<ResourceRecord>> {
    let (first, end) = names_of(kind);
    let mut references = conn.prepare_cached(REFERENCES)?;
    let read = |cells: &Cells<'_>| Ok((cells.text(0)?.to_owned(), resources::decode_references(cells)?));
    let mut references = Children::new("resource_references", references.query(params![first, end])?, read)?;
    let mut statement = conn.prepare_cached(SELECT_TYPE)?;
    let mut rows = statement.query(params![first, end])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let mut record = resources::decode(&Cells { table: "resources", row })?;
        record.resource.references = references.of(record.resource.reference.as_str())?.into();
        all.push(record);
    }
    references.check_end()?;
    Ok(all)
}

/// How many keys these resources have.
pub(crate) fn count_keys(conn: &Connection, references: &[ResourceRef]) -> Result<u64> {
    let mut statement = conn.prepare_cached(KEYS)?;
    references.iter().try_fold(0, |sum, reference| {
        let keys: u64 = statement.query_row(params![reference.as_str()], |row| row.get(0))?;
        Ok(sum + keys)
    })
}

/// Writes the differences if everything still is as it was when they were found; returns how many keys are
/// gone.
pub(crate) fn replace(write: &mut Write<'_>, differences: Differences) -> Result<u64> {
    check_unchanged(write.conn, &differences.kind, &differences.seen)?;
    let mut keys = 0;
    for reference in &differences.delete {
        keys += resources::delete(write, reference, None)?;
    }
    for next in differences.put {
        let expected = (next.revision > 1).then(|| next.revision - 1);
        resources::put(write, next, expected)?;
    }
    Ok(keys)
}

/// Compares all states, as a list that is replaced whole must not lose what came to it meanwhile.
fn check_unchanged(conn: &Connection, kind: &str, seen: &[(ResourceRef, Timestamp, u64)]) -> Result<()> {
    let (first, end) = names_of(kind);
    let mut statement = conn.prepare_cached(STATES)?;
    let mut rows = statement.query(params![first, end])?;
    let mut seen = seen.iter();
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "resources", row };
        let current = cells.count(2)?;
        let same = seen.next().is_some_and(|(reference, created_at, revision)| {
            cells.text(0).is_ok_and(|name| name == reference.as_str())
                && cells.timestamp(1).is_ok_and(|at| at == *created_at)
                && current == *revision
        });
        if !same {
            return Err(StoreError::Stale { current });
        }
    }
    if seen.next().is_some() { Err(StoreError::Stale { current: 0 }) } else { Ok(()) }
}
