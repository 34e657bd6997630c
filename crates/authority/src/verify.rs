//! Verification on behalf of an application.

use claviger_core::decide::{Missing, Refusal, Target};
use claviger_core::scope::Action;

use crate::authority::Authority;
use crate::caller::{Caller, CallerCredential};
use crate::error::{Error, Result};

impl Authority {
    /// Whether the caller may have keys verified. The verification itself is [`Authority::decide`].
    ///
    /// # Errors
    /// Refused to those without the scope `key:verify`, which operators grant. People have no scopes, and
    /// nobody granted it to them.
    pub fn may_verify(&self, caller: &Caller) -> Result<()> {
        let action = Action::literal("key", "verify");
        let lacking = || Error::refused(Refusal::Forbidden(Missing::Scope), action);
        self.permit(caller, action, Target::Nothing).map_err(|error| match error {
            // A key of one resource does nothing but read it, whatever its scopes.
            Error::Refused { refusal: Refusal::TargetRequired, .. } => lacking(),
            error => error,
        })?;
        match caller.credential {
            CallerCredential::Account(_) => Err(lacking()),
            CallerCredential::Anonymous | CallerCredential::Unknown | CallerCredential::Key(_) => Ok(()),
        }
    }
}
