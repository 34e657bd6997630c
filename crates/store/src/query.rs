//! What is asked of the store, and what a listing returns. A filter that is absent lets everything pass.

use std::net::IpAddr;

use claviger_core::history::Origin;
use claviger_core::id::{AccountId, KeyId};
use claviger_core::key::{Actor, KeyRecord};
use claviger_core::lifecycle::Standing;
use claviger_core::name::{Email, ExternalId};
use claviger_core::principal::ProjectOwner;
use claviger_core::resource::{Owner, ResourceRecord, ResourceRef};
use claviger_core::{Kind, Timestamp, UnixSeconds};

/// Rows of one page at most: a page is decoded and answered in memory.
pub const PAGE_ROWS_MAX: u32 = 1_000;

/// One page of a listing: up to `limit` rows (never more than [`PAGE_ROWS_MAX`]) that follow `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<K> {
    /// The last row of the page before.
    pub after: Option<K>,
    /// Rows.
    pub limit: u32,
}

impl<K> Page<K> {
    /// The first page.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The page after a row.
    #[must_use]
    pub const fn after(row: K, limit: u32) -> Self {
        Self { after: Some(row), limit }
    }

    pub(crate) fn rows(&self) -> u32 {
        self.limit.min(PAGE_ROWS_MAX)
    }
}

/// A key, and when it was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The key.
    pub record: KeyRecord,
    /// When it was last used, as far as was written.
    pub last_used_at: Option<Timestamp>,
    /// From which address.
    pub last_used_from: Option<IpAddr>,
}

/// A key that goes on beside the one that replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The one that was replaced.
    pub old: KeyId,
    /// The one that replaces it.
    pub new: KeyId,
    /// When the old one expires.
    pub until: UnixSeconds,
}

/// A use of a key.
pub type LastUsed = (KeyId, Timestamp, Option<IpAddr>);

/// What became of a row that was to be staged for an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// It waits for the commit.
    Staged,
    /// There is such a key, or such a row.
    Duplicate,
    /// Such a key was deleted.
    Deleted,
    /// What it stands for does not exist.
    Missing,
    /// What it stands for has as many keys as it may have.
    Limit,
}

/// By what a digest is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A key, or a row of an open import.
    Key,
    /// A key that was deleted.
    Deleted,
}

/// How often a key was used, to be added to the counters of the minute and of the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCount {
    /// The key.
    pub key: KeyId,
    /// When.
    pub at: Timestamp,
    /// Uses that were let through.
    pub allowed: u64,
    /// Uses that were refused.
    pub refused: u64,
}

/// The time that one counter counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UsageStep {
    /// A minute; kept for a day.
    Minute,
    /// An hour.
    Hour,
    /// A day in UTC, the sum of its hours.
    Day,
}

impl UsageStep {
    /// Its length.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// Reads the word used in the API.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "minute" => Some(Self::Minute),
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            _ => None,
        }
    }
}

/// How often a key was used in one step. Steps in which it was not used do not appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageBucket {
    /// When the step begins.
    pub start: Timestamp,
    /// Uses that were let through.
    pub allowed: u64,
    /// Uses that were refused.
    pub refused: u64,
}

/// Which keys.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Reference texts of subjects, such as `account:acct_…`; of any of these. None of an empty list.
    pub subjects: Option<Vec<String>>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Of this standing at this instant.
    pub standing: Option<(Standing, Timestamp)>,
    /// Made by.
    pub created_by: Option<Actor>,
    /// Not used since; for a key never used, its creation counts.
    pub unused_since: Option<Timestamp>,
}

/// Which accounts.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// With this identifier of the host.
    pub external_id: Option<ExternalId>,
    /// With this address.
    pub email: Option<Email>,
}

/// Which teams.
#[derive(Debug, Clone, Default)]
pub struct TeamFilter {
    /// Which this account belongs to.
    pub member: Option<AccountId>,
    /// With this identifier of the host.
    pub external_id: Option<ExternalId>,
}

/// Which projects.
#[derive(Debug, Clone, Default)]
pub struct ProjectFilter {
    /// Which this account has a role in: a member's, or that of the one who holds it.
    pub member: Option<AccountId>,
    /// Held by.
    pub owner: Option<ProjectOwner>,
    /// With this identifier of the host.
    pub external_id: Option<ExternalId>,
}

/// Which resources.
#[derive(Debug, Clone, Default)]
pub struct ResourceFilter {
    /// Held by.
    pub owner: Option<Owner>,
    /// Of this type: the part of the name before the colon.
    pub kind: Option<String>,
}

/// Which rows of the history.
#[derive(Debug, Clone, Default)]
pub struct HistoryFilter {
    /// Listed under this subject.
    pub subject: Option<String>,
    /// Done by.
    pub actor: Option<Actor>,
    /// Done with this key.
    pub key: Option<KeyId>,
    /// Done to this target.
    pub target: Option<String>,
    /// This action.
    pub action: Option<String>,
    /// At this instant or later.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// By this way.
    pub origin: Option<Origin>,
    /// Written while a resource was owned by its present owner.
    pub owned: Option<OwnedSince>,
    /// Of this request.
    pub request_id: Option<String>,
}

/// Since when a resource is owned by its present owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnedSince {
    /// The last row of the history before that.
    pub after_row: u64,
    /// The instant.
    pub at: Timestamp,
}

/// What it takes to make the resources of a type what they shall be.
#[derive(Debug, Clone)]
pub struct Differences {
    /// The type.
    pub kind: String,
    /// Every resource of the type as it was when the differences were found, by name: when it was made, and
    /// its revision.
    pub seen: Vec<(ResourceRef, Timestamp, u64)>,
    /// What is new (revision 1) or different.
    pub put: Vec<ResourceRecord>,
    /// What goes.
    pub delete: Vec<ResourceRef>,
}
