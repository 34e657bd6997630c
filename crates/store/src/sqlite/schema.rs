//! Opening a database: the lock, the file, the pragmas, the migrations.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::Result;
use crate::error::StoreError;

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
    ("retired_keys", include_str!("../../migrations/sqlite/0008_retired_keys.sql")),
];

/// The connection that writes, and the lock that keeps other processes away as long as it is held.
pub(super) fn open_writer(path: &Path) -> Result<(Connection, File)> {
    let lock = lock(path)?;
    private_file(path, OpenOptions::new().create(true)).map_err(StoreError::unavailable)?;
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
    Ok((conn, lock))
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

/// Opens a file for writing; one that this makes can be read by its owner only. SQLite gives its -wal and
/// -shm files the mode of the database.
pub(super) fn private_file(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    options.write(true).mode(0o600).open(path)
}

/// The lock that keeps other processes away as long as it is held.
pub(super) fn lock(path: &Path) -> Result<File> {
    let name = lock_name(path);
    let file = private_file(&name, OpenOptions::new().create(true)).map_err(StoreError::unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
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
    let mut name = OsString::from(path);
    name.push(".lock");
    name.into()
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
    let transaction = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if fresh {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(
            "CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT",
        )?;
    }
    let done = version(&transaction)?;
    for (number, (name, sql)) in (1_u32..).zip(MIGRATIONS).skip_while(|(number, _)| *number <= done) {
        transaction.execute_batch(sql)?;
        transaction.execute(
            "INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)",
            params![number, name],
        )?;
    }
    transaction.commit()?;
    Ok(())
}
