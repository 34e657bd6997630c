//! The use cases of Claviger, and the in-memory index that verification reads.
//!
//! This is the only place where the domain meets the store. It owns the clock and the randomness, and it
//! knows nothing of HTTP.

pub mod accounts;
mod authority;
mod caller;
mod decision;
mod error;
pub mod first_start;
pub mod groups;
mod history;
pub mod idempotency;
pub mod imports;
pub mod index;
mod jobs;
pub mod keyring;
pub mod keys;
pub mod leaks;
mod limiter;
mod listing;
mod locks;
mod notes;
pub mod password;
pub mod ports;
mod read;
pub mod reconcile;
pub mod reports;
pub mod resources;
pub mod settings;
mod usage;
mod verify;

pub use authority::{Authority, ChangeMade, Changed};
pub use caller::{Caller, CallerCredential};
/// What listings are asked with and return.
pub use claviger_store::{
    AccountFilter, HistoryFilter, Page, ProjectFilter, ResourceFilter, Restored, SqliteOptions, StoreError,
    StoredKey, TeamFilter, UsageBucket, UsageStep,
};
/// What is done to a database file without being the process that serves it.
pub use claviger_store::{Inspection, backup_file, inspect_file, journal_file, key_status};
pub use error::{Error, Result};
pub use jobs::JobsDone;
pub use read::NotFresh;
