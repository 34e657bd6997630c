//! Everything that verification reads, streamed out of one snapshot. Children are read beside their parents,
//! both in the same order, so nothing is looked up and nothing but one record is held.

use claviger_core::change::Sequence;
use claviger_core::id::{AccountId, Id, Tag};
use claviger_core::subject::{Account, Members, Project, Role, Team};
use rusqlite::{Connection, Rows, params};

use super::row::Cells;
use super::{Result, changes, keys, projects, resources};
use crate::commit::LoadVisitor;
use crate::error::StoreError;

const ACCOUNTS: &str = "SELECT id, closed FROM accounts ORDER BY id";
const TEAMS: &str = "SELECT id, closed FROM teams ORDER BY id";
const TEAM_MEMBERS: &str = "SELECT team, account, role FROM team_members ORDER BY team, account";
const PROJECTS: &str = "SELECT id, closed, holder_account, holder_team FROM projects ORDER BY id";
const PROJECT_MEMBERS: &str = "SELECT project, account, role FROM project_members ORDER BY project, account";
const REFERENCES: &str =
    "SELECT reference, version, secrets, databases FROM resource_references ORDER BY reference, version";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[ACCOUNTS, TEAMS, TEAM_MEMBERS, PROJECTS, PROJECT_MEMBERS, REFERENCES];

/// Shows the visitor everything. The connection is inside a transaction, so all of it is of one instant.
pub(crate) fn everything<V: LoadVisitor>(conn: &Connection, mut visitor: V) -> Result<(V, Sequence)> {
    let sequence = changes::sequence(conn)?;
    accounts(conn, &mut visitor)?;
    teams(conn, &mut visitor)?;
    projects(conn, &mut visitor)?;
    resources(conn, &mut visitor)?;
    keys(conn, &mut visitor)?;
    Ok((visitor, sequence))
}

fn accounts(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    let mut statement = conn.prepare(ACCOUNTS)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "accounts", row };
        visitor.account(Account { id: cells.id(0)?, closed: cells.flag(1)? });
    }
    Ok(())
}

fn teams(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    let mut members = conn.prepare(TEAM_MEMBERS)?;
    let mut members = Children::new("team_members", members.query(params![])?, member)?;
    let mut statement = conn.prepare(TEAMS)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "teams", row };
        let id = cells.id(0)?;
        visitor.team(Team { id, closed: cells.flag(1)?, members: Members::new(members.of(&id)?) });
    }
    members.check_end()
}

fn projects(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    let mut members = conn.prepare(PROJECT_MEMBERS)?;
    let mut members = Children::new("project_members", members.query(params![])?, member)?;
    let mut statement = conn.prepare(PROJECTS)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "projects", row };
        let id = cells.id(0)?;
        visitor.project(Project {
            id,
            closed: cells.flag(1)?,
            holder: projects::decode_holder(&cells, 2)?,
            members: Members::new(members.of(&id)?),
        });
    }
    members.check_end()
}

fn resources(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    let mut references = conn.prepare(REFERENCES)?;
    let read = |cells: &Cells<'_>| Ok((cells.text(0)?.to_owned(), resources::decode_references(cells)?));
    let mut references = Children::new("resource_references", references.query(params![])?, read)?;
    let mut statement = conn.prepare(resources::LOAD)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "resources", row };
        let mut resource = resources::decode_resource(&cells)?;
        resource.references = references.of(resource.reference.as_str())?.into();
        visitor.resource(resource);
    }
    references.check_end()
}

fn keys(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    visitor.key_count(conn.query_row(keys::COUNT, params![], |row| row.get(0))?);
    let mut scopes = keys::Interner::default();
    let mut statement = conn.prepare(keys::LOAD)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let (digest, entry) = keys::decode_entry(&Cells { table: "keys", row }, &mut scopes)?;
        visitor.key(digest, entry);
    }
    Ok(())
}

/// A container and one of its members.
fn member<T: Tag, R: Role>(cells: &Cells<'_>) -> Result<(Id<T>, (AccountId, R))> {
    Ok((cells.id(0)?, (cells.id(1)?, cells.word(2, R::from_word)?)))
}

/// Rows that belong to parents, in the order of the parents.
pub(super) struct Children<'s, K, C, F> {
    table: &'static str,
    rows: Rows<'s>,
    read: F,
    /// The row read last, which belongs to a later parent.
    next: Option<(K, C)>,
}

impl<'s, K, C, F: Fn(&Cells<'_>) -> Result<(K, C)>> Children<'s, K, C, F> {
    pub(super) fn new(table: &'static str, rows: Rows<'s>, read: F) -> Result<Self> {
        let mut children = Self { table, rows, read, next: None };
        children.next = children.advance()?;
        Ok(children)
    }

    fn advance(&mut self) -> Result<Option<(K, C)>> {
        match self.rows.next()? {
            Some(row) => (self.read)(&Cells { table: self.table, row }).map(Some),
            None => Ok(None),
        }
    }

    /// The rows of this parent, which has to be the next one.
    pub(super) fn of<Q: Eq + ?Sized>(&mut self, parent: &Q) -> Result<Vec<C>>
    where
        K: std::borrow::Borrow<Q>,
    {
        let mut children = Vec::new();
        while let Some((_, child)) = self.next.take_if(|(key, _)| (*key).borrow() == parent) {
            children.push(child);
            self.next = self.advance()?;
        }
        Ok(children)
    }

    /// A row that no parent took would be authority lost in silence.
    pub(super) fn check_end(&self) -> Result<()> {
        match self.next {
            None => Ok(()),
            Some(_) => Err(StoreError::Inconsistent {
                table: self.table,
                row: "?".to_owned(),
                detail: "a row belongs to nothing".to_owned(),
            }),
        }
    }
}
