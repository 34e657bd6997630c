//! Verification on behalf of an application.

use claviger_core::decide::{Credential, Missing, Place, Refusal, Request, Target, Verdict};
use claviger_core::scope::Action;
use claviger_core::subject::SubjectView;

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};

const VERIFY: Action<'static> = Action::literal("key", "verify");

/// The right to have keys verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayVerify {
    /// Whether the one who asks may know what exists, so that an explanation tells it, too: operators.
    pub knows_all: bool,
}

impl MayVerify {
    /// What a caller has to be allowed, as [`Arriving::also`](crate::Arriving::also).
    #[must_use]
    pub fn request(place: Place<'_>) -> Request<'_> {
        Request { place, ..Request::new(VERIFY, Target::Nothing) }
    }

    /// The right, by the verdict about [`MayVerify::request`].
    ///
    /// # Errors
    /// Refused to those without the scope `key:verify`, which operators grant. People have no scopes, and
    /// nobody granted it to them.
    pub fn of(verdict: &Verdict<'_>) -> Result<Self> {
        let lacking = || Refusal::Forbidden(Missing::Scope);
        let key = match &verdict.outcome {
            Ok(permit) => permit.key().ok_or_else(lacking),
            // A key of one resource does nothing but read it, whatever its scopes.
            Err(Refusal::TargetRequired) => Err(lacking()),
            Err(refusal) => Err(*refusal),
        };
        let key = key.map_err(|refusal| Error::denied(refusal, VERIFY, verdict.reasons))?;
        Ok(Self { knows_all: key.rights.subject == SubjectView::Operator })
    }
}

impl Authority {
    /// The right of a caller whose request was accepted and counted before.
    ///
    /// # Errors
    /// As [`MayVerify::of`].
    pub fn may_verify(&self, caller: &Caller) -> Result<MayVerify> {
        let request = MayVerify::request(caller.place());
        self.read(|view| {
            let credential: Credential<'_> = caller.credential(view);
            MayVerify::of(&self.decide(view, credential, &request))
        })?
    }
}
