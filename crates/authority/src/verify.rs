//! Verification on behalf of an application.

use claviger_core::decide::{Credential, Missing, Place, Refusal, Request, Target};
use claviger_core::scope::Action;

use crate::authority::Authority;
use crate::error::{Error, Result};
use crate::index::View;

impl Authority {
    /// Whether the caller may have keys verified. The verification itself is [`Authority::decide`].
    ///
    /// # Errors
    /// Refused to those without the scope `key:verify`, which operators grant. People have no scopes, and
    /// nobody granted it to them.
    pub fn may_verify(&self, view: &View<'_>, credential: Credential<'_>, place: Place<'_>) -> Result<()> {
        let action = Action::literal("key", "verify");
        let request = Request { place, ..Request::new(action, Target::Nothing) };
        let lacking = || Error::refused(Refusal::Forbidden(Missing::Scope), action);
        match self.decide(view, credential, &request).outcome {
            Ok(permit) if permit.key().is_some() => Ok(()),
            // A key of one resource does nothing but read it, whatever its scopes.
            Ok(_) | Err(Refusal::TargetRequired) => Err(lacking()),
            Err(refusal) => Err(Error::refused(refusal, action)),
        }
    }
}
