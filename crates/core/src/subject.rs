//! What a key stands for.

use std::borrow::Borrow;
use std::fmt;

use crate::id::{AccountId, ProjectId, TeamId};
use crate::resource::{ResourceName, ResourceNameError, ResourceRef};
use crate::selector::{Grants, Selector};

/// What a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject<R = Box<ResourceSubject>> {
    /// An account.
    Account(AccountId),
    /// A team.
    Team(TeamId),
    /// A project.
    Project(ProjectId),
    /// One resource, at the selected versions, with what it carries into an embed.
    Resource(R),
    /// Claviger itself.
    Operator,
}

/// The same, borrowed.
pub type SubjectView<'s> = Subject<&'s ResourceSubject>;

/// The subject of a resource key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceSubject {
    /// The resource.
    pub reference: ResourceRef,
    /// Which of its versions.
    pub selector: Selector,
    /// What it carries into an embed.
    pub grants: Grants,
}

/// The kind of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A key of an account.
    Account,
    /// A key of a team.
    Team,
    /// A key of a project.
    Project,
    /// A key of one resource.
    Resource,
    /// A key that runs Claviger.
    Operator,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Account, Self::Team, Self::Project, Self::Resource, Self::Operator];

    /// The word used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Team => "team",
            Self::Project => "project",
            Self::Resource => "resource",
            Self::Operator => "operator",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<R: Borrow<ResourceSubject>> Subject<R> {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Account(_) => Kind::Account,
            Self::Team(_) => Kind::Team,
            Self::Project(_) => Kind::Project,
            Self::Resource(_) => Kind::Resource,
            Self::Operator => Kind::Operator,
        }
    }

    /// The subject of a resource key, if it is one.
    #[must_use]
    pub fn as_resource(&self) -> Option<&ResourceSubject> {
        match self {
            Self::Resource(resource) => Some(resource.borrow()),
            Self::Account(_) | Self::Team(_) | Self::Project(_) | Self::Operator => None,
        }
    }

    /// The same, borrowed.
    #[must_use]
    pub fn view(&self) -> SubjectView<'_> {
        match self {
            Self::Account(id) => Subject::Account(*id),
            Self::Team(id) => Subject::Team(*id),
            Self::Project(id) => Subject::Project(*id),
            Self::Resource(resource) => Subject::Resource(resource.borrow()),
            Self::Operator => Subject::Operator,
        }
    }

    /// The same with storage of its own.
    #[must_use]
    pub fn to_subject(&self) -> Subject {
        match self {
            Self::Account(id) => Subject::Account(*id),
            Self::Team(id) => Subject::Team(*id),
            Self::Project(id) => Subject::Project(*id),
            Self::Resource(resource) => Subject::Resource(Box::new(resource.borrow().clone())),
            Self::Operator => Subject::Operator,
        }
    }
}

/// The reference text: `account:acct_…`, `team:…`, `project:…`, `notebook:5e1f…`, `operator`.
impl<R: Borrow<ResourceSubject>> fmt::Display for Subject<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Piece by piece, since it stands in every answer and every identity header.
        match self {
            Self::Account(id) => f.write_str("account:").and_then(|()| id.fmt(f)),
            Self::Team(id) => f.write_str("team:").and_then(|()| id.fmt(f)),
            Self::Project(id) => f.write_str("project:").and_then(|()| id.fmt(f)),
            Self::Resource(resource) => resource.borrow().reference.fmt(f),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// A text that names a subject or a target, before anything else is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `account:acct_…`
    Account(AccountId),
    /// `team:team_…`
    Team(TeamId),
    /// `project:proj_…`
    Project(ProjectId),
    /// `notebook:5e1f…`
    Resource(crate::resource::ResourceName<'a>),
    /// `operator`
    Operator,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The id after a container's type.
    #[error(transparent)]
    Id(#[from] crate::id::IdError),
    /// Neither a container nor a resource.
    #[error(
        "write `account:acct_…`, `team:team_…`, `project:proj_…`, `operator` or `type:id` of a resource, such as `notebook:5e1f`"
    )]
    Form,
    /// A resource that cannot be.
    #[error(transparent)]
    Resource(ResourceNameError),
}

impl<'a> Reference<'a> {
    /// Reads a reference, split at the first colon.
    ///
    /// # Errors
    /// [`ReferenceError`] says which part is not as it should be.
    pub fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        Ok(match text.split_once(':') {
            None if text == "operator" => Self::Operator,
            Some(("account", id)) => Self::Account(id.parse()?),
            Some(("team", id)) => Self::Team(id.parse()?),
            Some(("project", id)) => Self::Project(id.parse()?),
            _ => Self::Resource(ResourceName::parse(text).map_err(|error| match error {
                ResourceNameError::Type => ReferenceError::Form,
                other => ReferenceError::Resource(other),
            })?),
        })
    }
}
