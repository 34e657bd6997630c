//! Accounts, teams and projects as decisions see them: who belongs to what, in which role.
//!
//! These are immutable values that are swapped whole. Keys are judged through them at each decision, so
//! closing an account or removing a member takes effect on every key at once and rewrites none.

use std::fmt;

use crate::id::{AccountId, ProjectId, TeamId};
use crate::name::{Email, ExternalId, Name};
use crate::time::Timestamp;

/// A person, or one whom a host application manages under its own identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// What the host application calls it.
    pub external_id: Option<ExternalId>,
    /// Whether it was closed: nothing that hangs on it is accepted any more.
    pub closed: bool,
}

/// A kind of record that the host application can have a name of its own for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// An account.
    Account,
    /// A team.
    Team,
    /// A project.
    Project,
}

/// An account, a team or a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerId {
    /// An account.
    Account(AccountId),
    /// A team.
    Team(TeamId),
    /// A project.
    Project(ProjectId),
}

impl ContainerId {
    /// Its kind.
    #[must_use]
    pub const fn container(self) -> Container {
        match self {
            Self::Account(_) => Container::Account,
            Self::Team(_) => Container::Team,
            Self::Project(_) => Container::Project,
        }
    }
}

impl Container {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Account, Self::Team, Self::Project];

    /// An identifier of this kind that nothing ever has.
    #[must_use]
    pub const fn unknown(self) -> ContainerId {
        match self {
            Self::Account => ContainerId::Account(AccountId::UNKNOWN),
            Self::Team => ContainerId::Team(TeamId::UNKNOWN),
            Self::Project => ContainerId::Project(ProjectId::UNKNOWN),
        }
    }
}

/// What an account may do in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TeamRole {
    /// Reads and writes what the team shares and what it created there itself.
    Member,
    /// Everything in the team but its owners.
    Admin,
    /// Everything in the team.
    Owner,
}

/// What an account may do in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProjectRole {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Collaborator,
    /// Everything, members and keys included.
    Admin,
}

/// A role that has a word.
pub trait Role: Copy + Ord + 'static {
    /// Every role of this kind with its word, the weakest first.
    const WORDS: &'static [(Self, &'static str)];

    /// The word used in the API and in the store.
    #[must_use]
    fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(role, _)| *role == self).map_or("", |(_, word)| word)
    }

    /// Reads the word.
    #[must_use]
    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(role, _)| *role)
    }
}

impl Role for TeamRole {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Member, "member"), (Self::Admin, "admin"), (Self::Owner, "owner")];
}

impl Role for ProjectRole {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Viewer, "viewer"), (Self::Collaborator, "collaborator"), (Self::Admin, "admin")];
}

/// Accounts with their roles, sorted by account, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members<R>(Box<[(AccountId, R)]>);

impl<R: Role> Members<R> {
    /// The members; of an account named twice the stronger role counts.
    #[must_use]
    pub fn new(mut members: Vec<(AccountId, R)>) -> Self {
        members.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        members.dedup_by_key(|(account, _)| *account);
        Self(members.into())
    }

    /// The role of an account, if it is a member.
    #[must_use]
    pub fn role(&self, account: AccountId) -> Option<R> {
        self.0.binary_search_by_key(&account, |(id, _)| *id).ok().map(|at| self.0[at].1)
    }

    /// All of them, sorted by account.
    pub fn iter(&self) -> impl Iterator<Item = (AccountId, R)> {
        self.0.iter().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<R: Role> Default for Members<R> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// Accounts that hold resources and projects together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its identifier.
    pub id: TeamId,
    /// What the host application calls it.
    pub external_id: Option<ExternalId>,
    /// Whether it was closed.
    pub closed: bool,
    /// Who belongs to it.
    pub members: Members<TeamRole>,
}

/// A place of work that an account or a team holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its identifier.
    pub id: ProjectId,
    /// What the host application calls it.
    pub external_id: Option<ExternalId>,
    /// Whether it was closed.
    pub closed: bool,
    /// Who holds it.
    pub owner: ProjectOwner,
    /// Who works in it.
    pub members: Members<ProjectRole>,
}

/// Who holds a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProjectOwner {
    /// An account, which administers it.
    Account(AccountId),
    /// A team, whose owners and admins administer it.
    Team(TeamId),
}

/// Everything that is known of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// What decisions see.
    pub account: Account,
    /// What people call it.
    pub name: Option<Name>,
    /// With which it signs in; absent for an account that a host manages.
    pub email: Option<Email>,
    /// With which it proves who it is.
    pub password: Option<PasswordHash>,
    /// When it came into being.
    pub created_at: Timestamp,
    /// Counts its changes, from 1.
    pub revision: u64,
}

/// The hash of a password in PHC string form. Debug prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Takes a PHC string.
    #[must_use]
    pub fn from_phc(text: &str) -> Self {
        Self(text.into())
    }

    /// The PHC string, for the store and for verification.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Everything that is known of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRecord {
    /// What decisions see.
    pub team: Team,
    /// What people call it.
    pub name: Name,
    /// When it came into being.
    pub created_at: Timestamp,
    /// Counts its changes, members included, from 1.
    pub revision: u64,
}

/// Everything that is known of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRecord {
    /// What decisions see.
    pub project: Project,
    /// What people call it.
    pub name: Name,
    /// When it came into being.
    pub created_at: Timestamp,
    /// Counts its changes, members included, from 1.
    pub revision: u64,
}
