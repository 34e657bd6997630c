//! The use cases of Claviger, and the in-memory index that verification reads.
//!
//! This is the only place where the domain meets the store. It owns the clock and the randomness, and it
//! knows nothing of HTTP.

pub mod accounts;
mod admit;
mod allowance;
mod authority;
mod caller;
mod condition;
mod decision;
mod error;
pub mod first_start;
pub mod groups;
mod history;
pub mod idempotency;
pub mod imports;
#[cfg(feature = "measure")]
pub mod index;
#[cfg(not(feature = "measure"))]
mod index;
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
mod readiness;
pub mod reconcile;
mod refusals;
pub mod reports;
pub mod resources;
pub mod settings;
mod tenant;
mod time;
mod usage;
mod verify;

pub use admit::{Answer, Arriving, Counting, Denial, Question};
pub use authority::{Authority, ChangeMade, Changed};
pub use caller::{Caller, CallerCredential, NamedByCaller};
/// What listings are asked with and return.
pub use claviger_store::{
    AccountFilter, HistoryFilter, Obstacle, Page, ProjectFilter, ResourceFilter, Restored, SqliteOptions,
    StoreError, StoredKey, TeamFilter, UsageBucket, UsageStep,
};
/// The disk, and how tests have it fail.
pub use claviger_store::{Disk, DiskFaults, DiskOperation};
/// What is done to a database file without being the process that serves it.
pub use claviger_store::{
    Inspection, backup_file, check_private, inspect_file, journal_file, key_status, left_of_database,
};
pub use condition::Condition;
pub use error::{Error, Result};
pub use jobs::JobsDone;
pub use read::NotFresh;
pub use refusals::RequestRecord;
pub use time::ClockState;
pub use verify::MayVerify;
