//! What a key stands for.

use std::borrow::Borrow;
use std::fmt;

use crate::id::{AccountId, ProjectId, TeamId};
use crate::name::ExternalId;
use crate::principal::{Container, ContainerId};
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
    /// An external id where none is looked up.
    #[error("here only identifiers are taken, such as `account:acct_…`")]
    Unresolved,
    /// The external id of a container.
    #[error("an external id {0}")]
    External(#[from] crate::name::ExternalIdError),
    /// Neither a container nor a resource.
    #[error(
        "write `account:acct_…` or `account:external:…` (`team:` and `project:` alike), `operator` or `type:id` of a resource, such as `notebook:5e1f`"
    )]
    Form,
    /// A resource that cannot be.
    #[error(transparent)]
    Resource(ResourceNameError),
}

impl<'a> Reference<'a> {
    /// Reads a reference without an external id, as it stands in the store.
    ///
    /// # Errors
    /// [`ReferenceError`] says which part is not as it should be.
    pub fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        match WrittenReference::parse(text)? {
            WrittenReference::Known(reference) => Ok(reference),
            WrittenReference::External(..) => Err(ReferenceError::Unresolved),
        }
    }
}

/// What stands between a container's type and its external id.
const EXTERNAL: &str = "external:";

/// The external id in `external:user-4711`, if the text begins so.
///
/// # Errors
/// An external id that none can be.
pub fn external_id(text: &str) -> Option<Result<ExternalId, crate::name::ExternalIdError>> {
    text.strip_prefix(EXTERNAL).map(ExternalId::parse)
}

/// A reference as it was written: what it names by an external id has to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenReference<'a> {
    /// By an identifier of Claviger's, or a resource.
    Known(Reference<'a>),
    /// `account:external:user-4711`: by the host application's own name.
    External(Container, &'a str),
}

impl<'a> WrittenReference<'a> {
    /// Reads a reference, split at the first colon.
    ///
    /// # Errors
    /// [`ReferenceError`] says which part is not as it should be.
    pub fn parse(text: &'a str) -> Result<Self, ReferenceError> {
        let container = match text.split_once(':') {
            None if text == "operator" => return Ok(Self::Known(Reference::Operator)),
            Some(("account", _)) => Container::Account,
            Some(("team", _)) => Container::Team,
            Some(("project", _)) => Container::Project,
            _ => {
                let name = ResourceName::parse(text).map_err(|error| match error {
                    ResourceNameError::Type => ReferenceError::Form,
                    other => ReferenceError::Resource(other),
                })?;
                return Ok(Self::Known(Reference::Resource(name)));
            }
        };
        let id = text.split_once(':').map_or("", |(_, id)| id);
        if let Some(external) = id.strip_prefix(EXTERNAL) {
            ExternalId::check(external)?;
            return Ok(Self::External(container, external));
        }
        Ok(Self::Known(match container {
            Container::Account => Reference::Account(id.parse()?),
            Container::Team => Reference::Team(id.parse()?),
            Container::Project => Reference::Project(id.parse()?),
        }))
    }
}

impl From<ContainerId> for Reference<'_> {
    fn from(id: ContainerId) -> Self {
        match id {
            ContainerId::Account(id) => Self::Account(id),
            ContainerId::Team(id) => Self::Team(id),
            ContainerId::Project(id) => Self::Project(id),
        }
    }
}

/// The reference text.
impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Team(id) => write!(f, "team:{id}"),
            Self::Project(id) => write!(f, "project:{id}"),
            Self::Resource(name) => f.write_str(name.as_str()),
            Self::Operator => f.write_str("operator"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_they_are_written() {
        let id = AccountId::from_bits(7);
        let known = format!("account:{id}");
        assert_eq!(
            WrittenReference::parse(&known),
            Ok(WrittenReference::Known(Reference::Account(id))),
            "by an identifier"
        );
        for (text, container, external) in [
            ("account:external:user-4711", Container::Account, "user-4711"),
            ("team:external:a:b/c d", Container::Team, "a:b/c d"),
            ("project:external:external:é", Container::Project, "external:é"),
        ] {
            assert_eq!(WrittenReference::parse(text), Ok(WrittenReference::External(container, external)));
        }
        assert_eq!(Reference::from(Container::Account.unknown()), Reference::Account(AccountId::UNKNOWN));
        for wrong in [
            "account:external:",
            "account:external: x",
            "account:external:a\nb",
            "account:external",
            "account:External:x",
            "operator:external:x",
            "notebook:external:x",
            "account",
            "",
        ] {
            assert!(WrittenReference::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
