//! The history. Rows are only ever added.

use claviger_core::decide::{Reason, Reasons};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::Actor;
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::Result;
use super::list::Select;
use super::row::{Cells, bytes};
use crate::query::{HistoryFilter, Page};

const INSERT: &str = "INSERT INTO history
    (at, actor, key, action, target, subject, origin, address, request_id, outcome, detail, reasons)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const SELECT: &str =
    "SELECT row, at, actor, key, action, target, subject, origin, address, request_id, outcome, detail, reasons
    FROM history WHERE true";
/// Looks at the oldest rows only: they were written in the order of time, so where none of them is old
/// enough, none is.
const PRUNE: &str = "DELETE FROM history WHERE row IN
    (SELECT row FROM (SELECT row, at FROM history ORDER BY row LIMIT ?2) WHERE at < ?1)";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, PRUNE];

/// Adds rows.
pub(crate) fn append(conn: &Connection, entries: &[HistoryEntry]) -> Result<()> {
    let mut statement = conn.prepare_cached(INSERT)?;
    for entry in entries {
        statement.execute(params![
            entry.at.millis(),
            entry.actor.to_string(),
            entry.key.map(bytes),
            entry.action,
            entry.target,
            entry.subject,
            entry.origin.as_str(),
            entry.address.map(|address| address.to_string()),
            entry.request_id,
            entry.outcome,
            entry.detail,
            words(&entry.reasons),
        ])?;
    }
    Ok(())
}

/// Forgets rows from before an instant, looking at the oldest `max`.
pub(crate) fn prune(conn: &Connection, before: Timestamp, max: u32) -> Result<u64> {
    Ok(conn.prepare_cached(PRUNE)?.execute(params![before.millis(), max])? as u64)
}

/// A page, the latest written first.
pub(crate) fn list(
    conn: &Connection,
    filter: &HistoryFilter,
    page: Page<u64>,
) -> Result<Vec<(u64, HistoryEntry)>> {
    let after = page.after.map(|row| i64::try_from(row).unwrap_or(i64::MAX));
    select(filter, after).page("row DESC", page.rows()).all(conn, "history", decode)
}

pub(super) fn select(filter: &HistoryFilter, after: Option<i64>) -> Select {
    // A request has a row or two, a subject may have millions; the index of the one is to be used, not the
    // other's. (In SQLite, a `+` keeps a condition from choosing an index.)
    let (subject, among) = match filter.request_id {
        Some(_) => (None, filter.subject.clone()),
        None => (filter.subject.clone(), None),
    };
    Select::new(SELECT)
        .and("request_id = ?", filter.request_id.clone())
        .and("subject = ?", subject)
        .and("+subject = ?", among)
        .and("actor = ?", filter.actor.map(|actor| actor.to_string()))
        .and("key = ?", filter.key.map(|key| bytes(key).to_vec()))
        .and("target = ?", filter.target.clone())
        .and("action = ?", filter.action.clone())
        .and("at >= ?", filter.since.map(claviger_core::Timestamp::millis))
        .and("at < ?", filter.until.map(claviger_core::Timestamp::millis))
        .and("origin = ?", filter.origin.map(|origin| origin.as_str().to_owned()))
        .and("row > ?", filter.owned.map(|owned| i64::try_from(owned.after_row).unwrap_or(i64::MAX)))
        .and("at >= ?", filter.owned.map(|owned| owned.at.millis()))
        .and("row < ?", after)
}

/// Findings as words, none where there are none.
fn words(reasons: &Reasons) -> Option<String> {
    let words = || reasons.iter().map(Reason::to_word).collect::<Vec<_>>().join(" ");
    (!reasons.is_empty()).then(words)
}

/// Reads them back. A word of a later version is left out: a row must stay readable after a downgrade.
fn reasons(words: &str) -> Reasons {
    words.split(' ').filter_map(Reason::from_word).collect()
}

fn decode(cells: &Cells<'_>) -> Result<(u64, HistoryEntry)> {
    let entry = HistoryEntry {
        at: cells.timestamp(1)?,
        actor: cells.word(2, Actor::parse)?,
        key: cells.id_or_none(3)?,
        action: cells.text(4)?.into(),
        target: cells.text(5)?.into(),
        subject: cells.text(6)?.into(),
        origin: cells.word(7, Origin::from_word)?,
        address: cells.address_or_none(8)?,
        request_id: cells.text_or_none(9)?.map(Into::into),
        outcome: cells.text(10)?.into(),
        detail: cells.text(11)?.into(),
        reasons: reasons(cells.text_or_none(12)?.unwrap_or_default()),
    };
    Ok((cells.count(0)?, entry))
}
