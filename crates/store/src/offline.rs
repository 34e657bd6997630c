//! A database file from outside: what is done to it without being the process that serves it.

use std::path::{Path, PathBuf};

use claviger_core::key::Digest;
use claviger_core::lifecycle::Status;

use crate::error::StoreError;
use crate::sqlite;

pub use crate::sqlite::Inspection;

/// Copies the database to a file that must not exist yet, also while another process serves it; the copy has
/// mode 0600, is of one instant, and is on the disk when this returns. It reads only: SQLite's log lets readers
/// in beside the one that writes.
///
/// # Errors
/// [`StoreError::ForeignFile`] if there is no database of ours; [`StoreError::Unavailable`] if the file exists or
/// cannot be written.
pub fn backup_file(database: &Path, to: &Path) -> Result<(), StoreError> {
    sqlite::backup_file(database, to)
}

/// Looks at a database without changing it: whose it is, which schema, whether it is whole, and whether a
/// process has it open.
///
/// # Errors
/// [`StoreError::ForeignFile`] if it is not one of ours; [`StoreError::Unavailable`] if it cannot be read.
pub fn inspect_file(database: &Path) -> Result<Inspection, StoreError> {
    sqlite::inspect(database)
}

/// The status of the key with this digest, if the database knows it. Expiry is not looked at.
///
/// # Errors
/// As [`inspect_file`].
pub fn key_status(database: &Path, digest: &Digest) -> Result<Option<Status>, StoreError> {
    sqlite::key_status(database, digest)
}

/// Where the journal of revocations of a database is.
#[must_use]
pub fn journal_file(database: &Path) -> PathBuf {
    sqlite::journal::path_of(database)
}

/// What has content of a database that is missing or empty: its journal, or the log of SQLite. A store is not opened
/// there ([`StoreError::Lost`]).
#[must_use]
pub fn left_of_database(database: &Path) -> Option<PathBuf> {
    sqlite::left_of(database)
}

/// Refuses a folder or a file that other users can write to: they could replace what is in it. One that does not exist
/// is fine.
///
/// # Errors
/// [`StoreError::Exposed`].
pub fn check_private(path: &Path) -> Result<(), StoreError> {
    sqlite::check_private(path)
}
