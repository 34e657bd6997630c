//! How an account looks on the wire.

use claviger_core::name::{Email, Name};
use claviger_core::principal::AccountRecord;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::wire::{invalid, time};

/// What is known of an account. Its password is not, nor the hash of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountAnswer {
    /// Its identifier.
    #[schema(example = "acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    id: String,
    /// What people call it.
    name: Option<String>,
    /// With which it signs in; null for an account that a host manages.
    email: Option<String>,
    /// Whether it has a password.
    has_password: bool,
    /// The host's own identifier.
    external_id: Option<String>,
    /// Whether it was closed: nothing that hangs on it is accepted any more.
    closed: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl AccountAnswer {
    /// An account as it is shown.
    pub(super) fn of(record: &AccountRecord) -> Self {
        Self {
            id: record.account.id.to_string(),
            name: record.name.as_ref().map(ToString::to_string),
            email: record.email.as_ref().map(|email| email.as_str().to_owned()),
            has_password: record.password.is_some(),
            external_id: record.account.external_id.as_ref().map(|id| id.as_str().to_owned()),
            closed: record.account.closed,
            created_at: time(record.created_at),
        }
    }
}

/// The name.
pub(super) fn name_of(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|e| invalid("name", e))
}

/// The address.
pub(super) fn email_of(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|e| invalid("email", e))
}
