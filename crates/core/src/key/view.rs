//! What a decision reads of a key, wherever its parts are kept.

use super::record::{KeyEntry, Rights};
use crate::id::KeyId;
use crate::lifecycle::{Standing, Status};
use crate::restriction::Restrictions;
use crate::scope::ScopeSet;
use crate::subject::SubjectView;
use crate::time::{Timestamp, UnixSeconds};

/// What a decision reads of a key. Many keys share scopes and restrictions, so these are borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyView<'s> {
    /// Its identifier.
    pub id: KeyId,
    /// What was last set by hand.
    pub status: Status,
    /// What it may do.
    pub rights: RightsView<'s>,
}

/// [`Rights`], borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RightsView<'s> {
    /// What it stands for.
    pub subject: SubjectView<'s>,
    /// What it may do there.
    pub scopes: &'s ScopeSet,
    /// The second from which it is refused.
    pub expires_at: Option<UnixSeconds>,
    /// From where and how often it may be used.
    pub restrictions: &'s Restrictions,
}

impl KeyView<'_> {
    /// Its standing at an instant.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing::of(self.status, self.rights.expires_at, now)
    }

    /// The same with storage of its own.
    #[must_use]
    pub fn to_entry(&self) -> KeyEntry {
        KeyEntry { id: self.id, status: self.status, rights: self.rights.to_rights() }
    }
}

impl RightsView<'_> {
    /// Whether these rights outlast those: a key that ends must not make one that does not.
    #[must_use]
    pub fn outlast(&self, other: &Rights) -> bool {
        match (self.expires_at, other.expires_at) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs <= mine,
        }
    }

    /// The same with storage of its own.
    #[must_use]
    pub fn to_rights(&self) -> Rights {
        Rights {
            subject: self.subject.to_subject(),
            scopes: self.scopes.clone(),
            expires_at: self.expires_at,
            restrictions: self.restrictions.clone(),
        }
    }
}

impl<'s> From<&'s KeyEntry> for KeyView<'s> {
    fn from(entry: &'s KeyEntry) -> Self {
        Self { id: entry.id, status: entry.status, rights: (&entry.rights).into() }
    }
}

impl<'s> From<&'s Rights> for RightsView<'s> {
    fn from(rights: &'s Rights) -> Self {
        Self {
            subject: rights.subject.view(),
            scopes: &rights.scopes,
            expires_at: rights.expires_at,
            restrictions: &rights.restrictions,
        }
    }
}
