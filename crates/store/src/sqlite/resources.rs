//! Resources and what their versions reference.

use std::collections::BTreeMap;

use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::permit::RecordRef;
use claviger_core::resource::{Owner, References, Resource, ResourceRecord, ResourceRef, Visibility};
use claviger_core::revocation;
use claviger_core::selector::Version;
use rusqlite::{Connection, params};

use super::error::Place;
use super::list::Select;
use super::row::{Cells, bytes};
use super::{Result, Write, accounts, keys, projects, teams};
use crate::error::StoreError;
use crate::query::{OwnedSince, Page, ResourceFilter};

/// What decisions see of a resource; the rest of its record follows.
macro_rules! resource_columns {
    () => {
        "reference, owner_account, owner_team, owner_project, creator, visibility, public_from, before_shared, latest"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO resources (",
    resource_columns!(),
    ", created_at, updated_at, revision, owned_since, owned_after_row)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?11, (SELECT coalesce(max(row), 0) FROM history))"
);
const UPDATE: &str = "UPDATE resources
    SET owner_account = ?2, owner_team = ?3, owner_project = ?4, creator = ?5, visibility = ?6, public_from = ?7,
        before_shared = ?8, latest = ?9, updated_at = ?11, revision = ?12,
        owned_since = CASE WHEN owner_account IS ?2 AND owner_team IS ?3 AND owner_project IS ?4
            THEN owned_since ELSE ?11 END,
        owned_after_row = CASE WHEN owner_account IS ?2 AND owner_team IS ?3 AND owner_project IS ?4
            THEN owned_after_row ELSE (SELECT coalesce(max(row), 0) FROM history) END
    WHERE reference = ?1 AND created_at = ?10 AND revision = ?12 - 1";
const DELETE: &str = "DELETE FROM resources WHERE reference = ?1 AND (?2 IS NULL OR revision = ?2)";
const REVISION: &str = "SELECT revision FROM resources WHERE reference = ?1";
const OWNED: &str = "SELECT reference, owned_after_row, owned_since FROM resources WHERE reference = ?1";
const SELECT: &str =
    concat!("SELECT ", resource_columns!(), ", created_at, updated_at, revision FROM resources WHERE true");
/// All of a type: see [`names_of`].
pub(super) const SELECT_TYPE: &str = concat!(
    "SELECT ",
    resource_columns!(),
    ", created_at, updated_at, revision FROM resources WHERE reference >= ?1 AND reference < ?2 ORDER BY reference"
);
pub(super) const LOAD: &str = concat!("SELECT ", resource_columns!(), " FROM resources ORDER BY reference");
const REFERENCES: &str = "SELECT reference, version, secrets, databases FROM resource_references WHERE reference = ?1 ORDER BY version";
const PUT_REFERENCES: &str = "INSERT INTO resource_references (reference, version, secrets, databases)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (reference, version) DO UPDATE SET secrets = excluded.secrets, databases = excluded.databases";
const REMOVE_REFERENCES: &str = "DELETE FROM resource_references WHERE reference = ?1 AND version = ?2";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[INSERT, UPDATE, DELETE, REVISION, OWNED, LOAD, REFERENCES, PUT_REFERENCES, REMOVE_REFERENCES];

/// Adds a resource, or replaces its record at a revision.
pub(crate) fn put(write: &mut Write<'_>, next: ResourceRecord, expected: Option<u64>) -> Result<()> {
    require(write.conn, &next.resource)?;
    let reference = &next.resource.reference;
    let key = reference.as_str();
    let place = Place { table: "resources", revision: REVISION, key, name: reference };
    let Some(expected) = expected else {
        execute(write.conn, INSERT, &next)?;
        replace_references(write.conn, key, &[], &next.resource.references)?;
        write.touch_new(ChangeItem::Resource(next.resource));
        return Ok(());
    };
    place.check_follows(write.conn, next.revision, expected)?;
    let before = by_reference(write.conn, key)?.map(|record| record.resource);
    let changed = execute(write.conn, UPDATE, &next)?;
    place.check_one(write.conn, changed, Some(expected))?;
    let stored = before.as_ref().map(|before| &*before.references).unwrap_or_default();
    replace_references(write.conn, key, stored, &next.resource.references)?;
    let took = before.is_none_or(|before| revocation::by_resource(&before, &next.resource));
    let took = took.then(|| RecordRef::Resource(next.resource.reference.clone()));
    write.touch(ChangeItem::Resource(next.resource), took);
    Ok(())
}

/// Deletes a resource with its keys and returns how many keys it had.
pub(crate) fn delete(write: &mut Write<'_>, reference: &ResourceRef, expected: Option<u64>) -> Result<u64> {
    let deleted = write.conn.prepare_cached(DELETE)?.execute(params![reference.as_str(), expected])?;
    let place = Place { table: "resources", revision: REVISION, key: reference.as_str(), name: reference };
    place.check_one(write.conn, deleted, expected)?;
    let took = RecordRef::Resource(reference.clone());
    write.touch(ChangeItem::ResourceGone(reference.clone()), Some(took));
    keys::delete_of(write, reference.as_str())
}

fn execute(conn: &Connection, sql: &str, record: &ResourceRecord) -> Result<usize> {
    let resource = &record.resource;
    let (account, team, project) = owner_columns(resource.owner);
    let (public_from, before_shared) = match resource.visibility {
        Visibility::PublicFrom { first, before_shared } => (Some(first.get()), Some(before_shared)),
        Visibility::Private | Visibility::Shared | Visibility::Public => (None, None),
    };
    Ok(conn.prepare_cached(sql)?.execute(params![
        resource.reference.as_str(),
        account.map(bytes),
        team.map(bytes),
        project.map(bytes),
        resource.creator.map(bytes),
        resource.visibility.as_str(),
        public_from,
        before_shared,
        resource.latest.get(),
        record.created_at.millis(),
        record.updated_at.millis(),
        record.revision,
    ])?)
}

fn owner_columns(owner: Owner) -> (Option<AccountId>, Option<TeamId>, Option<ProjectId>) {
    match owner {
        Owner::Account(id) => (Some(id), None, None),
        Owner::Team(id) => (None, Some(id), None),
        Owner::Project(id) => (None, None, Some(id)),
    }
}

/// Refuses a resource whose owner or creator does not exist.
fn require(conn: &Connection, resource: &Resource) -> Result<()> {
    match resource.owner {
        Owner::Account(id) => accounts::require(conn, id)?,
        Owner::Team(id) => teams::require(conn, id)?,
        Owner::Project(id) => projects::require(conn, id)?,
    }
    resource.creator.map_or(Ok(()), |id| accounts::require(conn, id))
}

/// Refuses a name under which there is no resource.
pub(super) fn require_reference(conn: &Connection, reference: &ResourceRef) -> Result<()> {
    let exists = conn.prepare_cached(REVISION)?.exists(params![reference.as_str()])?;
    if exists { Ok(()) } else { Err(StoreError::Missing(reference.to_string())) }
}

/// Writes what differs between the references that are stored and these: a host that mirrors a new version
/// of a resource sends all the earlier ones again.
fn replace_references(
    conn: &Connection,
    reference: &str,
    stored: &[References],
    next: &[References],
) -> Result<()> {
    let mut before = stored.iter().map(|row| (row.version, row)).collect::<BTreeMap<_, _>>();
    let mut put = conn.prepare_cached(PUT_REFERENCES)?;
    for row in next {
        if before.remove(&row.version) != Some(row) {
            put.execute(params![
                reference,
                row.version.get(),
                encode_names(&row.secrets)?,
                encode_names(&row.databases)?
            ])?;
        }
    }
    let mut remove = conn.prepare_cached(REMOVE_REFERENCES)?;
    for version in before.into_keys() {
        remove.execute(params![reference, version.get()])?;
    }
    Ok(())
}

fn encode_names(names: &[Box<str>]) -> Result<String> {
    serde_json::to_string(names).map_err(StoreError::unavailable)
}

fn references_of(conn: &Connection, reference: &str) -> Result<Vec<References>> {
    let mut statement = conn.prepare_cached(REFERENCES)?;
    let mut rows = statement.query(params![reference])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(decode_references(&Cells { table: "resource_references", row })?);
    }
    Ok(all)
}

/// A resource.
pub(crate) fn by_reference(conn: &Connection, reference: &str) -> Result<Option<ResourceRecord>> {
    let select = Select::new(SELECT).and("reference = ?", Some(reference.to_owned())).page("reference", 1);
    Ok(with_references(conn, select)?.pop())
}

/// Since when a resource is owned by its present owner.
pub(crate) fn owned_since(conn: &Connection, reference: &str) -> Result<Option<OwnedSince>> {
    let mut statement = conn.prepare_cached(OWNED)?;
    let mut rows = statement.query(params![reference])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let cells = Cells { table: "resources", row };
    Ok(Some(OwnedSince { after_row: cells.count(1)?, at: cells.timestamp(2)? }))
}

/// A page, by name.
pub(crate) fn list(
    conn: &Connection,
    filter: &ResourceFilter,
    page: &Page<ResourceRef>,
) -> Result<Vec<ResourceRecord>> {
    with_references(conn, select(filter, page.after.as_ref()).page("reference", page.rows()))
}

pub(super) fn select(filter: &ResourceFilter, after: Option<&ResourceRef>) -> Select {
    let (account, team, project) = filter.owner.map(owner_columns).unwrap_or_default();
    let (first, end) = filter.kind.as_deref().map(names_of).unzip();
    Select::new(SELECT)
        .and("owner_account = ?", account.map(|id| bytes(id).to_vec()))
        .and("owner_team = ?", team.map(|id| bytes(id).to_vec()))
        .and("owner_project = ?", project.map(|id| bytes(id).to_vec()))
        .and("reference >= ?", first)
        .and("reference < ?", end)
        .and("reference > ?", after.map(|reference| reference.as_str().to_owned()))
}

/// Where the names of a type begin, and where they have ended: `type;` has the character after the colon.
pub(super) fn names_of(kind: &str) -> (String, String) {
    (format!("{kind}:"), format!("{kind};"))
}

fn with_references(conn: &Connection, select: Select) -> Result<Vec<ResourceRecord>> {
    let mut records = select.all(conn, "resources", decode)?;
    for record in &mut records {
        record.resource.references = references_of(conn, record.resource.reference.as_str())?.into();
    }
    Ok(records)
}

/// A record, as yet without references.
pub(super) fn decode(cells: &Cells<'_>) -> Result<ResourceRecord> {
    Ok(ResourceRecord {
        resource: decode_resource(cells)?,
        created_at: cells.timestamp(9)?,
        updated_at: cells.timestamp(10)?,
        revision: cells.count(11)?,
    })
}

/// A resource, as yet without references.
pub(super) fn decode_resource(cells: &Cells<'_>) -> Result<Resource> {
    let owner = match (cells.id_or_none(1)?, cells.id_or_none(2)?, cells.id_or_none(3)?) {
        (Some(id), None, None) => Owner::Account(id),
        (None, Some(id), None) => Owner::Team(id),
        (None, None, Some(id)) => Owner::Project(id),
        _ => return Err(cells.wrong(1, "has to have exactly one owner")),
    };
    Ok(Resource {
        reference: cells.parsed(0, ResourceRef::parse)?,
        owner,
        creator: cells.id_or_none(4)?,
        visibility: decode_visibility(cells)?,
        latest: cells.version(8)?,
        references: Box::default(),
    })
}

fn decode_visibility(cells: &Cells<'_>) -> Result<Visibility> {
    let since = cells.number_or_none(6)?;
    match (cells.text(5)?, since) {
        ("private", None) => Ok(Visibility::Private),
        ("shared", None) => Ok(Visibility::Shared),
        ("public", None) => Ok(Visibility::Public),
        ("public", Some(_)) => {
            Ok(Visibility::PublicFrom { first: cells.version(6)?, before_shared: cells.flag(7)? })
        }
        _ => Err(cells.wrong(5, "is not a visibility that is known here")),
    }
}

/// What one version references; the version stands in the second column.
pub(super) fn decode_references(cells: &Cells<'_>) -> Result<References> {
    let version: Version = cells.version(1)?;
    Ok(References {
        version,
        secrets: cells.parsed(2, serde_json::from_str)?,
        databases: cells.parsed(3, serde_json::from_str)?,
    })
}
