//! The truth: whole transactions on SQLite, each with its ordered change row and its history row.
//!
//! [`Store`] is the only door. Its methods are named after what they mean, and each is one transaction.
//! A mutation takes the next [`Sequence`](claviger_core::change::Sequence), and its
//! [`Change`](claviger_core::change::Change) reaches the [`ChangeSink`] after the commit and before the
//! answer, in order. So whoever was told that a key is revoked can rely on the index knowing it.
//!
//! Nothing here reads a clock or makes randomness: instants are in the records, random bytes come through
//! [`Random`]. Nothing here decides who may do what.

mod commit;
mod disk;
mod error;
mod health;
mod offline;
mod query;
mod sqlite;
mod state;
mod store;

pub use commit::{Audit, ChangeSink, Committed, LoadVisitor, NotApplied, Once, Random};
pub use disk::{Disk, DiskFaults, DiskOperation};
pub use error::{Conflict, Limited, StoreError};
pub use health::{HealthGuard, Lost, WriterHealth};
pub use offline::{
    Inspection, backup_file, check_private, inspect_file, journal_file, key_status, left_of_database,
};
pub use query::{
    AccountFilter, Differences, HistoryFilter, KeyFilter, LastUsed, Overlap, OwnedSince, PAGE_ROWS_MAX, Page,
    ProjectFilter, ResourceFilter, Staged, StoredKey, Taken, TeamFilter, UsageBucket, UsageCount, UsageStep,
};
pub use state::Obstacle;
pub use store::{Restored, SqliteOptions, Store};
