//! References of a request: what they name by an external id is looked up, and noted with the caller, so that each
//! decision checks that it still means the same.

use claviger_authority::Caller;
use claviger_core::AccountId;
use claviger_core::key::Actor;
use claviger_core::name::ExternalId;
use claviger_core::principal::{Container, ContainerId};
use claviger_core::subject::{Reference, WrittenReference, external_id};

use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::invalid;

/// Reads the references of one request.
#[derive(Clone, Copy)]
pub struct ReferenceReader<'r> {
    state: &'r AppState,
    caller: &'r Caller,
}

impl<'r> ReferenceReader<'r> {
    /// Those of this caller.
    #[must_use]
    pub const fn of(state: &'r AppState, caller: &'r Caller) -> Self {
        Self { state, caller }
    }

    /// What has this external id. One that nothing has is an identifier that nothing has.
    ///
    /// # Errors
    /// This node is not up to date.
    pub fn look_up(&self, container: Container, external_id: ExternalId) -> Result<ContainerId, Problem> {
        Ok(self.state.authority.named_by(self.caller, container, external_id)?)
    }

    /// Reads a reference.
    ///
    /// # Errors
    /// A problem that names the field.
    pub fn read<'t>(&self, field: &str, text: &'t str) -> Result<Reference<'t>, Problem> {
        match WrittenReference::parse(text).map_err(|error| invalid(field, error))? {
            WrittenReference::Known(reference) => Ok(reference),
            WrittenReference::External(container, text) => {
                let external_id = ExternalId::parse(text).map_err(|error| invalid(field, error))?;
                Ok(self.look_up(container, external_id)?.into())
            }
        }
    }

    /// A text that may be a reference, with what it names by an external id by its identifier. Any other text stays
    /// as it is.
    ///
    /// # Errors
    /// This node is not up to date.
    pub fn text(&self, text: String) -> Result<String, Problem> {
        match WrittenReference::parse(&text) {
            Ok(WrittenReference::External(..)) => Ok(self.read("target", &text)?.to_string()),
            Ok(WrittenReference::Known(_)) | Err(_) => Ok(text),
        }
    }

    /// Reads an account: `acct_…` or `external:user-4711`, with `account:` before it or without.
    ///
    /// # Errors
    /// A problem that names the field.
    pub fn account(&self, field: &str, text: &str) -> Result<AccountId, Problem> {
        let text = text.strip_prefix("account:").unwrap_or(text);
        let Some(external_id) = external_id(text) else {
            return text.parse().map_err(|error| invalid(field, error));
        };
        match self.look_up(Container::Account, external_id.map_err(|error| invalid(field, error))?)? {
            ContainerId::Account(id) => Ok(id),
            ContainerId::Team(_) | ContainerId::Project(_) => Ok(AccountId::UNKNOWN),
        }
    }

    /// Reads who did something: `account:…`, `key:key_…` or one of the words that stand for nobody in particular.
    ///
    /// # Errors
    /// A problem that names the field and says what it may be.
    pub fn actor(&self, field: &str, text: &str, detail: &str) -> Result<Actor, Problem> {
        if text.starts_with("account:external:") {
            return Ok(Actor::Account(self.account(field, text)?));
        }
        Actor::parse(text).ok_or_else(|| invalid(field, detail))
    }
}
