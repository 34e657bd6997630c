//! Who manages a key, and what a manager may win by it.
//!
//! | key | its managers |
//! |---|---|
//! | of an account | the account |
//! | of a team | the team's owners and admins |
//! | of a project | the project's admins |
//! | of a resource | whoever administers the resource |
//! | of an operator | operators |
//!
//! Operators manage all. Everyone else is told that there is no such key.
//!
//! A key that manages keys needs the scope for it, stays within its own subject, and never wins or gives
//! more than it has: whatever yields a secret or widens a key needs rights that include the target's.
//! So a key with a rate or a quota makes and widens no keys of its subject: each would have a rate or a quota
//! of its own. And nobody makes a key that reads a version of a resource that its maker does not reach, see
//! `versions.rs`.

use super::refusal::Right;
use super::versions::selects_only_reached;
use super::{
    Access, Credential, Missing, Place, Policy, Reasons, Refusal, Snapshot, Target, Who, authenticate, reach,
};
use crate::id::KeyId;
use crate::key::{Actor, KeyRecord, KeyView, Rights};
use crate::scope::Action;
use crate::subject::{Kind, Subject};
use crate::time::Timestamp;

/// What is to be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAction {
    /// Make it (a rotation makes one, too).
    Create,
    /// See it.
    Read,
    /// Change it in a way that wins nothing: rename, disable, fewer scopes, an earlier expiry.
    Update,
    /// Change it in a way that widens it, or learn its secret: enable, more scopes, a later expiry, reveal.
    Widen,
    /// Delete it.
    Delete,
}

impl KeyAction {
    /// The action whose scope a key needs for this.
    #[must_use]
    pub const fn action(self) -> Action<'static> {
        Action::literal(
            "key",
            match self {
                Self::Create => "create",
                Self::Read => "read",
                Self::Update | Self::Widen => "update",
                Self::Delete => "delete",
            },
        )
    }
}

/// The right to go on with a key or a role. Only the decisions of [`super`] make one.
#[derive(Debug, Clone, Copy)]
pub struct ManagePermit {
    pub(super) actor: Actor,
    pub(super) key: Option<KeyId>,
}

impl ManagePermit {
    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// With which key, if with one.
    #[must_use]
    pub const fn key(&self) -> Option<KeyId> {
        self.key
    }
}

/// Decides whether the caller is anybody at all, before it is known what is asked.
///
/// # Errors
/// [`Refusal::CredentialsRequired`], and whatever [`authenticate`] refuses.
pub fn accept(
    snapshot: &impl Snapshot,
    caller: Credential<'_>,
    place: Place<'_>,
    now: Timestamp,
) -> Result<ManagePermit, Refusal> {
    authenticate(snapshot, caller, place, now, &mut Reasons::default())?;
    match caller {
        Credential::Anonymous | Credential::Unknown => Err(Refusal::CredentialsRequired),
        Credential::SignedIn(account) => Ok(ManagePermit { actor: Actor::Account(account), key: None }),
        Credential::Key(key) => Ok(ManagePermit { actor: Actor::Key(key.id), key: Some(key.id) }),
    }
}

/// Decides whether a caller may do this with a key of these rights (for [`KeyAction::Widen`]: the rights
/// that the key will have). `target` is the key's identifier, if it exists already.
///
/// # Errors
/// [`Refusal::NotFound`] for those who do not manage the key, [`Refusal::Forbidden`] for managers that lack
/// a scope or a right, and whatever [`authenticate`] refuses.
pub fn decide_key(
    snapshot: &impl Snapshot,
    policy: Policy,
    caller: Credential<'_>,
    place: Place<'_>,
    action: KeyAction,
    (target, rights): (Option<KeyId>, &Rights),
    now: Timestamp,
) -> Result<ManagePermit, Refusal> {
    authenticate(snapshot, caller, place, now, &mut Reasons::default())?;
    let own = match caller {
        Credential::Anonymous | Credential::Unknown => return Err(Refusal::CredentialsRequired),
        Credential::SignedIn(account) => {
            if !manages(snapshot, policy, caller, &rights.subject) {
                return Err(Refusal::NotFound);
            }
            let wins = matches!(action, KeyAction::Create | KeyAction::Widen);
            if wins && KeyRecord::grants_verification(&rights.scopes) {
                return Err(Refusal::Forbidden(Missing::Right(Right::Verify)));
            }
            if wins {
                selects_reached(snapshot, policy, caller, rights)?;
            }
            return Ok(ManagePermit { actor: Actor::Account(account), key: None });
        }
        Credential::Key(own) => own,
    };
    let permit = ManagePermit { actor: Actor::Key(own.id), key: Some(own.id) };
    if target == Some(own.id) {
        match (action, own.rights.subject.kind()) {
            (KeyAction::Read, _) => return Ok(permit),
            (KeyAction::Delete, Kind::Resource) => {
                return Err(Refusal::Forbidden(Missing::ResourceKeyDeletesItself));
            }
            (KeyAction::Delete, Kind::Account | Kind::Team | Kind::Project | Kind::Operator) => {
                return Ok(permit);
            }
            (KeyAction::Create | KeyAction::Update | KeyAction::Widen, _) => {}
        }
    }
    if !manages(snapshot, policy, caller, &rights.subject) {
        return Err(Refusal::NotFound);
    }
    if !own.rights.scopes.cover(&action.action()) {
        return Err(Refusal::Forbidden(Missing::Scope));
    }
    if matches!(action, KeyAction::Create | KeyAction::Widen) {
        includes(own, rights).map_err(|right| Refusal::Forbidden(Missing::Right(right)))?;
        selects_reached(snapshot, policy, caller, rights)?;
    }
    Ok(permit)
}

fn selects_reached(
    snapshot: &impl Snapshot,
    policy: Policy,
    caller: Credential<'_>,
    rights: &Rights,
) -> Result<(), Refusal> {
    let Some(key) = rights.subject.as_resource() else { return Ok(()) };
    selects_only_reached(snapshot, policy, caller, key)
        .map_err(|right| Refusal::Forbidden(Missing::Right(right)))
}

/// Whether the caller manages keys of this subject, scopes aside.
#[must_use]
pub fn manages(snapshot: &impl Snapshot, policy: Policy, caller: Credential<'_>, subject: &Subject) -> bool {
    if matches!(caller, Credential::Key(key) if key.rights.subject == Subject::Operator) {
        return true;
    }
    let who = Who::of(caller, policy);
    let access = match subject {
        Subject::Account(id) => reach::container(snapshot, who, Target::Account(*id)),
        Subject::Team(id) => reach::container(snapshot, who, Target::Team(*id)),
        Subject::Project(id) => reach::container(snapshot, who, Target::Project(*id)),
        Subject::Resource(resource) => match snapshot.resource(resource.reference.name()) {
            Some(found) if reach::is_open_owner(snapshot, found.owner) => {
                reach::resource(snapshot, who, found, found.latest)
            }
            Some(_) | None => Access::None,
        },
        Subject::Operator => Access::None,
    };
    access == Access::Administer
}

/// Whether a key's rights include those that another key would get from it. That it manages the other's
/// subject is known already.
///
/// # Errors
/// The right that it lacks.
pub fn includes(own: KeyView<'_>, target: &Rights) -> Result<(), Right> {
    let operator = own.rights.subject == Subject::Operator;
    // An operator with the control scope counts as including everybody's rights, but not another operator's.
    if operator && target.subject != Subject::Operator {
        return Ok(());
    }
    let grants = target.subject.as_resource().is_some_and(|resource| !resource.grants.is_empty());
    if !operator && KeyRecord::grants_verification(&target.scopes) {
        Err(Right::Verify)
    } else if !own.rights.scopes.includes(&target.scopes) {
        Err(Right::Scopes)
    } else if grants {
        Err(Right::Grants)
    } else if !own.rights.outlast(target) {
        Err(Right::Expiry)
    } else if own.rights.restrictions.counts_uses() {
        Err(Right::Uses)
    } else if !own.rights.restrictions.includes(&target.restrictions) {
        Err(Right::Restrictions)
    } else {
        Ok(())
    }
}
