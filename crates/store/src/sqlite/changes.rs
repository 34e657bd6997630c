//! The order of all changes.

use claviger_core::change::{Change, ChangeId, ChangeItem, Sequence};
use claviger_core::permit::RecordRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::pointer::{self, Pointer};
use super::row::Cells;
use super::writer::NO_CHANGE;
use super::{Result, accounts, imports, keys, projects, resources, teams};
use crate::error::StoreError;

const ADVANCE: &str = "UPDATE change_head SET seq = ?1 WHERE one = 1 AND seq < ?1";
const INSERT: &str = "INSERT INTO changes (seq, id, what, took) VALUES (?1, ?2, ?3, ?4)";
const SEQUENCE: &str = "SELECT one, seq, oldest FROM change_head WHERE one = 1";
const LATEST: &str = "SELECT seq, id FROM changes ORDER BY seq DESC LIMIT 1";
const FIND: &str = "SELECT seq FROM changes WHERE id = ?1";
const SINCE: &str = "SELECT seq, id, what FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const PRUNE: &str = "DELETE FROM changes WHERE seq <= ?1";
const PRUNED: &str = "UPDATE change_head SET oldest = ?1 WHERE one = 1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ADVANCE, INSERT, SEQUENCE, LATEST, FIND, SINCE, PRUNE, PRUNED];

/// Says which change is the latest.
pub(super) fn advance(conn: &Connection, to: Sequence) -> Result<()> {
    match conn.prepare_cached(ADVANCE)?.execute(params![to.0])? {
        1 => Ok(()),
        _ => Err(StoreError::Inconsistent {
            table: "change_head",
            row: "1".to_owned(),
            detail: format!("it does not come before change {}", to.0),
        }),
    }
}

/// Writes the change row, which points to what was touched and names the records that lost authority; none
/// if that is not known.
pub(super) fn insert(
    conn: &Connection,
    change: &Change,
    pointers: &[String],
    took: Option<&[RecordRef]>,
) -> Result<()> {
    let list = |texts: &[String]| serde_json::to_string(texts).map_err(StoreError::unavailable);
    let what = list(pointers)?;
    let names = |took: &[RecordRef]| took.iter().map(ToString::to_string).collect::<Vec<_>>();
    let took = took.map(|took| list(&names(took))).transpose()?;
    conn.prepare_cached(INSERT)?.execute(params![change.sequence.0, change.id.0, what, took])?;
    Ok(())
}

/// The latest change. Pruning never takes it.
pub(super) fn head(conn: &Connection) -> Result<(Sequence, ChangeId)> {
    let read = |row: &rusqlite::Row<'_>| Ok((Sequence(row.get(0)?), ChangeId(row.get(1)?)));
    Ok(conn.prepare_cached(LATEST)?.query_row(params![], read).optional()?.unwrap_or(NO_CHANGE))
}

/// The latest change's place in the order.
pub(crate) fn sequence(conn: &Connection) -> Result<Sequence> {
    bounds(conn).map(|(sequence, _)| sequence)
}

/// The latest change, and the oldest one kept.
fn bounds(conn: &Connection) -> Result<(Sequence, Sequence)> {
    let mut statement = conn.prepare_cached(SEQUENCE)?;
    let mut rows = statement.query(params![])?;
    let row = rows.next()?.ok_or_else(|| StoreError::Inconsistent {
        table: "change_head",
        row: "1".to_owned(),
        detail: "the row is absent".to_owned(),
    })?;
    let cells = Cells { table: "change_head", row };
    Ok((Sequence(cells.count(1)?), Sequence(cells.count(2)?)))
}

/// Where a change stands.
pub(crate) fn find(conn: &Connection, id: ChangeId) -> Result<Option<Sequence>> {
    let mut statement = conn.prepare_cached(FIND)?;
    Ok(statement.query_row(params![id.0], |row| row.get(0)).optional()?.map(Sequence))
}

/// The changes after one, with each record as it is now.
pub(crate) fn since(conn: &Connection, after: Sequence, limit: u32) -> Result<Option<Vec<Change>>> {
    let (latest, oldest) = bounds(conn)?;
    if after > latest || after.0 + 1 < oldest.0 {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached(SINCE)?;
    let mut rows = statement.query(params![after.0, limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "changes", row };
        let texts = cells.parsed(2, serde_json::from_str::<Vec<String>>)?;
        let mut items = Vec::with_capacity(texts.len());
        for text in &texts {
            let pointer =
                pointer::parse(text).ok_or_else(|| cells.wrong(2, "points to nothing that is known here"))?;
            match pointer {
                Pointer::Import(import) => items.extend(imports::items(conn, import)?),
                one => items.extend(resolve(conn, one)?),
            }
        }
        changes.push(Change { sequence: Sequence(cells.count(0)?), id: ChangeId(cells.half(1)?), items });
    }
    Ok(Some(changes))
}

/// The record as it is now; nothing if a later change says that it is gone.
fn resolve(conn: &Connection, pointer: Pointer) -> Result<Option<ChangeItem>> {
    Ok(match pointer {
        Pointer::Key(id) => {
            keys::by_id(conn, id)?.map(|key| ChangeItem::Key(key.record.digest, key.record.entry))
        }
        // Of many keys, which the caller takes as such.
        Pointer::Import(_) => None,
        Pointer::KeyGone(digest) => Some(ChangeItem::KeyGone(digest)),
        Pointer::Account(id) => accounts::by_id(conn, id)?.map(|record| ChangeItem::Account(record.account)),
        Pointer::Team(id) => teams::by_id(conn, id)?.map(|record| ChangeItem::Team(record.team)),
        Pointer::Project(id) => projects::by_id(conn, id)?.map(|record| ChangeItem::Project(record.project)),
        Pointer::Resource(reference) => resources::by_reference(conn, reference.as_str())?
            .map(|record| ChangeItem::Resource(record.resource)),
        // Unless it was made again: then a later change tells of it, and this one must not undo that.
        Pointer::ResourceGone(reference) => match resources::by_reference(conn, reference.as_str())? {
            Some(record) => Some(ChangeItem::Resource(record.resource)),
            None => Some(ChangeItem::ResourceGone(reference)),
        },
    })
}

/// Forgets all but the latest rows.
pub(crate) fn prune(conn: &Connection, keep: u64) -> Result<u64> {
    let (latest, oldest) = bounds(conn)?;
    let last = latest.0.saturating_sub(keep.max(1));
    if last < oldest.0 {
        return Ok(0);
    }
    let gone = conn.prepare_cached(PRUNE)?.execute(params![last])?;
    conn.prepare_cached(PRUNED)?.execute(params![last + 1])?;
    Ok(gone as u64)
}
