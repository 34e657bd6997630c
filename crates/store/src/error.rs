//! What can go wrong, told once for the log and once for the public.

use std::error::Error;
use std::sync::Arc;

use claviger_core::change::ChangeId;
use claviger_core::id::KeyId;
use claviger_core::permit::RecordRef;

/// Why the store did not do as it was asked. `Display` is for the log; what the public may read is
/// [`StoreError::public`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no such record.
    #[error("no such record")]
    NotFound,
    /// The record was changed by somebody else in the meantime.
    #[error("the record is at revision {current} by now")]
    Stale {
        /// The revision it has now.
        current: u64,
    },
    /// A right was taken away, after the permit was given, from a record that it rests on. Nothing was written;
    /// by now the sink knows of the change that took it, so the use case can decide again.
    #[error("the permit is older than a change that took a right away from what it rests on")]
    PermitStale {
        /// The records that lost something since. None if the permit is older than the store's memory of it.
        records: Arc<[RecordRef]>,
    },
    /// Something that has to be unique is taken.
    #[error(transparent)]
    Conflict(Conflict),
    /// There are as many of these as there may be.
    #[error("there are already {limit} {what} here")]
    Limit {
        /// Of what.
        what: Limited,
        /// How many there may be.
        limit: u32,
    },
    /// The key was replaced already, and the one that replaces it lives.
    #[error("the key was replaced by {successor}")]
    Replaced {
        /// The key that replaces it.
        successor: KeyId,
    },
    /// The request was carried out before.
    #[error("the request was carried out before and made {reference}")]
    Replayed {
        /// What it made.
        reference: String,
    },
    /// Another request was carried out under this name.
    #[error("another request was carried out under this name")]
    NameReused,
    /// A record that this one depends on does not exist; its reference, such as `account:acct_…`.
    #[error("{0} does not exist")]
    Missing(String),
    /// Another process has the database open.
    #[error(
        "another process has this database open: it holds a lock on `{lock}`; stop that process, or give this one a data folder of its own"
    )]
    Locked {
        /// The file that is locked.
        lock: String,
    },
    /// The database was written by a later version of the program.
    #[error(
        "the database has schema {found}, this program knows schemas up to {known}: run the version that wrote it or a later one, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The schema of the database.
        found: u32,
        /// The latest schema that this program knows.
        known: u32,
    },
    /// The file is not one of ours.
    #[error("`{path}` is not a database of Claviger; name another path, it was left as it is")]
    ForeignFile {
        /// The file.
        path: String,
    },
    /// Other users can write to a file of the installation.
    #[error(
        "other users can write to `{path}` (mode {mode:04o}) and could replace what is in it: run `chmod {advice} {path}`, and check who has written to it"
    )]
    Exposed {
        /// The file or folder.
        path: String,
        /// Its mode.
        mode: u32,
        /// The mode that it should have, in octal digits.
        advice: &'static str,
    },
    /// The database is gone, but not its journal of revocations.
    #[error(
        "the database `{database}` is missing or empty, but `{evidence}` has content, so this is a loss and not a first start; restore a backup with `claviger restore`, or, to start over and give up every key that was issued, move that file away first: mv {evidence} {evidence}.old"
    )]
    Lost {
        /// The database.
        database: String,
        /// What is left of it.
        evidence: String,
    },
    /// The store cannot answer. It is certain that nothing was changed.
    #[error("the store cannot answer: {0}")]
    Unavailable(#[source] Arc<dyn Error + Send + Sync>),
    /// The change may have happened or not. Its name leads to it, now or after a restart.
    #[error("whether the change happened is unknown: {source}")]
    OutcomeUnknown {
        /// The change; `None` for writes that are no change.
        change: Option<ChangeId>,
        /// What is in the way.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A row is not as it should be.
    #[error("table {table}, row {row}: {detail}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row, by its key.
        row: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// What there may be only so many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Keys of one subject, whatever their status.
    Keys,
    /// Teams created for one account.
    Teams,
    /// Projects of one owner.
    Projects,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keys => "keys",
            Self::Teams => "teams",
            Self::Projects => "projects",
        })
    }
}

/// What is taken already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// A key whose digest shares its first 128 bits exists: the same text, in practice.
    #[error("a key with this digest exists already")]
    Digest,
    /// The text of a key that was deleted: it never becomes a key again.
    #[error("the key with this digest was deleted")]
    DeletedKey,
    /// The identifier.
    #[error("this identifier is taken")]
    Id,
    /// The e-mail address.
    #[error("an account with this e-mail address exists already")]
    Email,
    /// The host's own identifier.
    #[error("this external id is taken")]
    ExternalId,
    /// The resource, which was said to be new.
    #[error("this resource exists already")]
    Resource,
}

impl StoreError {
    /// What anybody may read of it: no path, no table, nothing of the machine.
    #[must_use]
    pub fn public(&self) -> String {
        match self {
            Self::NotFound => "There is no such record.".to_owned(),
            Self::Stale { .. } => "The record was changed in the meantime; read it again.".to_owned(),
            Self::PermitStale { .. } => "Rights changed while this was carried out; try again.".to_owned(),
            Self::Conflict(Conflict::Digest) => "This key exists already.".to_owned(),
            Self::Conflict(Conflict::DeletedKey) => {
                "This key was deleted, and a deleted key never works again. Create a new one.".to_owned()
            }
            Self::Conflict(Conflict::Id) => "This identifier is taken.".to_owned(),
            Self::Conflict(Conflict::Email) => {
                "An account with this e-mail address exists already.".to_owned()
            }
            Self::Conflict(Conflict::ExternalId) => "This external id is taken.".to_owned(),
            Self::Conflict(Conflict::Resource) => "This resource exists already.".to_owned(),
            Self::Limit { what: Limited::Keys, limit } => format!(
                "The limit of {limit} keys is reached; expired and disabled keys count. Delete some that are no longer needed."
            ),
            Self::Limit { what, limit } => {
                format!("The limit of {limit} {what} is reached; closed ones count.")
            }
            Self::Replaced { successor } => {
                format!("This key was replaced already, by {successor}. Use or rotate that one.")
            }
            Self::Replayed { reference } => {
                format!(
                    "This request was carried out before: it made {reference}. A secret is shown once only; if it was lost, delete or rotate that key."
                )
            }
            Self::NameReused => {
                "Another request was sent with this idempotency key; use a new one for each request."
                    .to_owned()
            }
            Self::Missing(what) => format!("{what} does not exist."),
            Self::OutcomeUnknown { change: Some(change), .. } => format!(
                "The change {change} may have happened or not: the disk failed while it was being written. Look it up with `GET /v1/changes/{change}` before you repeat it."
            ),
            Self::OutcomeUnknown { change: None, .. } => {
                "This may have been written or not: the disk failed meanwhile.".to_owned()
            }
            Self::Locked { .. }
            | Self::Newer { .. }
            | Self::ForeignFile { .. }
            | Self::Exposed { .. }
            | Self::Lost { .. }
            | Self::Unavailable(_)
            | Self::Inconsistent { .. } => {
                "The store cannot answer at the moment. Nothing was changed; try again later.".to_owned()
            }
        }
    }

    /// The same failure, of a change that may have happened all the same.
    pub(crate) fn unknown(self, change: Option<ChangeId>) -> Self {
        match self {
            Self::Unavailable(source) => Self::OutcomeUnknown { change, source },
            other => Self::OutcomeUnknown { change, source: Arc::new(other) },
        }
    }

    pub(crate) fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Arc::new(source))
    }

    pub(crate) fn unavailable_because(text: impl Into<String>) -> Self {
        let source: Box<dyn Error + Send + Sync> = text.into().into();
        Self::Unavailable(source.into())
    }
}
