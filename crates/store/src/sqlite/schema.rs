//! Opening a database: the lock, the file, the pragmas, the migrations.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::{Result, journal, upgrade};
use crate::disk::{Disk, InPlace, folder_of};
use crate::error::StoreError;

/// The migration that goes on in [`upgrade`].
pub(super) const RIGHTS_AND_LIMITS: &str = "rights_and_limits";
/// In the header of every database of ours (`Clvg`), so that another program's file is not taken for one.
const APPLICATION_ID: i32 = 0x436c_7667;
/// Only another program that looks into the database can hold us up; it gets this long.
const BUSY_MILLIS: u64 = 5_000;
/// Keys lie in the order of their digests, so each write touches pages all over the table: with SQLite's
/// usual 2 MB it would read most of them again each time. But nearly every commit goes through all pages in the
/// cache: where a page was split, SQLite lends it a number beyond the file's end and then looks for such pages. At
/// 64 MB that took more than the reading saved.
const WRITER_CACHE_KIB: i32 = 16 * 1024;
/// For the same reason a group of writes fills SQLite's usual 1,000 pages at once, and would be followed by
/// a checkpoint every time. At this size the log has 32 MB, which a start replays in well under a second.
const CHECKPOINT_PAGES: i32 = 8_000;
/// More than the statements there are, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 128;

/// Numbered from 1, forward only. A released one never changes.
const MIGRATIONS: &[(&str, &str)] = &[
    ("initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    ("key_life", include_str!("../../migrations/sqlite/0002_key_life.sql")),
    ("import_order", include_str!("../../migrations/sqlite/0003_import_order.sql")),
    ("losses", include_str!("../../migrations/sqlite/0004_losses.sql")),
    ("time_and_turns", include_str!("../../migrations/sqlite/0005_time_and_turns.sql")),
    ("refusals", include_str!("../../migrations/sqlite/0006_refusals.sql")),
    (RIGHTS_AND_LIMITS, include_str!("../../migrations/sqlite/0007_rights_and_limits.sql")),
    ("retired_keys", include_str!("../../migrations/sqlite/0008_retired_keys.sql")),
    ("subjects_and_owners", include_str!("../../migrations/sqlite/0009_subjects_and_owners.sql")),
];

/// Users other than the owner that may write, as bits of a mode.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What keeps other processes away as long as any clone of it is held.
#[derive(Clone)]
pub(super) struct Lock {
    file: Arc<File>,
    path: PathBuf,
}

impl Lock {
    /// Fails if the file was removed: another process could take the lock by another one.
    pub(super) fn in_place(&self) -> std::io::Result<InPlace> {
        InPlace::of(&self.file, &self.path)
    }
}

/// The connection that writes, and the lock that keeps other processes away as long as it is held.
pub(super) fn open_writer(disk: &Disk, path: &Path) -> Result<(Connection, Lock)> {
    check_all_private(path)?;
    let lock = lock(disk, path)?;
    refuse_loss(path)?;
    disk.open_ours(path).map_err(StoreError::unavailable)?;
    Ok((connect_writer(path)?, lock))
}

fn connect_writer(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_millis(BUSY_MILLIS))?;
    // Before anything is written: a foreign file is left as it is.
    let fresh = is_fresh(&conn, path)?;
    refuse_newer(&conn, fresh)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: a commit that was answered survives the loss of power.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    // Negative: in KiB rather than in pages.
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    steady_plans(&conn)?;
    // What savepoints keep for undoing needs no file: it is lost with the process anyway.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    migrate(&mut conn, fresh)?;
    Ok(conn)
}

/// Refuses a database that others can write to, or whose folder they can write to.
fn check_all_private(path: &Path) -> Result<()> {
    check_private(folder_of(path))?;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        check_private(&with_suffix(path, suffix))?;
    }
    check_private(&journal::path_of(path))
}

/// Refuses a folder or a file that others can write to; see [`crate::check_private`].
pub(crate) fn check_private(path: &Path) -> Result<()> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if found.mode() & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    Err(StoreError::Exposed {
        path: path.display().to_string(),
        mode: found.mode() & 0o7777,
        advice: if found.is_dir() { "700" } else { "600" },
    })
}

/// Refuses to begin anew where there was something: before anything is created.
fn refuse_loss(path: &Path) -> Result<()> {
    match left_of(path) {
        Some(left) => Err(lost(path, &left)),
        None => Ok(()),
    }
}

/// What has content of a database that is missing or empty; see [`crate::left_of_database`].
pub(crate) fn left_of(path: &Path) -> Option<PathBuf> {
    let has_content = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    if has_content(path) {
        return None;
    }
    [journal::path_of(path), with_suffix(path, "-wal")].into_iter().find(|left| has_content(left))
}

/// The error for a database that is gone, and what is left of it.
pub(super) fn lost(database: &Path, evidence: &Path) -> StoreError {
    StoreError::Lost { database: database.display().to_string(), evidence: evidence.display().to_string() }
}

/// The path with something added to its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// What has to stay where it is while the database is open: what is written to a file that was removed is lost.
pub(super) fn in_place(path: &Path, lock: &Lock) -> Result<Vec<InPlace>> {
    let found = [InPlace::at(path), InPlace::at(&with_suffix(path, "-wal")), lock.in_place()];
    found.into_iter().collect::<std::io::Result<_>>().map_err(StoreError::unavailable)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_millis(BUSY_MILLIS))?;
    conn.pragma_update(None, "query_only", true)?;
    steady_plans(&conn)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    Ok(conn)
}

/// Plans are made from the statement alone. Otherwise SQLite looks at the values that are bound, and prepares a
/// statement anew whenever they differ: each time.
fn steady_plans(conn: &Connection) -> Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Moves the write-ahead log into the database, as far as nobody reads, and closes.
pub(super) fn close_writer(conn: Connection) {
    // Neither is needed for anything to be safe: the log is replayed at the next start.
    let _checkpointed = conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
    drop(conn);
}

/// The lock that keeps other processes away as long as it is held.
pub(super) fn lock(disk: &Disk, path: &Path) -> Result<Lock> {
    let name = lock_name(path);
    let file = disk.open_ours(&name).map_err(StoreError::unavailable)?.into_inner();
    match file.try_lock() {
        Ok(()) => Ok(Lock { file: Arc::new(file), path: name }),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { lock: name.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(StoreError::unavailable(error)),
    }
}

/// Whether a process has the database open. Nothing is made by asking.
pub(super) fn is_locked(path: &Path) -> bool {
    let taken = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    File::open(lock_name(path)).is_ok_and(taken)
}

fn lock_name(path: &Path) -> PathBuf {
    with_suffix(path, ".lock")
}

/// Whether nothing was ever written to it; refuses what another program wrote.
pub(super) fn is_fresh(conn: &Connection, path: &Path) -> Result<bool> {
    let foreign = || StoreError::ForeignFile { path: path.display().to_string() };
    let id = conn.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
    let objects = conn.query_row("SELECT count(*) FROM sqlite_schema", params![], |row| row.get::<_, i64>(0));
    match (id, objects) {
        (Ok(APPLICATION_ID), Ok(_)) => Ok(false),
        (Ok(0), Ok(0)) => Ok(true),
        (Ok(_), Ok(_)) => Err(foreign()),
        (Err(error), _) | (_, Err(error)) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(foreign())
        }
        (Err(error), _) | (_, Err(error)) => Err(error.into()),
    }
}

fn refuse_newer(conn: &Connection, fresh: bool) -> Result<()> {
    let found = if fresh { 0 } else { version(conn)? };
    let known = known();
    if found > known { Err(StoreError::Newer { found, known }) } else { Ok(()) }
}

/// The latest schema that this program knows.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The schema of a database of ours.
pub(super) fn version(conn: &Connection) -> Result<u32> {
    let sql = "SELECT coalesce(max(version), 0) FROM schema_migrations";
    Ok(conn.query_row(sql, params![], |row| row.get(0))?)
}

/// Brings the schema up to date, all of it or nothing.
pub(super) fn migrate(conn: &mut Connection, fresh: bool) -> Result<()> {
    migrate_to(conn, fresh, known())
}

/// Makes a new database with the schema from before a migration.
#[cfg(test)]
pub(super) fn migrate_until(conn: &mut Connection, name: &str) -> Result<()> {
    let count = MIGRATIONS.iter().take_while(|(known, _)| *known != name).count();
    migrate_to(conn, true, u32::try_from(count).map_err(StoreError::unavailable)?)
}

/// Brings the schema to a version.
pub(super) fn migrate_to(conn: &mut Connection, fresh: bool, to: u32) -> Result<()> {
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if fresh {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(
            "CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT",
        )?;
    }
    let done = version(&transaction)?;
    let due = |number: u32| number > done && number <= to;
    for (number, (name, sql)) in (1_u32..).zip(MIGRATIONS).filter(|(number, _)| due(*number)) {
        transaction.execute_batch(sql)?;
        if *name == RIGHTS_AND_LIMITS {
            upgrade::rights_and_limits(&transaction)?;
        }
        transaction.execute(
            "INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)",
            params![number, name],
        )?;
    }
    transaction.commit()?;
    Ok(())
}
