//! Keys.

mod decode;

use std::collections::HashMap;

use claviger_core::change::ChangeItem;
use claviger_core::id::KeyId;
use claviger_core::key::{Digest, KeyRecord};
use claviger_core::lifecycle::Status;
use claviger_core::permit::RecordRef;
use claviger_core::revocation;
use claviger_core::subject::Subject;
use claviger_core::time::{Timestamp, UnixSeconds};
use rusqlite::{Connection, ToSql, params};

pub(super) use self::decode::{
    Interner, decode_digest, decode_entry, decode_restrictions, decode_stored, encode_restrictions,
};
use super::error::Place;
use super::list::Select;
use super::rooms::Rooms;
use super::row::{Cells, bytes};
use super::{Result, Write, accounts, deleted, imports, projects, resources, settings, teams, usage};
use crate::error::StoreError;
use crate::query::{LastUsed, Overlap, Staged, StoredKey, Taken};

/// What verification holds of a key, and its digest.
macro_rules! entry_columns {
    () => {
        "id, kind, subject, selector, grants, scopes, status, expires_at, restrictions, digest_head, digest_tail"
    };
}

/// The same as it is read: a retired key says so.
macro_rules! entry_values {
    () => {
        "id, kind, subject, selector, grants, scopes, iif(retired_at IS NULL, status, 'retired'), expires_at, restrictions, digest_head, digest_tail"
    };
}

/// The rest of a key's record.
macro_rules! record_columns {
    () => {
        "preview, name, format, created_at, created_by, created_via, replaces, metadata, revision"
    };
}

/// Rows of an open import are seen by nobody.
macro_rules! visible {
    () => {
        "import NOT IN (SELECT number FROM open_imports)"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO keys (",
    entry_columns!(),
    ", ",
    record_columns!(),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
);
/// Its text, what it stands for and where it came from never change: they are conditions here.
const UPDATE: &str = "UPDATE keys
    SET selector = ?4, grants = ?5, scopes = ?6, status = ?7, expires_at = ?8, restrictions = ?9, preview = ?12,
        name = ?13, format = ?14, metadata = ?19, revision = ?20
    WHERE id = ?1 AND kind = ?2 AND subject = ?3 AND digest_head = ?10 AND digest_tail = ?11 AND created_at = ?15
        AND created_by = ?16 AND created_via = ?17 AND replaces IS ?18 AND revision = ?20 - 1";
const DELETE: &str = "DELETE FROM keys WHERE id = ?1 AND (?2 IS NULL OR revision = ?2) RETURNING id, digest_head, digest_tail, import";
const DELETE_OF: &str = "DELETE FROM keys WHERE subject = ?1 RETURNING id, digest_head, digest_tail, import";
pub(super) const PURGE: &str = "DELETE FROM keys WHERE digest_head IN
    (SELECT digest_head FROM keys WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)
    RETURNING id, digest_head, digest_tail, import";
const PURGE_RETIRED: &str = "DELETE FROM keys WHERE digest_head IN
    (SELECT digest_head FROM keys WHERE retired_at < ?1 ORDER BY retired_at LIMIT ?2)
    RETURNING id, digest_head, digest_tail, import";
/// Once, and for good.
const RETIRE: &str = "UPDATE keys SET retired_at = ?2 WHERE id = ?1 AND retired_at IS NULL";
/// The key that took over from this one, perhaps over several rotations, and may still be used or enabled.
const SUCCESSOR: &str = "WITH RECURSIVE chain (id) AS (
        SELECT id FROM keys WHERE replaces = ?1
        UNION SELECT keys.id FROM chain JOIN keys ON keys.replaces = chain.id)
    SELECT keys.id FROM chain JOIN keys ON keys.id = chain.id
    WHERE retired_at IS NULL AND (expires_at IS NULL OR expires_at > ?2) LIMIT 1";
/// Keys that go on beside the one that replaces them, the oldest successor first.
const OVERLAPPING: &str = "SELECT old.id, new.id, old.expires_at
    FROM keys AS new JOIN keys AS old ON old.id = new.replaces
    WHERE new.replaces IS NOT NULL AND old.retired_at IS NULL AND old.expires_at > ?1 ORDER BY new.created_at, new.id";
/// Whether a digest is taken.
const TAKEN: &str = "SELECT 1 FROM keys WHERE digest_head = ?1";
const REVISION: &str = "SELECT revision FROM keys WHERE id = ?1";
/// All of a subject that are stored, rows of open imports included. Stops counting at the limit.
pub(super) const LISTED: &str = "SELECT count(*) FROM (SELECT 1 FROM keys WHERE subject = ?1 LIMIT ?2)";
pub(super) const SELECT_STORED: &str = concat!(
    "SELECT ",
    entry_values!(),
    ", ",
    record_columns!(),
    ", at, address FROM keys LEFT JOIN key_last_used ON key = id WHERE ",
    visible!()
);
pub(super) const LOAD: &str =
    concat!("SELECT ", entry_values!(), " FROM keys WHERE ", visible!(), " ORDER BY digest_head");
/// Those whose digests lie between two.
pub(super) const LOAD_PART: &str = concat!(
    "SELECT ",
    entry_values!(),
    " FROM keys WHERE digest_head BETWEEN ?1 AND ?2 AND ",
    visible!(),
    " ORDER BY digest_head"
);
pub(super) const COUNT: &str = concat!("SELECT count(*) FROM keys WHERE ", visible!());
/// The keys of one import, open or not. The list makes SQLite look them up in the order of the table, page by page.
pub(super) const OF_IMPORT: &str = concat!(
    "SELECT ",
    entry_values!(),
    " FROM keys WHERE digest_head IN
    (SELECT digest_head FROM keys WHERE import = ?1 AND import > 0)"
);
/// A row of an open import; none is inserted if there is such a key.
const STAGE: &str = concat!(
    "INSERT INTO keys (",
    entry_columns!(),
    ", ",
    record_columns!(),
    ", import) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)
    ON CONFLICT (digest_head) DO NOTHING"
);
/// Only a later use counts, and only of a key that still exists.
const LAST_USED: &str = "INSERT INTO key_last_used (key, at, address)
    SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM keys WHERE id = ?1)
    ON CONFLICT (key) DO UPDATE SET at = excluded.at, address = excluded.address WHERE excluded.at > at";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    INSERT,
    TAKEN,
    UPDATE,
    DELETE,
    DELETE_OF,
    PURGE,
    PURGE_RETIRED,
    RETIRE,
    SUCCESSOR,
    OVERLAPPING,
    REVISION,
    LISTED,
    SELECT_STORED,
    LOAD,
    LOAD_PART,
    COUNT,
    OF_IMPORT,
    STAGE,
    LAST_USED,
];

/// The setting that says that an operator key was installed once, and which.
const OPERATOR_INSTALLED: &str = "operator_key_installed";

/// Adds a key.
pub(crate) fn create(write: &mut Write<'_>, key: KeyRecord, limit: u32) -> Result<()> {
    check_room(write.conn, write.rooms, &key, limit)?;
    insert(write, key)
}

/// Rows of an import on their way into the table. What is looked up for one is remembered for the others.
pub(super) struct Staging<'c> {
    conn: &'c Connection,
    import: u64,
    rooms: Rooms,
    exists: HashMap<Subject, bool>,
}

impl<'c> Staging<'c> {
    /// For one transaction.
    pub(super) fn new(conn: &'c Connection, import: u64) -> Self {
        Self { conn, import, rooms: Rooms::default(), exists: HashMap::new() }
    }

    /// Stages a row.
    pub(super) fn stage(&mut self, key: &KeyRecord, limit: Option<u32>) -> Result<Staged> {
        if !self.exists(&key.entry.rights.subject)? {
            return Ok(Staged::Missing);
        }
        if deleted::contains(self.conn, &key.digest)? {
            return Ok(Staged::Deleted);
        }
        if let Some(limit) = limit {
            match check_room(self.conn, &mut self.rooms, key, limit) {
                Err(StoreError::Limit { .. }) => return Ok(Staged::Limit),
                other => other?,
            }
        }
        let staged = execute(self.conn, STAGE, key, Some(self.import))? == 1;
        Ok(if staged { Staged::Staged } else { Staged::Duplicate })
    }

    fn exists(&mut self, subject: &Subject) -> Result<bool> {
        if let Some(known) = self.exists.get(subject) {
            return Ok(*known);
        }
        let exists = match require_subject(self.conn, subject) {
            Ok(()) => true,
            Err(StoreError::Missing(_)) => false,
            Err(other) => return Err(other),
        };
        self.exists.insert(subject.clone(), exists);
        Ok(exists)
    }
}

/// Which of these digests are taken, by keys or by rows of open imports, and which belonged to deleted keys.
pub(crate) fn taken(conn: &Connection, digests: &[Digest]) -> Result<Vec<Option<Taken>>> {
    let mut statement = conn.prepare_cached(TAKEN)?;
    let taken = |digest: &Digest| {
        if deleted::contains(conn, digest)? {
            return Ok(Some(Taken::Deleted));
        }
        Ok(statement.exists(params![&digest.as_bytes()[..16]])?.then_some(Taken::Key))
    };
    digests.iter().map(taken).collect()
}

/// Those of these keys that exist.
pub(crate) fn by_ids(conn: &Connection, ids: &[KeyId]) -> Result<Vec<StoredKey>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(by_id(conn, *id)?);
    }
    Ok(found)
}

/// Replaces what may change of a key.
pub(crate) fn update(write: &mut Write<'_>, next: KeyRecord, expected: u64) -> Result<()> {
    let at = next.created_at.seconds();
    replace(write, next, expected, at)
}

/// The same; a key that is retired by it is so from `now` on.
fn replace(write: &mut Write<'_>, next: KeyRecord, expected: u64, now: UnixSeconds) -> Result<()> {
    let place = place(&next.entry.id);
    place.check_follows(write.conn, next.revision, expected)?;
    let before = by_id(write.conn, next.entry.id)?;
    let changed = execute(write.conn, UPDATE, &next, None)?;
    place.check_one(write.conn, changed, Some(expected))?;
    if next.entry.status == Status::Retired {
        // After the earlier state was read: what is retired already would lose nothing by it.
        retire(write.conn, next.entry.id, now)?;
    }
    let took = before.is_none_or(|before| revocation::by_key(&before.record.entry, &next.entry));
    let took = took.then_some(RecordRef::Key(next.entry.id));
    write.touch(ChangeItem::Key(next.digest, next.entry), took);
    Ok(())
}

fn retire(conn: &Connection, id: KeyId, at: UnixSeconds) -> Result<()> {
    conn.prepare_cached(RETIRE)?.execute(params![bytes(id), at.get()])?;
    Ok(())
}

/// The key that took over from another one and lives.
fn successor(conn: &Connection, id: KeyId, now: UnixSeconds) -> Result<Option<KeyId>> {
    let mut statement = conn.prepare_cached(SUCCESSOR)?;
    let mut rows = statement.query(params![bytes(id), now.get()])?;
    rows.next()?.map(|row| Cells { table: "keys", row }.id(0)).transpose()
}

/// Keys that have not expired and those that replace them.
pub(crate) fn overlapping(conn: &Connection, now: UnixSeconds) -> Result<Vec<Overlap>> {
    let mut statement = conn.prepare_cached(OVERLAPPING)?;
    let mut rows = statement.query(params![now.get()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "keys", row };
        let until = UnixSeconds::new(cells.count(2)?).unwrap_or(UnixSeconds::MAX);
        found.push(Overlap { old: cells.id(0)?, new: cells.id(1)?, until });
    }
    Ok(found)
}

/// Refuses a key that another one took over from.
pub(crate) fn check_unreplaced(conn: &Connection, id: KeyId, now: UnixSeconds) -> Result<()> {
    match successor(conn, id, now)? {
        Some(successor) => Err(StoreError::Replaced { successor }),
        None => Ok(()),
    }
}

/// Replaces a key by another. One that lives in its place already is in the way: of any number of rotations at once,
/// one takes place.
pub(crate) fn rotate(
    write: &mut Write<'_>,
    old: KeyRecord,
    expected: u64,
    new: KeyRecord,
    limit: u32,
) -> Result<()> {
    let (old_id, now) = (old.entry.id, new.created_at.seconds());
    check_unreplaced(write.conn, old_id, now)?;
    replace(write, old, expected, now)?;
    check_room(write.conn, write.rooms, &new, limit)?;
    let (id, at, has_quota) = (new.entry.id, new.created_at, new.entry.rights.restrictions.quota.is_some());
    insert(write, new)?;
    if has_quota {
        usage::carry(write.conn, old_id, id, at)?;
    }
    Ok(())
}

/// Deletes a key.
pub(crate) fn delete(write: &mut Write<'_>, id: KeyId, expected: Option<u64>) -> Result<()> {
    let deleted = delete_where(write, DELETE, &[&bytes(id), &expected])?;
    place(&id).check_one(write.conn, deleted, expected)
}

/// Deletes those that exist.
pub(crate) fn delete_many(write: &mut Write<'_>, ids: &[KeyId]) -> Result<u64> {
    let mut deleted = 0;
    for id in ids {
        deleted += delete_where(write, DELETE, &[&bytes(*id), &None::<u64>])?;
    }
    Ok(deleted as u64)
}

/// Deletes all keys of a subject.
pub(crate) fn delete_of(write: &mut Write<'_>, subject: &str) -> Result<u64> {
    Ok(delete_where(write, DELETE_OF, &[&subject])? as u64)
}

/// Deletes keys that expired or were retired long ago.
pub(crate) fn purge(write: &mut Write<'_>, before: UnixSeconds, max: u32) -> Result<u64> {
    let mut purged = delete_where(write, PURGE, &[&before.get(), &max])?;
    let rest = max.saturating_sub(u32::try_from(purged).unwrap_or(max));
    purged += delete_where(write, PURGE_RETIRED, &[&before.get(), &rest])?;
    if purged == 0 {
        write.unchanged();
    }
    Ok(purged as u64)
}

/// Adds the first operator key.
pub(crate) fn install_operator(write: &mut Write<'_>, key: KeyRecord) -> Result<bool> {
    if settings::get(write.conn, OPERATOR_INSTALLED)?.is_some() {
        write.unchanged();
        return Ok(false);
    }
    settings::put(write.conn, OPERATOR_INSTALLED, &key.entry.id.to_string())?;
    insert(write, key)?;
    Ok(true)
}

/// Where a key is.
fn place(id: &KeyId) -> Place<'_, [u8; 16]> {
    Place { table: "keys", revision: REVISION, key: bytes(*id), name: id }
}

/// Refuses a key beyond the limit of its subject.
fn check_room(conn: &Connection, rooms: &mut Rooms, key: &KeyRecord, limit: u32) -> Result<()> {
    rooms.take(key.entry.rights.subject.to_string(), limit, |subject| {
        Ok(conn.prepare_cached(LISTED)?.query_row(params![subject, limit], |row| row.get(0))?)
    })
}

fn insert(write: &mut Write<'_>, key: KeyRecord) -> Result<()> {
    require_subject(write.conn, &key.entry.rights.subject)?;
    deleted::require_new(write.conn, &key.digest)?;
    execute(write.conn, INSERT, &key, None)?;
    write.touch_new(ChangeItem::Key(key.digest, key.entry));
    Ok(())
}

/// Refuses a key for what does not exist. Without this a key made while its resource is being deleted would
/// come to life when a resource is made again under that name.
fn require_subject(conn: &Connection, subject: &Subject) -> Result<()> {
    match subject {
        Subject::Account(id) => accounts::require(conn, *id),
        Subject::Team(id) => teams::require(conn, *id),
        Subject::Project(id) => projects::require(conn, *id),
        Subject::Resource(resource) => resources::require_reference(conn, &resource.reference),
        Subject::Operator => Ok(()),
    }
}

fn delete_where(write: &mut Write<'_>, sql: &str, values: &[&dyn ToSql]) -> Result<usize> {
    let mut statement = write.conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = Cells { table: "keys", row };
        gone.push((cells.id(0)?, decode_digest(&cells, 1)?, cells.count(3)?));
    }
    for (id, digest, import) in &gone {
        // A row of an open import was never a key, and may be imported another time.
        if *import == 0 || !imports::is_open(write.conn, *import)? {
            deleted::remember(write.conn, digest)?;
        }
        write.touch(ChangeItem::KeyGone(*digest), Some(RecordRef::Key(*id)));
    }
    Ok(gone.len())
}

fn execute(conn: &Connection, sql: &str, key: &KeyRecord, import: Option<u64>) -> Result<usize> {
    let (entry, rights) = (&key.entry, &key.entry.rights);
    let resource = rights.subject.as_resource();
    let (head, tail) = key.digest.as_bytes().split_at(16);
    let (id, restrictions) = (bytes(entry.id), decode::encode_restrictions(&rights.restrictions)?);
    let metadata = decode::encode_metadata(&key.metadata)?;
    let values = params![
        id,
        rights.subject.kind().as_str(),
        rights.subject.to_string(),
        resource.and_then(|resource| resource.selector.to_text()),
        resource.map(|resource| resource.grants.words().collect::<Vec<_>>().join(" ")),
        rights.scopes.to_string(),
        // See the column `retired_at`.
        if entry.status == Status::Retired { Status::Disabled } else { entry.status }.as_str(),
        rights.expires_at.map(UnixSeconds::get),
        restrictions,
        head,
        tail,
        key.preview.as_str(),
        key.name.as_str(),
        key.format,
        key.created_at.millis(),
        key.created_by.to_string(),
        key.created_via.to_string(),
        key.replaces.map(bytes),
        metadata,
        key.revision,
        import,
    ];
    // Only a staged row has the last one.
    let count = values.len() - usize::from(import.is_none());
    Ok(conn.prepare_cached(sql)?.execute(&values[..count])?)
}

/// A key.
pub(crate) fn by_id(conn: &Connection, id: KeyId) -> Result<Option<StoredKey>> {
    one(conn, Select::new(SELECT_STORED).and("id = ?", Some(bytes(id).to_vec())))
}

/// The key of a digest.
pub(crate) fn by_digest(conn: &Connection, digest: Digest) -> Result<Option<StoredKey>> {
    let (head, tail) = digest.as_bytes().split_at(16);
    one(
        conn,
        Select::new(SELECT_STORED)
            .and("digest_head = ?", Some(head.to_vec()))
            .and("digest_tail = ?", Some(tail.to_vec())),
    )
}

fn one(conn: &Connection, select: Select) -> Result<Option<StoredKey>> {
    let mut scopes = Interner::default();
    Ok(select.page("id", 1).all(conn, "keys", |cells| decode_stored(cells, &mut scopes))?.pop())
}

/// Notes uses of keys.
pub(crate) fn record_last_used(conn: &Connection, uses: &[LastUsed]) -> Result<()> {
    let mut statement = conn.prepare_cached(LAST_USED)?;
    for (key, at, address) in uses {
        let at: &Timestamp = at;
        statement.execute(params![bytes(*key), at.millis(), address.map(|address| address.to_string())])?;
    }
    Ok(())
}
