//! How far a subject reaches.

use super::{Credential, Policy, Snapshot, Target};
use crate::id::{AccountId, ProjectId, TeamId};
use crate::principal::{Project, ProjectOwner, ProjectRole, TeamRole};
use crate::resource::{Owner, Resource};
use crate::scope::{Action, is_control_type};
use crate::selector::Version;
use crate::subject::{Subject, SubjectView};

/// How strongly something is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Not at all: its existence is not to be told.
    None,
    /// It may be read.
    Read,
    /// It may be read and written.
    Write,
    /// Everything may be done with it, its keys included.
    Administer,
}

impl Access {
    /// Every access, the weakest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Read, Self::Write, Self::Administer];

    /// The word that the store keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Administer => "administer",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == word)
    }

    /// What an action needs: `read` reads; `admin` and everything of a control type administers; all else writes.
    #[must_use]
    pub fn needed_for(action: &Action<'_>) -> Self {
        match action.verb() {
            "read" => Self::Read,
            "admin" => Self::Administer,
            _ if is_control_type(action.kind()) => Self::Administer,
            _ => Self::Write,
        }
    }
}

/// Whose reach is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A signed-in account, or the key of an account that the settings let reach as far.
    SignedIn(AccountId),
    /// The key of an account.
    AccountKey(AccountId),
    /// The key of a team.
    Team(TeamId),
    /// The key of a project.
    Project(ProjectId),
    /// Nobody: it reaches nothing of its own here.
    Nobody,
}

impl Who {
    /// Whose reach a credential has.
    #[must_use]
    pub fn of(credential: Credential<'_>, policy: Policy) -> Self {
        match credential {
            Credential::Anonymous | Credential::Unknown => Self::Nobody,
            Credential::SignedIn(id) => Self::SignedIn(id),
            Credential::Key(key) => match key.rights.subject {
                Subject::Account(id) if policy.account_keys_reach_teams => Self::SignedIn(id),
                Subject::Account(id) => Self::AccountKey(id),
                Subject::Team(id) => Self::Team(id),
                Subject::Project(id) => Self::Project(id),
                Subject::Resource(_) | Subject::Operator => Self::Nobody,
            },
        }
    }
}

/// How strongly a resource is reached at a version. What is public is read by everybody.
pub(super) fn resource(snapshot: &impl Snapshot, who: Who, resource: &Resource, version: Version) -> Access {
    let public = if resource.visibility.is_public_at(version) { Access::Read } else { Access::None };
    held(snapshot, who, resource, version).max(public)
}

/// How strongly a resource is reached for what the asker is to its owner.
///
/// | owner | signed in | account key | team key | project key |
/// |---|---|---|---|---|
/// | account | itself: administer | itself: administer | - | - |
/// | team | owner, admin, creator: administer; member: write if shared | - | the team: administer if shared | - |
/// | project | by role; a creator who may write: administer | the same | - | the project: administer |
fn held(snapshot: &impl Snapshot, who: Who, resource: &Resource, version: Version) -> Access {
    let created = |account: AccountId| resource.creator == Some(account);
    match (resource.owner, who) {
        (Owner::Account(owner), Who::SignedIn(account) | Who::AccountKey(account)) if owner == account => {
            Access::Administer
        }
        (Owner::Team(team), Who::SignedIn(account)) => {
            match snapshot.team(team).and_then(|team| team.members.role(account)) {
                Some(TeamRole::Owner | TeamRole::Admin) => Access::Administer,
                Some(TeamRole::Member) if created(account) => Access::Administer,
                Some(TeamRole::Member) if resource.visibility.is_shared_at(version) => Access::Write,
                Some(TeamRole::Member) | None => Access::None,
            }
        }
        (Owner::Team(owner), Who::Team(team))
            if owner == team && resource.visibility.is_shared_at(version) =>
        {
            Access::Administer
        }
        (Owner::Project(project), Who::SignedIn(account) | Who::AccountKey(account)) => {
            match snapshot.project(project).and_then(|project| project_role(snapshot, project, who)) {
                Some(ProjectRole::Admin) => Access::Administer,
                Some(ProjectRole::Collaborator) if created(account) => Access::Administer,
                Some(ProjectRole::Collaborator) => Access::Write,
                Some(ProjectRole::Viewer) => Access::Read,
                None => Access::None,
            }
        }
        (Owner::Project(owner), Who::Project(project)) if owner == project => Access::Administer,
        (Owner::Account(_) | Owner::Team(_) | Owner::Project(_), _) => Access::None,
    }
}

/// How strongly an account, a team or a project is reached. One that is closed or unknown is not.
pub(super) fn container(snapshot: &impl Snapshot, who: Who, target: Target<'_>) -> Access {
    if !is_open(snapshot, target) {
        return Access::None;
    }
    match (target, who) {
        (Target::Account(target), Who::SignedIn(account) | Who::AccountKey(account)) if target == account => {
            Access::Administer
        }
        (Target::Team(target), Who::Team(team)) if target == team => Access::Administer,
        (Target::Team(team), Who::SignedIn(account)) => {
            match snapshot.team(team).and_then(|team| team.members.role(account)) {
                Some(TeamRole::Owner | TeamRole::Admin) => Access::Administer,
                Some(TeamRole::Member) => Access::Read,
                None => Access::None,
            }
        }
        (Target::Project(target), Who::Project(project)) if target == project => Access::Administer,
        (Target::Project(project), Who::SignedIn(_) | Who::AccountKey(_)) => {
            match snapshot.project(project).and_then(|project| project_role(snapshot, project, who)) {
                Some(ProjectRole::Admin) => Access::Administer,
                Some(ProjectRole::Collaborator) => Access::Write,
                Some(ProjectRole::Viewer) => Access::Read,
                None => Access::None,
            }
        }
        _ => Access::None,
    }
}

/// The role in a project: the one given there; admin for the account that holds it and, when signed in,
/// for the owners and admins of the team that does.
fn project_role(snapshot: &impl Snapshot, project: &Project, who: Who) -> Option<ProjectRole> {
    let account = match who {
        Who::SignedIn(account) | Who::AccountKey(account) => account,
        Who::Team(_) | Who::Project(_) | Who::Nobody => return None,
    };
    let holds = match (project.owner, who) {
        (ProjectOwner::Account(owner), _) => owner == account,
        (ProjectOwner::Team(team), Who::SignedIn(_)) => snapshot
            .team(team)
            .filter(|team| !team.closed)
            .and_then(|team| team.members.role(account))
            .is_some_and(|role| role >= TeamRole::Admin),
        (ProjectOwner::Team(_), _) => false,
    };
    if holds { Some(ProjectRole::Admin) } else { project.members.role(account) }
}

pub(super) fn is_open_account(snapshot: &impl Snapshot, id: AccountId) -> bool {
    snapshot.account(id).is_some_and(|account| !account.closed)
}

fn is_open_team(snapshot: &impl Snapshot, id: TeamId) -> bool {
    snapshot.team(id).is_some_and(|team| !team.closed)
}

/// A project is open while its owner is.
fn is_open_project(snapshot: &impl Snapshot, id: ProjectId) -> bool {
    snapshot.project(id).is_some_and(|project| {
        !project.closed
            && match project.owner {
                ProjectOwner::Account(account) => is_open_account(snapshot, account),
                ProjectOwner::Team(team) => is_open_team(snapshot, team),
            }
    })
}

pub(super) fn is_open_owner(snapshot: &impl Snapshot, owner: Owner) -> bool {
    match owner {
        Owner::Account(id) => is_open_account(snapshot, id),
        Owner::Team(id) => is_open_team(snapshot, id),
        Owner::Project(id) => is_open_project(snapshot, id),
    }
}

/// Whether what a key stands for is open. A resource is judged when it is read.
pub(super) fn is_open_subject(snapshot: &impl Snapshot, subject: SubjectView<'_>) -> bool {
    match subject {
        Subject::Account(id) => is_open_account(snapshot, id),
        Subject::Team(id) => is_open_team(snapshot, id),
        Subject::Project(id) => is_open_project(snapshot, id),
        Subject::Resource(_) | Subject::Operator => true,
    }
}

fn is_open(snapshot: &impl Snapshot, target: Target<'_>) -> bool {
    match target {
        Target::Account(id) => is_open_account(snapshot, id),
        Target::Team(id) => is_open_team(snapshot, id),
        Target::Project(id) => is_open_project(snapshot, id),
        Target::Nothing | Target::Operator | Target::Resource(..) | Target::Hosted(..) => true,
        Target::External(..) | Target::Impossible => false,
    }
}

/// Whether the container exists at all, closed or not: operators see those, too.
pub(super) fn is_known(snapshot: &impl Snapshot, target: Target<'_>) -> bool {
    match target {
        Target::Account(id) => snapshot.account(id).is_some(),
        Target::Team(id) => snapshot.team(id).is_some(),
        Target::Project(id) => snapshot.project(id).is_some(),
        Target::Nothing | Target::Operator | Target::Resource(..) | Target::Hosted(..) => true,
        Target::External(..) | Target::Impossible => false,
    }
}
