//! The order of all changes.

use claviger_core::change::{Change, ChangeId, ChangeItem, Sequence};
use claviger_core::permit::RecordRef;
use claviger_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::pointer::{self, Pointer};
use super::row::Cells;
use super::writer::NO_CHANGE;
use super::{Result, accounts, imports, keys, projects, resources, teams};
use crate::error::StoreError;

const ADVANCE: &str =
    "UPDATE change_head SET seq = ?1, turn = ?2, at = max(at, ?3) WHERE one = 1 AND seq <= ?1";
const HEAD: &str = "SELECT one, seq, oldest, turn, at FROM change_head WHERE one = 1";
const FENCE: &str = "UPDATE change_head SET fence = fence + 1 WHERE one = 1";
const TRY: &str = "UPDATE trials SET filler = ?1 WHERE one = 1";
const NOTE_TIME: &str = "UPDATE change_head SET at = max(at, ?1) WHERE one = 1";
const SET_TIME: &str = "UPDATE change_head SET at = ?1 WHERE one = 1";
const INSERT: &str = "INSERT INTO changes (seq, id, what, took, at) VALUES (?1, ?2, ?3, ?4, ?5)";
const LATEST: &str = "SELECT seq, id FROM changes ORDER BY seq DESC LIMIT 1";
const FIND: &str = "SELECT seq FROM changes WHERE id = ?1";
const ID_AT: &str = "SELECT id FROM changes WHERE seq = ?1";
const SINCE: &str = "SELECT seq, id, what, at FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const PRUNE: &str = "DELETE FROM changes WHERE seq <= ?1";
const PRUNED: &str = "UPDATE change_head SET oldest = ?1 WHERE one = 1";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[ADVANCE, HEAD, FENCE, TRY, NOTE_TIME, SET_TIME, INSERT, LATEST, FIND, ID_AT, SINCE, PRUNE, PRUNED];

/// The state that every write begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The latest change.
    pub(crate) sequence: Sequence,
    /// The oldest change row kept.
    oldest: Sequence,
    /// The number of the latest transaction.
    pub(crate) turn: u64,
    /// The latest time that was acted on, if there was any.
    pub(crate) at: Option<Timestamp>,
}

/// Reads it.
pub(crate) fn read_head(conn: &Connection) -> Result<Head> {
    let mut statement = conn.prepare_cached(HEAD)?;
    let mut rows = statement.query(params![])?;
    let row = rows.next()?.ok_or_else(|| StoreError::Inconsistent {
        table: "change_head",
        row: "1".to_owned(),
        detail: "the row is absent".to_owned(),
    })?;
    let cells = Cells { table: "change_head", row };
    Ok(Head {
        sequence: Sequence(cells.count(1)?),
        oldest: Sequence(cells.count(2)?),
        turn: cells.count(3)?,
        at: Some(cells.timestamp(4)?).filter(|at| at.millis() > 0),
    })
}

/// Ends a transaction: says which change is the latest, which transaction this is, and until when it has acted.
pub(super) fn advance(conn: &Connection, to: Sequence, turn: u64, at: Option<Timestamp>) -> Result<()> {
    let at = at.map_or(0, Timestamp::millis);
    match conn.prepare_cached(ADVANCE)?.execute(params![to.0, turn, at])? {
        1 => Ok(()),
        _ => Err(StoreError::Inconsistent {
            table: "change_head",
            row: "1".to_owned(),
            detail: format!("it does not come before change {}", to.0),
        }),
    }
}

/// Writes something that says nothing: once it is committed, nothing that failed before it can come back.
pub(super) fn fence(conn: &Connection) -> Result<()> {
    conn.prepare_cached(FENCE)?.execute(params![])?;
    Ok(())
}

/// What a trial writes: the pages that a change with its indexes and its history takes. A disk with room for less is
/// full.
const TRIAL_BYTES: usize = 64 * 1024;

/// Writes as much as a change does. The byte has to differ from time to time, or SQLite writes nothing.
pub(super) fn try_writing(conn: &Connection, byte: u8) -> Result<()> {
    conn.prepare_cached(TRY)?.execute(params![vec![byte; TRIAL_BYTES]])?;
    Ok(())
}

/// Remembers that time has come this far.
pub(crate) fn note_time(conn: &Connection, at: Timestamp) -> Result<()> {
    conn.prepare_cached(NOTE_TIME)?.execute(params![at.millis()])?;
    Ok(())
}

/// Takes this for the latest time, even if it is earlier.
pub(super) fn set_time(conn: &Connection, at: Timestamp) -> Result<()> {
    conn.prepare_cached(SET_TIME)?.execute(params![at.millis().max(0)])?;
    Ok(())
}

/// Writes the change row, which points to what was touched and names the records that lost subject; none
/// if that is not known.
pub(super) fn insert(
    conn: &Connection,
    change: &Change,
    pointers: &[String],
    took: Option<&[RecordRef]>,
    at: Option<Timestamp>,
) -> Result<()> {
    let list = |texts: &[String]| serde_json::to_string(texts).map_err(StoreError::unavailable);
    let what = list(pointers)?;
    let names = |took: &[RecordRef]| took.iter().map(ToString::to_string).collect::<Vec<_>>();
    let took = took.map(|took| list(&names(took))).transpose()?;
    let values = params![change.sequence.0, change.id.0, what, took, at.map(Timestamp::millis)];
    conn.prepare_cached(INSERT)?.execute(values)?;
    Ok(())
}

/// The latest change. Pruning never takes it.
pub(super) fn head(conn: &Connection) -> Result<(Sequence, ChangeId)> {
    let read = |row: &rusqlite::Row<'_>| Ok((Sequence(row.get(0)?), ChangeId(row.get(1)?)));
    Ok(conn.prepare_cached(LATEST)?.query_row(params![], read).optional()?.unwrap_or(NO_CHANGE))
}

/// The latest change's place in the order.
pub(crate) fn sequence(conn: &Connection) -> Result<Sequence> {
    read_head(conn).map(|head| head.sequence)
}

/// Where a change stands.
pub(crate) fn find(conn: &Connection, id: ChangeId) -> Result<Option<Sequence>> {
    let mut statement = conn.prepare_cached(FIND)?;
    Ok(statement.query_row(params![id.0], |row| row.get(0)).optional()?.map(Sequence))
}

/// The name of the change at a place; none where its row is not kept.
pub(super) fn id_at(conn: &Connection, sequence: Sequence) -> Result<Option<ChangeId>> {
    let mut statement = conn.prepare_cached(ID_AT)?;
    Ok(statement.query_row(params![sequence.0], |row| row.get(0)).optional()?.map(ChangeId))
}

/// The changes after one, with each record as it is now.
pub(crate) fn since(conn: &Connection, after: Sequence, limit: u32) -> Result<Option<Vec<Change>>> {
    let changes = dated_since(conn, after, limit)?;
    Ok(changes.map(|changes| changes.into_iter().map(|(change, _)| change).collect()))
}

/// A change with the time at which it was made.
type Dated = (Change, Option<Timestamp>);

/// The same, each with its time.
pub(super) fn dated_since(conn: &Connection, after: Sequence, limit: u32) -> Result<Option<Vec<Dated>>> {
    let Head { sequence: latest, oldest, .. } = read_head(conn)?;
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
        let change = Change { sequence: Sequence(cells.count(0)?), id: ChangeId(cells.half(1)?), items };
        changes.push((change, cells.number_or_none(3)?.map(Timestamp::from_millis)));
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
    let Head { sequence: latest, oldest, .. } = read_head(conn)?;
    let last = latest.0.saturating_sub(keep.max(1));
    if last < oldest.0 {
        return Ok(0);
    }
    let gone = conn.prepare_cached(PRUNE)?.execute(params![last])?;
    conn.prepare_cached(PRUNED)?.execute(params![last + 1])?;
    Ok(gone as u64)
}
