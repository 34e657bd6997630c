//! Resources: the things that a host application protects.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::id::{AccountId, ProjectId, TeamId};
use crate::limit::RESOURCE_ID_BYTES_MAX;
use crate::scope::{is_control_type, is_word};
use crate::selector::Version;
use crate::short::ShortText;
use crate::time::Timestamp;

/// The name of a resource, `type:id`, borrowed from a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceName<'a> {
    text: &'a str,
    colon: usize,
}

/// Why a text does not name a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResourceNameError {
    /// The part before the colon.
    #[error(
        "write `type:id`, such as `notebook:5e1f`; the type is a lower-case word of at most 32 characters"
    )]
    Type,
    /// The part before the colon belongs to Claviger.
    #[error("this type belongs to Claviger itself; no resource can be of it")]
    ReservedType,
    /// The part after the colon.
    #[error(
        "the id of a resource is 1 to 128 of A-Z, a-z, 0-9, `.`, `_`, `~` and `-`, and neither `.` nor `..`; write, for example, `notebook:5e1f`"
    )]
    Id,
}

/// Whether this may be the id of a resource: `[A-Za-z0-9._~-]{1,128}`, the unreserved characters of RFC 3986, and
/// not a dot segment. So an id is one segment of a path, and has one spelling there.
#[must_use]
pub fn is_resource_id(text: &str) -> bool {
    (1..=RESOURCE_ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
        && !matches!(text, "." | "..")
}

impl<'a> ResourceName<'a> {
    /// Reads `type:id`, split at the first colon.
    ///
    /// # Errors
    /// Which side is not as it should be.
    pub fn parse(text: &'a str) -> Result<Self, ResourceNameError> {
        let colon = text.find(':').ok_or(ResourceNameError::Type)?;
        let (kind, id) = (&text[..colon], &text[colon + 1..]);
        if !is_word(kind) {
            Err(ResourceNameError::Type)
        } else if is_control_type(kind) {
            Err(ResourceNameError::ReservedType)
        } else if !is_resource_id(id) {
            Err(ResourceNameError::Id)
        } else {
            Ok(Self { text, colon })
        }
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> &'a str {
        &self.text[..self.colon]
    }

    /// The id within its type.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.text[self.colon + 1..]
    }

    /// The text `type:id`.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The name with storage of its own.
    #[must_use]
    pub fn to_ref(self) -> ResourceRef {
        ResourceRef(ShortText::new(self.text))
    }
}

impl fmt::Display for ResourceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// The name of a resource, `type:id`, with storage of its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceRef(ShortText);

impl ResourceRef {
    /// Reads `type:id`.
    ///
    /// # Errors
    /// Which side is not as it should be.
    pub fn parse(text: &str) -> Result<Self, ResourceNameError> {
        ResourceName::parse(text).map(ResourceName::to_ref)
    }

    /// The name, borrowed.
    #[must_use]
    pub fn name(&self) -> ResourceName<'_> {
        let text = self.as_str();
        // Only a parsed name becomes a reference, so there is a colon.
        ResourceName { text, colon: text.find(':').unwrap_or(0) }
    }

    /// The text `type:id`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The text as bytes, by which maps find it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for ResourceRef {
    type Err = ResourceNameError;

    fn from_str(text: &str) -> Result<Self, ResourceNameError> {
        Self::parse(text)
    }
}

impl Borrow<[u8]> for ResourceRef {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The one who holds a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An account.
    Account(AccountId),
    /// A team.
    Team(TeamId),
    /// A project.
    Project(ProjectId),
}

/// Who besides its owner sees a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Account: its owner. Team: its creator and the team's owners and admins. Project: everyone in it.
    Private,
    /// The whole team that holds it.
    Shared,
    /// Everyone.
    Public,
    /// Everyone from a version on; earlier versions stay as they were.
    PublicFrom {
        /// The first public version.
        first: Version,
        /// Whether the earlier ones are shared with the team (else they are private).
        before_shared: bool,
    },
}

impl Visibility {
    /// Whether everyone may read this version.
    #[must_use]
    pub fn is_public_at(self, version: Version) -> bool {
        match self {
            Self::Public => true,
            Self::PublicFrom { first, .. } => version >= first,
            Self::Private | Self::Shared => false,
        }
    }

    /// Whether the whole team that holds it reads this version.
    #[must_use]
    pub fn is_shared_at(self, version: Version) -> bool {
        match self {
            Self::Shared | Self::Public => true,
            Self::PublicFrom { first, before_shared } => before_shared || version >= first,
            Self::Private => false,
        }
    }

    /// The word used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Public | Self::PublicFrom { .. } => "public",
        }
    }
}

/// What one version of a resource references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct References {
    /// The version.
    pub version: Version,
    /// Names of secrets, sorted.
    pub secrets: Box<[Box<str>]>,
    /// Names of databases, sorted.
    pub databases: Box<[Box<str>]>,
}

/// A thing that the host application protects, as decisions see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub reference: ResourceRef,
    /// Who holds it: exactly one.
    pub owner: Owner,
    /// Who made it.
    pub creator: Option<AccountId>,
    /// Who else sees it.
    pub visibility: Visibility,
    /// Its latest version; versions 1 to this one exist.
    pub latest: Version,
    /// What its versions reference, sorted by version. A version that is missing references nothing.
    pub references: Box<[References]>,
}

impl Resource {
    /// What a version references, if anything.
    #[must_use]
    pub fn references_at(&self, version: Version) -> Option<&References> {
        self.references.binary_search_by_key(&version, |r| r.version).ok().map(|at| &self.references[at])
    }
}

/// Everything that is known of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRecord {
    /// What decisions see.
    pub resource: Resource,
    /// When it was first mirrored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes, from 1.
    pub revision: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = ResourceName::parse("notebook:5e1f_-A").unwrap();
        assert_eq!((name.kind(), name.id()), ("notebook", "5e1f_-A"));
        assert_eq!(ResourceName::parse("notebook"), Err(ResourceNameError::Type));
        assert_eq!(ResourceName::parse("Notebook:1"), Err(ResourceNameError::Type));
        assert_eq!(ResourceName::parse("team:1"), Err(ResourceNameError::ReservedType));
        for id in ["v1.2", ".hidden", "...", "~ada", "a..b", &"x".repeat(128)] {
            assert!(ResourceName::parse(&format!("notebook:{id}")).is_ok(), "{id:?}");
        }
        for id in ["", ".", "..", "a b", "a+b", "a@1", "a/b", "a%2f", "a:b", "é", &"x".repeat(129)] {
            assert_eq!(ResourceName::parse(&format!("notebook:{id}")), Err(ResourceNameError::Id), "{id:?}");
        }
    }

    #[test]
    fn a_resource_that_became_public_keeps_its_earlier_versions_as_they_were() {
        let at = |n| Version::new(n).unwrap();
        for before_shared in [false, true] {
            let visibility = Visibility::PublicFrom { first: at(5), before_shared };
            assert!(!visibility.is_public_at(at(4)) && visibility.is_public_at(at(5)));
            assert_eq!(visibility.is_shared_at(at(4)), before_shared);
            assert!(visibility.is_shared_at(at(5)));
        }
    }
}
