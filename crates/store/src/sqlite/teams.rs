//! Teams and their members.

use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, TeamId};
use claviger_core::name::{ExternalId, Name};
use claviger_core::permit::RecordRef;
use claviger_core::principal::{Members, Team, TeamRecord, TeamRole};
use claviger_core::revocation;
use rusqlite::{Connection, params};

use super::error::Place;
use super::list::Select;
use super::members::MemberTable;
use super::row::{Cells, bytes};
use super::{Result, Write};
use crate::error::{Limited, StoreError};
use crate::query::{Page, TeamFilter};

const INSERT: &str =
    "INSERT INTO teams (id, closed, name, external_id, created_at, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const SELECT_CREATED_FOR: &str = "SELECT id, created_for FROM teams WHERE id = ?1";
const CREATED_FOR: &str = "UPDATE teams SET created_for = ?2 WHERE id = ?1";
/// Stops counting at the limit.
pub(super) const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM teams WHERE created_for = ?1 LIMIT ?2)";
const UPDATE: &str = "UPDATE teams SET closed = ?2, name = ?3, external_id = ?4, revision = ?6
    WHERE id = ?1 AND created_at = ?5 AND revision = ?6 - 1";
const REVISION: &str = "SELECT revision FROM teams WHERE id = ?1";
const SELECT: &str = "SELECT id, closed, name, external_id, created_at, revision FROM teams WHERE true";
const MEMBERS: MemberTable = MemberTable {
    table: "team_members",
    select: "SELECT account, role FROM team_members WHERE team = ?1",
    put: "INSERT INTO team_members (team, account, role) VALUES (?1, ?2, ?3)
        ON CONFLICT (team, account) DO UPDATE SET role = excluded.role",
    remove: "DELETE FROM team_members WHERE team = ?1 AND account = ?2",
};
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    INSERT,
    SELECT_CREATED_FOR,
    CREATED_FOR,
    COUNT,
    UPDATE,
    REVISION,
    MEMBERS.select,
    MEMBERS.put,
    MEMBERS.remove,
];

/// Adds a team with its members. It counts towards the limit of the account that it is created for, its first
/// owner, for good.
pub(crate) fn create(write: &mut Write<'_>, record: TeamRecord, limit: u32) -> Result<()> {
    let owner = record.team.members.iter().find(|(_, role)| *role == TeamRole::Owner);
    let owner = owner.map(|(account, _)| bytes(account));
    if let Some(owner) = owner {
        let teams: u32 =
            write.conn.prepare_cached(COUNT)?.query_row(params![owner, limit], |row| row.get(0))?;
        if teams >= limit {
            return Err(StoreError::Limit { what: Limited::Teams, limit });
        }
    }
    execute(write.conn, INSERT, &record)?;
    write.conn.prepare_cached(CREATED_FOR)?.execute(params![bytes(record.team.id), owner])?;
    MEMBERS.replace(write.conn, record.team.id, &record.team.members)?;
    write.touch_new(ChangeItem::Team(record.team));
    Ok(())
}

/// The account that a team was created for, if it was for one.
pub(crate) fn created_for(conn: &Connection, id: TeamId) -> Result<Option<AccountId>> {
    let mut statement = conn.prepare_cached(SELECT_CREATED_FOR)?;
    let mut rows = statement.query(params![bytes(id)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Cells { table: "teams", row }.id_or_none(1)
}

/// Replaces a team's record, members included.
pub(crate) fn update(write: &mut Write<'_>, next: TeamRecord, expected: u64) -> Result<()> {
    let id = next.team.id;
    let place = Place { table: "teams", revision: REVISION, key: bytes(id), name: &id };
    place.check_follows(write.conn, next.revision, expected)?;
    let before = by_id(write.conn, id)?;
    let changed = execute(write.conn, UPDATE, &next)?;
    place.check_one(write.conn, changed, Some(expected))?;
    MEMBERS.replace(write.conn, id, &next.team.members)?;
    let took = before.is_none_or(|before| revocation::by_team(&before.team, &next.team));
    write.touch(ChangeItem::Team(next.team), took.then_some(RecordRef::Team(id)));
    Ok(())
}

fn execute(conn: &Connection, sql: &str, record: &TeamRecord) -> Result<usize> {
    Ok(conn.prepare_cached(sql)?.execute(params![
        bytes(record.team.id),
        record.team.closed,
        record.name.as_str(),
        record.team.external_id.as_ref().map(ExternalId::as_str),
        record.created_at.millis(),
        record.revision,
    ])?)
}

/// Refuses a team that does not exist.
pub(super) fn require(conn: &Connection, id: TeamId) -> Result<()> {
    let exists = conn.prepare_cached(REVISION)?.exists(params![bytes(id)])?;
    if exists { Ok(()) } else { Err(StoreError::Missing(format!("team:{id}"))) }
}

/// A team.
pub(crate) fn by_id(conn: &Connection, id: TeamId) -> Result<Option<TeamRecord>> {
    let select = Select::new(SELECT).and("id = ?", Some(bytes(id).to_vec())).page("id", 1);
    Ok(with_members(conn, select)?.pop())
}

/// A page, the newest first.
pub(crate) fn list(conn: &Connection, filter: &TeamFilter, page: Page<TeamId>) -> Result<Vec<TeamRecord>> {
    with_members(conn, select(filter, page.after).page("id DESC", page.rows()))
}

pub(super) fn select(filter: &TeamFilter, after: Option<TeamId>) -> Select {
    Select::new(SELECT)
        .and(
            "id IN (SELECT team FROM team_members WHERE account = ?)",
            filter.member.map(|id| bytes(id).to_vec()),
        )
        .and("external_id = ?", filter.external_id.as_ref().map(|id| id.as_str().to_owned()))
        .and("id < ?", after.map(|id| bytes(id).to_vec()))
}

fn with_members(conn: &Connection, select: Select) -> Result<Vec<TeamRecord>> {
    let mut teams = select.all(conn, "teams", decode)?;
    for record in &mut teams {
        record.team.members = MEMBERS.of(conn, record.team.id)?;
    }
    Ok(teams)
}

fn decode(cells: &Cells<'_>) -> Result<TeamRecord> {
    Ok(TeamRecord {
        team: Team {
            id: cells.id(0)?,
            external_id: cells.text_or_none(3)?.map(ExternalId::from_stored),
            closed: cells.flag(1)?,
            members: Members::default(),
        },
        name: Name::from_stored(cells.text(2)?),
        created_at: cells.timestamp(4)?,
        revision: cells.count(5)?,
    })
}
