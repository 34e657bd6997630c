//! What a use case answers when it does not do as it was asked.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::change::ChangeId;
use claviger_core::decide::{Reasons, Refusal};
use claviger_core::permit::RecordRef;
use claviger_store::{Conflict, Limited, StoreError};

/// Why a use case was not carried out. Nothing was changed, except perhaps for [`Error::OutcomeUnknown`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller may not.
    #[error("refused: {}", refusal.code())]
    Refused {
        /// Why.
        refusal: Refusal,
        /// The action that was asked for.
        action: String,
        /// What led to it, as far as it is known, for the history.
        reasons: Box<Reasons>,
    },
    /// Something that was given cannot be.
    #[error("{field}: {detail}")]
    Invalid {
        /// The field, as it is named in the request.
        field: &'static str,
        /// What is wrong with it, and what to do.
        detail: String,
    },
    /// Somebody changed the record in the meantime, or the caller saw an older one.
    #[error("the record is at revision {current}")]
    Stale {
        /// The revision it has now.
        current: u64,
    },
    /// It cannot be done in the state that things are in.
    #[error("{code}: {detail}")]
    Conflict {
        /// The stable code.
        code: &'static str,
        /// What is in the way, and what to do.
        detail: String,
    },
    /// The change may have happened or not: the disk failed while it was being written.
    #[error("{source}")]
    OutcomeUnknown {
        /// Its name, by which it can be looked up; `None` for writes that are no change.
        change: Option<ChangeId>,
        /// What the store says.
        source: StoreError,
    },
    /// Others changed one of these records, which the decision rests on, before the write. Use cases decide again,
    /// so nobody else sees this.
    #[error("others changed what the decision rests on")]
    Overtaken {
        /// Those that others changed, as far as they are known.
        records: Arc<[RecordRef]>,
    },
    /// Others kept changing the record, or the rights to change it, as often as it was tried; or too many requests
    /// of the caller wait to change it.
    #[error("too many requests change the same records at once")]
    Contended,
    /// The caller's tenant makes more than it may for now.
    #[error("too many changes or rows for the history in a short time")]
    TooFast {
        /// Until as much may be made.
        retry_after: Duration,
    },
    /// What this node has in memory may lack a committed change, so it decides nothing.
    #[error("this node may lack a committed change")]
    NotFresh,
    /// The store cannot answer. It is certain that nothing was changed.
    #[error(transparent)]
    Store(StoreError),
}

/// What a use case answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn refused(refusal: Refusal, action: impl ToString) -> Self {
        Self::denied(refusal, action, Reasons::default())
    }

    /// A refusal with what led to it.
    pub(crate) fn denied(refusal: Refusal, action: impl ToString, reasons: Reasons) -> Self {
        Self::Refused { refusal, action: action.to_string(), reasons: Box::new(reasons) }
    }

    /// The same refusal with what led to it.
    pub(crate) fn because(self, reasons: Reasons) -> Self {
        match self {
            Self::Refused { refusal, action, .. } => Self::denied(refusal, action, reasons),
            other => other,
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::refused(Refusal::NotFound, "")
    }

    pub(crate) fn invalid(field: &'static str, detail: impl ToString) -> Self {
        Self::Invalid { field, detail: detail.to_string() }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let public = error.public();
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::OutcomeUnknown { change, .. } => Self::OutcomeUnknown { change, source: error },
            StoreError::Missing(_) => Self::refused(Refusal::NotFound, ""),
            StoreError::Stale { current } => Self::Stale { current },
            StoreError::Replaced { .. } => Self::Conflict { code: "key_replaced", detail: public },
            StoreError::PermitStale { records } => Self::Overtaken { records },
            StoreError::Replayed { .. } => Self::Conflict { code: "idempotency_replayed", detail: public },
            StoreError::NameReused => Self::Conflict { code: "idempotency_mismatch", detail: public },
            StoreError::Limit { what, .. } => Self::Conflict {
                code: match what {
                    Limited::Keys => "key_limit_reached",
                    Limited::Teams => "team_limit_reached",
                    Limited::Projects => "project_limit_reached",
                },
                detail: public,
            },
            StoreError::Conflict(conflict) => Self::Conflict {
                code: match conflict {
                    Conflict::Digest => "key_exists",
                    Conflict::DeletedKey => "key_deleted",
                    Conflict::Id => "id_taken",
                    Conflict::Email => "email_taken",
                    Conflict::ExternalId => "external_id_taken",
                    Conflict::Resource => "resource_exists",
                },
                detail: public,
            },
            StoreError::Locked { .. }
            | StoreError::Newer { .. }
            | StoreError::ForeignFile { .. }
            | StoreError::Exposed { .. }
            | StoreError::Lost { .. }
            | StoreError::Unavailable(_)
            | StoreError::Inconsistent { .. } => Self::Store(error),
        }
    }
}
