//! How often keys were used.

use claviger_core::id::KeyId;
use claviger_core::restriction::QuotaPeriod;
use claviger_core::time::{Timestamp, UnixSeconds};
use rusqlite::{Connection, params};

use super::row::{Cells, bytes};
use super::{Result, keys};
use crate::query::{LastUsed, UsageBucket, UsageCount, UsageStep};

/// A key that is gone has no counters, and gets none.
macro_rules! add {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (key, start, allowed, refused)
    SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM keys WHERE id = ?1)
    ON CONFLICT (key, start) DO UPDATE
    SET allowed = allowed + excluded.allowed, refused = refused + excluded.refused"
        )
    };
}
macro_rules! prune {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE (key, start) IN (SELECT key, start FROM ",
            $table,
            " WHERE start < ?1 LIMIT ?2)"
        )
    };
}

const ADD_MINUTE: &str = add!("usage_minutes");
const ADD_HOUR: &str = add!("usage_hours");
const PRUNE_MINUTES: &str = prune!("usage_minutes");
const PRUNE_HOURS: &str = prune!("usage_hours");
const PRUNE_CARRIED: &str = prune!("usage_carried");
const MINUTES: &str = "SELECT start, allowed, refused FROM usage_minutes
    WHERE key = ?1 AND start >= ?2 AND start < ?3 ORDER BY start LIMIT ?4";
const HOURS: &str = "SELECT start, allowed, refused FROM usage_hours
    WHERE key = ?1 AND start >= ?2 AND start < ?3 ORDER BY start LIMIT ?4";
const DAYS: &str = "SELECT start - start % 86400 AS day, sum(allowed), sum(refused) FROM usage_hours
    WHERE key = ?1 AND start >= ?2 AND start < ?3 GROUP BY day ORDER BY day LIMIT ?4";
/// Of one key by its primary key; of a thousand keys that is quicker than a pass over everybody's hours.
/// What it took over counts like its own.
const TOTAL: &str = "SELECT
    (SELECT coalesce(sum(allowed), 0) FROM usage_hours WHERE key = ?1 AND start >= ?2)
    + (SELECT coalesce(sum(allowed), 0) FROM usage_carried WHERE key = ?1 AND start >= ?2)";
/// One row for the day under way and one for the rest of its month, which is all that a quota can ask for.
const CARRY: &str = "INSERT INTO usage_carried (key, start, allowed)
    SELECT ?2, iif(start >= ?4, ?4, ?3) AS part, sum(allowed) FROM
        (SELECT start, allowed FROM usage_hours WHERE key = ?1 AND start >= ?3
        UNION ALL SELECT start, allowed FROM usage_carried WHERE key = ?1 AND start >= ?3)
    GROUP BY part";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[ADD_MINUTE, ADD_HOUR, PRUNE_MINUTES, PRUNE_HOURS, MINUTES, HOURS, DAYS, TOTAL, CARRY, PRUNE_CARRIED];

/// Adds to the counters and notes last uses.
pub(crate) fn record(conn: &Connection, counts: &[UsageCount], uses: &[LastUsed]) -> Result<()> {
    let (mut minutes, mut hours) = (conn.prepare_cached(ADD_MINUTE)?, conn.prepare_cached(ADD_HOUR)?);
    for count in counts {
        let (key, start) = (bytes(count.key), count.at.seconds().get());
        let add = |statement: &mut rusqlite::CachedStatement<'_>, step: UsageStep| {
            statement.execute(params![key, start - start % step.seconds(), count.allowed, count.refused])
        };
        add(&mut minutes, UsageStep::Minute)?;
        add(&mut hours, UsageStep::Hour)?;
    }
    keys::record_last_used(conn, uses)
}

/// The counters of a key, each of the step that begins there; none where it was not used.
pub(crate) fn list(
    conn: &Connection,
    key: KeyId,
    (from, until): (UnixSeconds, UnixSeconds),
    step: UsageStep,
    max: u32,
) -> Result<Vec<UsageBucket>> {
    let (table, sql) = match step {
        UsageStep::Minute => ("usage_minutes", MINUTES),
        UsageStep::Hour => ("usage_hours", HOURS),
        UsageStep::Day => ("usage_hours", DAYS),
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![bytes(key), from.get(), until.get(), max])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = Cells { table, row };
        let start = Timestamp::from_millis(cells.number(0)?.saturating_mul(1_000));
        all.push(UsageBucket { start, allowed: cells.count(1)?, refused: cells.count(2)? });
    }
    Ok(all)
}

/// How often each of these keys was let through since the hour that begins then.
pub(crate) fn totals(conn: &Connection, keys: &[(KeyId, UnixSeconds)]) -> Result<Vec<u64>> {
    let mut statement = conn.prepare_cached(TOTAL)?;
    let mut all = Vec::with_capacity(keys.len());
    for (key, from) in keys {
        let mut rows = statement.query(params![bytes(*key), from.get()])?;
        let row = rows.next()?;
        all.push(row.map_or(Ok(0), |row| Cells { table: "usage_hours", row }.count(0))?);
    }
    Ok(all)
}

/// Copies what a key has used of a quota of the day or of the month to the one that replaces it. The counters of each
/// key stay its own.
pub(super) fn carry(conn: &Connection, from: KeyId, to: KeyId, at: Timestamp) -> Result<()> {
    let start = |period: QuotaPeriod| period.bounds(at).0.get();
    let (month, day) = (start(QuotaPeriod::Month), start(QuotaPeriod::Day));
    conn.prepare_cached(CARRY)?.execute(params![bytes(from), bytes(to), month, day])?;
    Ok(())
}

/// Forgets up to `max` counters of each step that begin before these instants.
pub(crate) fn prune(
    conn: &Connection,
    minutes_before: UnixSeconds,
    hours_before: UnixSeconds,
    max: u32,
) -> Result<u64> {
    let minutes = conn.prepare_cached(PRUNE_MINUTES)?.execute(params![minutes_before.get(), max])?;
    let hours = conn.prepare_cached(PRUNE_HOURS)?.execute(params![hours_before.get(), max])?;
    let carried = conn.prepare_cached(PRUNE_CARRIED)?.execute(params![hours_before.get(), max])?;
    Ok((minutes + hours + carried) as u64)
}
