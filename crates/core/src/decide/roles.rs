//! Who gives accounts their roles, and takes them away.
//!
//! | caller | gives and takes |
//! |---|---|
//! | operator key with the scope | every role |
//! | owner of the team, signed in | every role in it |
//! | admin of the team, signed in | every role in it but that of an owner |
//! | admin of the project, signed in | every role in it |
//! | other key with the scope, of what is administered | takes every role but that of an owner; gives one that does not administer, if the key's own rights include it |
//!
//! What a role gives, it gives to a person: no scope binds it, it does not end, and it holds everywhere.
//! So a key that gives one has to have as much, or whoever holds that key would win by the role what the key
//! was never given. A role that administers makes keys with every scope; no key but an operator's has that.

use super::manage::{ManagePermit, includes};
use super::refusal::Right;
use super::{Credential, Missing, Place, Policy, Refusal, Request, Snapshot, Target, decide};
use crate::id::{ProjectId, TeamId};
use crate::key::Rights;
use crate::principal::{ProjectRole, TeamRole};
use crate::restriction::Restrictions;
use crate::scope::{Action, ScopeSet};
use crate::subject::Subject;
use crate::time::Timestamp;

/// What every role reads of Claviger's own records, beside what the role says of the host's.
const MEMBERS_READ: [&str; 2] = ["project:read", "resource:read"];

/// A role that an account has, and the one that it shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChange {
    /// In a team: before and after.
    Team(TeamId, Option<TeamRole>, Option<TeamRole>),
    /// In a project: before and after.
    Project(ProjectId, Option<ProjectRole>, Option<ProjectRole>),
}

impl RoleChange {
    /// The action whose scope a key needs for this.
    #[must_use]
    pub const fn action(self) -> Action<'static> {
        match self {
            Self::Team(..) => Action::literal("team", "update"),
            Self::Project(..) => Action::literal("project", "update"),
        }
    }

    const fn target(self) -> Target<'static> {
        match self {
            Self::Team(id, ..) => Target::Team(id),
            Self::Project(id, ..) => Target::Project(id),
        }
    }

    /// Whether somebody becomes an owner, or is one no more.
    fn concerns_owners(self) -> bool {
        let Self::Team(_, before, after) = self else { return false };
        before != after && [before, after].contains(&Some(TeamRole::Owner))
    }

    /// What the account wins: nothing where its role becomes weaker or stays.
    fn gives(self) -> Gives {
        match self {
            Self::Team(_, before, after) if after <= before => Gives::Nothing,
            Self::Project(_, before, after) if after <= before => Gives::Nothing,
            Self::Team(_, _, None) | Self::Project(_, _, None) => Gives::Nothing,
            Self::Team(_, _, Some(TeamRole::Owner | TeamRole::Admin))
            | Self::Project(_, _, Some(ProjectRole::Admin)) => Gives::Administration,
            Self::Team(id, _, Some(TeamRole::Member)) => Gives::of(Subject::Team(id), &["*:*", "team:read"]),
            Self::Project(id, _, Some(ProjectRole::Collaborator)) => {
                Gives::of(Subject::Project(id), &["*:*"])
            }
            Self::Project(id, _, Some(ProjectRole::Viewer)) => Gives::of(Subject::Project(id), &["*:read"]),
        }
    }
}

enum Gives {
    Nothing,
    /// As much as a key of this would have.
    Rights(Rights),
    Administration,
}

impl Gives {
    fn of(subject: Subject, scopes: &[&str]) -> Self {
        match ScopeSet::parse(scopes.iter().chain(&MEMBERS_READ).copied()) {
            Ok(scopes) => Self::Rights(Rights {
                subject,
                scopes,
                expires_at: None,
                restrictions: Restrictions::default(),
            }),
            // It would be a mistake in this file; the matrix looks at each.
            Err(_) => Self::Administration,
        }
    }
}

/// Decides whether a caller may change the role of an account so.
///
/// # Errors
/// What [`decide`] says of the action on the team or project; [`Refusal::Forbidden`] where the caller may
/// change roles, but not this one.
pub fn decide_role(
    snapshot: &impl Snapshot,
    policy: Policy,
    caller: Credential<'_>,
    place: Place<'_>,
    change: RoleChange,
    now: Timestamp,
) -> Result<ManagePermit, Refusal> {
    let request = Request { place, ..Request::new(change.action(), change.target()) };
    let permit = decide(snapshot, policy, caller, &request, now).outcome?;
    let actor = permit.actor().ok_or(Refusal::CredentialsRequired)?;
    let (may_own, own) = match permit.credential() {
        Credential::SignedIn(account) => {
            let RoleChange::Team(team, ..) = change else {
                return Ok(ManagePermit { actor, key: None });
            };
            let role = snapshot.team(team).and_then(|team| team.members.role(account));
            (role == Some(TeamRole::Owner), None)
        }
        Credential::Key(key) => (key.rights.subject == Subject::Operator, Some(key)),
        Credential::Anonymous | Credential::Unknown => return Err(Refusal::CredentialsRequired),
    };
    if change.concerns_owners() && !may_own {
        return Err(Refusal::Forbidden(Missing::Owner));
    }
    if let Some(own) = own.filter(|_| !may_own) {
        let included = match change.gives() {
            Gives::Nothing => Ok(()),
            Gives::Rights(rights) => includes(own, &rights).map_err(|_| Right::Role),
            Gives::Administration => Err(Right::Administration),
        };
        included.map_err(|right| Refusal::Forbidden(Missing::Right(right)))?;
    }
    Ok(ManagePermit { actor, key: permit.key_id() })
}
