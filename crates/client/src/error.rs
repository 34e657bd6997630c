//! What a call answers when it does not do as it was asked.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// Why a call failed. Nothing in it holds a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address of the authority cannot be used.
    #[error("`{address}` cannot be used as the address of an subject: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key has characters that no header can carry.
    #[error("the key is not one: it has characters that no key has")]
    Key,
    /// What was asked cannot be written as a request. Nothing was sent.
    #[error("the request cannot be sent: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// The authority answered with a problem.
    #[error(transparent)]
    Problem(Box<Problem>),
    /// The authority could not be reached, or the connection broke.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// There was no answer in time.
    #[error("{address} gave no answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// The address.
        address: String,
        /// How long it had.
        after: Duration,
    },
    /// The answer is not one that an authority gives.
    #[error("{address} gave an answer (status {status}) that is not one of Claviger: {reason}")]
    Answer {
        /// The address.
        address: String,
        /// The status.
        status: StatusCode,
        /// What is wrong with it. It quotes nothing of the answer, which may hold a secret.
        reason: String,
    },
}

/// What a call answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A problem (RFC 9457) that the authority answered with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({status}, {code})")]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The stable code, such as `forbidden`: what a program decides by.
    pub code: String,
    /// What is the matter this time, and what to do.
    pub detail: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The page that explains problems of this kind.
    pub kind: String,
    /// The request, as it stands in the authority's log.
    pub request_id: Option<String>,
    /// How long the authority asks to wait before the next try.
    pub retry_after: Option<Duration>,
    /// With the code `outcome_unknown`: the change that may have been made. `GET /v1/changes/{change}` returns 200 if
    /// it was, 404 if not.
    pub change: Option<String>,
}

/// The document as it is on the wire.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ProblemDocument {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) status: u16,
    pub(crate) detail: String,
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<String>,
}

impl Error {
    /// The problem that the authority answered with, if it was one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Address { .. }
            | Self::Key
            | Self::Request { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Answer { .. } => None,
        }
    }

    /// Whether nothing was learnt about the key or the request: the authority could not be asked, or cannot
    /// answer at the moment. A service that guards itself answers 503 then, never 401.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Answer { .. } => true,
            Self::Problem(problem) => {
                problem.status.is_server_error() || problem.status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Address { .. } | Self::Key | Self::Request { .. } => false,
        }
    }
}
