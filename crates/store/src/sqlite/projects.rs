//! Projects, who holds them and who works in them.

use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::name::{ExternalId, Name};
use claviger_core::permit::RecordRef;
use claviger_core::principal::{Members, Project, ProjectOwner, ProjectRecord};
use claviger_core::revocation;
use rusqlite::{Connection, params};

use super::error::Place;
use super::list::Select;
use super::members::MemberTable;
use super::row::{Cells, bytes};
use super::{Result, Write, accounts, teams};
use crate::error::{Limited, StoreError};
use crate::query::{Page, ProjectFilter};

const INSERT: &str = "INSERT INTO projects
    (id, closed, owner_account, owner_team, name, external_id, created_at, revision)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
/// They stop counting at the limit.
pub(super) const COUNT_OF_ACCOUNT: &str =
    "SELECT count(*) FROM (SELECT 1 FROM projects WHERE owner_account = ?1 LIMIT ?2)";
pub(super) const COUNT_OF_TEAM: &str =
    "SELECT count(*) FROM (SELECT 1 FROM projects WHERE owner_team = ?1 LIMIT ?2)";
const UPDATE: &str = "UPDATE projects
    SET closed = ?2, owner_account = ?3, owner_team = ?4, name = ?5, external_id = ?6, revision = ?8
    WHERE id = ?1 AND created_at = ?7 AND revision = ?8 - 1";
const REVISION: &str = "SELECT revision FROM projects WHERE id = ?1";
const SELECT: &str = "SELECT id, closed, owner_account, owner_team, name, external_id, created_at, revision
    FROM projects WHERE true";
const MEMBERS: MemberTable = MemberTable {
    table: "project_members",
    select: "SELECT account, role FROM project_members WHERE project = ?1",
    put: "INSERT INTO project_members (project, account, role) VALUES (?1, ?2, ?3)
        ON CONFLICT (project, account) DO UPDATE SET role = excluded.role",
    remove: "DELETE FROM project_members WHERE project = ?1 AND account = ?2",
};
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[INSERT, COUNT_OF_ACCOUNT, COUNT_OF_TEAM, UPDATE, REVISION, MEMBERS.select, MEMBERS.put, MEMBERS.remove];

/// Adds a project with its members. It counts towards the limit of its owner.
pub(crate) fn create(write: &mut Write<'_>, record: ProjectRecord, limit: u32) -> Result<()> {
    require_owner(write.conn, record.project.owner)?;
    let (count, owner) = match record.project.owner {
        ProjectOwner::Account(id) => (COUNT_OF_ACCOUNT, bytes(id)),
        ProjectOwner::Team(id) => (COUNT_OF_TEAM, bytes(id)),
    };
    let projects: u32 =
        write.conn.prepare_cached(count)?.query_row(params![owner, limit], |row| row.get(0))?;
    if projects >= limit {
        return Err(StoreError::Limit { what: Limited::Projects, limit });
    }
    execute(write.conn, INSERT, &record)?;
    MEMBERS.replace(write.conn, record.project.id, &record.project.members)?;
    write.touch_new(ChangeItem::Project(record.project));
    Ok(())
}

/// Replaces a project's record, owner and members included.
pub(crate) fn update(write: &mut Write<'_>, next: ProjectRecord, expected: u64) -> Result<()> {
    let id = next.project.id;
    let place = Place { table: "projects", revision: REVISION, key: bytes(id), name: &id };
    place.check_follows(write.conn, next.revision, expected)?;
    require_owner(write.conn, next.project.owner)?;
    let before = by_id(write.conn, id)?;
    let changed = execute(write.conn, UPDATE, &next)?;
    place.check_one(write.conn, changed, Some(expected))?;
    MEMBERS.replace(write.conn, id, &next.project.members)?;
    let took = before.is_none_or(|before| revocation::by_project(&before.project, &next.project));
    write.touch(ChangeItem::Project(next.project), took.then_some(RecordRef::Project(id)));
    Ok(())
}

fn execute(conn: &Connection, sql: &str, record: &ProjectRecord) -> Result<usize> {
    let (account, team) = owner_columns(record.project.owner);
    Ok(conn.prepare_cached(sql)?.execute(params![
        bytes(record.project.id),
        record.project.closed,
        account.map(bytes),
        team.map(bytes),
        record.name.as_str(),
        record.project.external_id.as_ref().map(ExternalId::as_str),
        record.created_at.millis(),
        record.revision,
    ])?)
}

fn owner_columns(owner: ProjectOwner) -> (Option<AccountId>, Option<TeamId>) {
    match owner {
        ProjectOwner::Account(id) => (Some(id), None),
        ProjectOwner::Team(id) => (None, Some(id)),
    }
}

fn require_owner(conn: &Connection, owner: ProjectOwner) -> Result<()> {
    match owner {
        ProjectOwner::Account(id) => accounts::require(conn, id),
        ProjectOwner::Team(id) => teams::require(conn, id),
    }
}

/// Refuses a project that does not exist.
pub(super) fn require(conn: &Connection, id: ProjectId) -> Result<()> {
    let exists = conn.prepare_cached(REVISION)?.exists(params![bytes(id)])?;
    if exists { Ok(()) } else { Err(StoreError::Missing(format!("project:{id}"))) }
}

/// A project.
pub(crate) fn by_id(conn: &Connection, id: ProjectId) -> Result<Option<ProjectRecord>> {
    let select = Select::new(SELECT).and("id = ?", Some(bytes(id).to_vec())).page("id", 1);
    Ok(with_members(conn, select)?.pop())
}

/// A page, the newest first.
pub(crate) fn list(
    conn: &Connection,
    filter: &ProjectFilter,
    page: Page<ProjectId>,
) -> Result<Vec<ProjectRecord>> {
    with_members(conn, select(filter, page.after).page("id DESC", page.rows()))
}

pub(super) fn select(filter: &ProjectFilter, after: Option<ProjectId>) -> Select {
    let (account, team) = filter.owner.map(owner_columns).unwrap_or_default();
    let member = filter.member.map(|id| bytes(id).to_vec());
    Select::new(SELECT)
        .and("(owner_account = ? OR id IN (SELECT project FROM project_members WHERE account = ?))", member)
        .and("owner_account = ?", account.map(|id| bytes(id).to_vec()))
        .and("owner_team = ?", team.map(|id| bytes(id).to_vec()))
        .and("external_id = ?", filter.external_id.as_ref().map(|id| id.as_str().to_owned()))
        .and("id < ?", after.map(|id| bytes(id).to_vec()))
}

fn with_members(conn: &Connection, select: Select) -> Result<Vec<ProjectRecord>> {
    let mut projects = select.all(conn, "projects", decode)?;
    for record in &mut projects {
        record.project.members = MEMBERS.of(conn, record.project.id)?;
    }
    Ok(projects)
}

/// The owner in two columns that follow each other.
pub(super) fn decode_owner(cells: &Cells<'_>, at: usize) -> Result<ProjectOwner> {
    match (cells.id_or_none(at)?, cells.id_or_none(at + 1)?) {
        (Some(id), None) => Ok(ProjectOwner::Account(id)),
        (None, Some(id)) => Ok(ProjectOwner::Team(id)),
        _ => Err(cells.wrong(at, "has to have exactly one owner")),
    }
}

fn decode(cells: &Cells<'_>) -> Result<ProjectRecord> {
    Ok(ProjectRecord {
        project: Project {
            external_id: cells.text_or_none(5)?.map(ExternalId::from_stored),
            id: cells.id(0)?,
            closed: cells.flag(1)?,
            owner: decode_owner(cells, 2)?,
            members: Members::default(),
        },
        name: Name::from_stored(cells.text(4)?),
        created_at: cells.timestamp(6)?,
        revision: cells.count(7)?,
    })
}
