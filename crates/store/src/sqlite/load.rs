//! Everything that verification reads, streamed out of one snapshot. Children are read beside their parents,
//! both in the same order, so nothing is looked up and nothing but one record is held.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use claviger_core::change::Sequence;
use claviger_core::id::{AccountId, Id, Tag};
use claviger_core::key::{Digest, KeyEntry};
use claviger_core::name::ExternalId;
use claviger_core::principal::{Account, Members, Project, Role, Team};
use rusqlite::{Connection, Rows, params};

use super::row::Cells;
use super::{Result, changes, keys, projects, resources, schema};
use crate::commit::LoadVisitor;
use crate::error::StoreError;

const ACCOUNTS: &str = "SELECT id, closed, external_id FROM accounts ORDER BY id";
const TEAMS: &str = "SELECT id, closed, external_id FROM teams ORDER BY id";
const TEAM_MEMBERS: &str = "SELECT team, account, role FROM team_members ORDER BY team, account";
const PROJECTS: &str = "SELECT id, closed, owner_account, owner_team, external_id FROM projects ORDER BY id";
const PROJECT_MEMBERS: &str = "SELECT project, account, role FROM project_members ORDER BY project, account";
const REFERENCES: &str =
    "SELECT reference, version, secrets, databases FROM resource_references ORDER BY reference, version";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[ACCOUNTS, TEAMS, TEAM_MEMBERS, PROJECTS, PROJECT_MEMBERS, REFERENCES];

/// Keys from which reading them in two threads pays.
const SHARED_FROM: u64 = 20_000;
/// Threads that decode keys.
const THREADS: usize = 2;
/// Parts of the keys, by their digests: at a million keys, 4,000 to a part.
const PARTS: usize = 256;
/// Parts that a thread is ahead of their use at most.
const PARTS_AHEAD: usize = 2;

/// Shows the visitor everything. The connection is inside a transaction, so all of it is of one instant.
pub(crate) fn everything<V: LoadVisitor>(
    conn: &Connection,
    path: &Path,
    mut visitor: V,
) -> Result<(V, Sequence)> {
    let sequence = changes::sequence(conn)?;
    accounts(conn, &mut visitor)?;
    teams(conn, &mut visitor)?;
    projects(conn, &mut visitor)?;
    resources(conn, &mut visitor)?;
    keys(conn, path, sequence, &mut visitor)?;
    Ok((visitor, sequence))
}

fn accounts(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    let mut statement = conn.prepare(ACCOUNTS)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "accounts", row };
        visitor.account(Account {
            id: cells.id(0)?,
            external_id: external_id(&cells, 2)?,
            closed: cells.flag(1)?,
        });
    }
    Ok(())
}

fn external_id(cells: &Cells<'_>, at: usize) -> Result<Option<ExternalId>> {
    Ok(cells.text_or_none(at)?.map(ExternalId::from_stored))
}

fn teams(conn: &Connection, visitor: &mut impl LoadVisitor) -> Result<()> {
    let mut members = conn.prepare(TEAM_MEMBERS)?;
    let mut members = Children::new("team_members", members.query(params![])?, member)?;
    let mut statement = conn.prepare(TEAMS)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "teams", row };
        let id = cells.id(0)?;
        visitor.team(Team {
            id,
            external_id: external_id(&cells, 2)?,
            closed: cells.flag(1)?,
            members: Members::new(members.of(&id)?),
        });
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
            external_id: external_id(&cells, 4)?,
            closed: cells.flag(1)?,
            owner: projects::decode_owner(&cells, 2)?,
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

fn keys(conn: &Connection, path: &Path, at: Sequence, visitor: &mut impl LoadVisitor) -> Result<()> {
    let count = conn.query_row(keys::COUNT, params![], |row| row.get(0))?;
    visitor.key_count(count);
    if count >= SHARED_FROM && keys_shared(path, at, visitor)? {
        return Ok(());
    }
    let mut scopes = keys::Interner::default();
    let mut statement = conn.prepare(keys::LOAD)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let (digest, entry) = keys::decode_entry(&Cells { table: "keys", row }, &mut scopes)?;
        visitor.key(digest, entry);
    }
    Ok(())
}

/// Reads the keys in several threads, each on a connection of its own. Returns `false`, with nothing shown, if one of
/// them sees another instant: somebody is writing.
fn keys_shared(path: &Path, at: Sequence, visitor: &mut impl LoadVisitor) -> Result<bool> {
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(THREADS);
        for first in 0..THREADS {
            let (parts, arrived) = sync_channel(PARTS_AHEAD);
            let (started, ready) = sync_channel(1);
            scope.spawn(move || read_parts(path, first, &started, &parts));
            threads.push((ready, arrived));
        }
        for (ready, _) in &threads {
            // Threads that wait with a part end when their channel is dropped.
            if ready.recv().map_err(|_| super::stopped())?? != at {
                return Ok(false);
            }
        }
        for part in 0..PARTS {
            let keys = threads[part % THREADS].1.recv().map_err(|_| super::stopped())??;
            keys.into_iter().for_each(|(digest, entry)| visitor.key(digest, entry));
        }
        Ok(true)
    })
}

type Keys = Vec<(Digest, KeyEntry)>;

/// Reads every so-manieth part, from this one on, and hands them over in order.
fn read_parts(
    path: &Path,
    first: usize,
    started: &SyncSender<Result<Sequence>>,
    parts: &SyncSender<Result<Keys>>,
) {
    let opened = schema::open_reader(path).and_then(|conn| {
        conn.execute_batch("BEGIN")?;
        Ok((changes::sequence(&conn)?, conn))
    });
    let conn = match opened {
        Ok((at, conn)) => {
            let _gone = started.send(Ok(at));
            conn
        }
        Err(error) => return drop(started.send(Err(error))),
    };
    let mut scopes = keys::Interner::default();
    for part in (first..PARTS).step_by(THREADS) {
        // Nobody waits for it any more.
        if parts.send(read_part(&conn, part, &mut scopes)).is_err() {
            return;
        }
    }
}

fn read_part(conn: &Connection, part: usize, scopes: &mut keys::Interner) -> Result<Keys> {
    // What begins with one byte: from that byte alone to that byte with more than can follow it.
    let from = [part as u8];
    let mut to = [u8::MAX; 1 + size_of::<Digest>()];
    to[0] = part as u8;
    let mut statement = conn.prepare_cached(keys::LOAD_PART)?;
    let mut rows = statement.query(params![from, to])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(keys::decode_entry(&Cells { table: "keys", row }, scopes)?);
    }
    Ok(found)
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

    /// A row that no parent took would be subject lost in silence.
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
