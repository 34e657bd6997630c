//! The record of a key, and how it changes.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use super::format::FormatName;
use super::text::{Digest, Preview};
use super::view::RightsView;
use crate::id::{AccountId, KeyId};
use crate::lifecycle::{Standing, Status, is_expired};
use crate::limit::{METADATA_NAME_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX};
use crate::name::{Name, is_unprintable, is_visible};
use crate::restriction::Restrictions;
use crate::scope::{Action, ScopeSet};
use crate::selector::{Grants, Selector};
use crate::subject::{ResourceSubject, Subject};
use crate::time::{Timestamp, UnixSeconds};

/// What a key may do, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rights {
    /// What it stands for.
    pub subject: Subject,
    /// What it may do there.
    pub scopes: ScopeSet,
    /// The second from which it is refused.
    pub expires_at: Option<UnixSeconds>,
    /// From where and how often it may be used.
    pub restrictions: Restrictions,
}

impl Rights {
    /// Whether these rights outlast those: a key that ends must not make one that does not.
    #[must_use]
    pub fn outlast(&self, other: &Self) -> bool {
        RightsView::from(self).outlast(other)
    }

    /// Whether `other`, which stands for the same thing, may do nothing that these rights do not allow.
    #[must_use]
    pub fn include(&self, other: &Self) -> bool {
        let subject = match (&self.subject, &other.subject) {
            (Subject::Resource(mine), Subject::Resource(theirs)) => {
                mine.reference == theirs.reference
                    && mine.selector.includes(theirs.selector)
                    && mine.grants.includes(theirs.grants)
            }
            (mine, theirs) => mine == theirs,
        };
        subject
            && self.scopes.includes(&other.scopes)
            && self.outlast(other)
            && self.restrictions.includes(&other.restrictions)
    }
}

/// What verification has to know of a key. Decisions read it through a [`KeyView`](super::KeyView).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its identifier.
    pub id: KeyId,
    /// What was last set by hand.
    pub status: Status,
    /// What it may do.
    pub rights: Rights,
}

impl KeyEntry {
    /// Its standing at an instant.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing::of(self.status, self.rights.expires_at, now)
    }
}

/// Short texts for the host's own use, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(Box<[(Box<str>, Box<str>)]>);

/// Why metadata is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Too many pairs.
    #[error("must have at most {METADATA_PAIRS_MAX} members")]
    TooMany,
    /// A name that is empty, too long or invisible.
    #[error(
        "each member's name must have 1 to {METADATA_NAME_BYTES_MAX} bytes, some of them visible, such as \"customer\""
    )]
    Name,
    /// A value that is too long.
    #[error("each value must have at most {METADATA_VALUE_BYTES_MAX} bytes")]
    Value,
    /// A control character.
    #[error(
        "must not contain control characters or characters that override the direction of text, in names or in values"
    )]
    Control,
    /// Two names that are the same once they are normalised.
    #[error("each member's name must be given once; names that differ in Unicode spelling only are the same")]
    Twice,
}

impl Metadata {
    /// These pairs, normalised (NFC) and sorted by name. A value may be empty; tabs and line breaks are control
    /// characters like the others.
    ///
    /// # Errors
    /// [`MetadataError`] says what is wrong.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, MetadataError> {
        let mut read = Vec::new();
        for (name, value) in pairs {
            if read.len() == METADATA_PAIRS_MAX {
                return Err(MetadataError::TooMany);
            }
            // Before it is normalised, which could take long and makes a text shorter by a part only.
            if name.len() > METADATA_NAME_BYTES_MAX * 4 {
                return Err(MetadataError::Name);
            }
            if value.len() > METADATA_VALUE_BYTES_MAX * 4 {
                return Err(MetadataError::Value);
            }
            let [name, value] = [name, value].map(|text| text.nfc().collect::<String>());
            if name.chars().chain(value.chars()).any(is_unprintable) {
                return Err(MetadataError::Control);
            }
            if name.len() > METADATA_NAME_BYTES_MAX || !name.chars().any(is_visible) {
                return Err(MetadataError::Name);
            }
            if value.len() > METADATA_VALUE_BYTES_MAX {
                return Err(MetadataError::Value);
            }
            read.push((name.into_boxed_str(), value.into_boxed_str()));
        }
        read.sort();
        if read.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(MetadataError::Twice);
        }
        Ok(Self(read.into()))
    }

    /// Pairs that were read before, perhaps by an earlier version with other rules: taken as they are.
    #[must_use]
    pub fn from_stored(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut pairs =
            pairs.into_iter().map(|(n, v)| (n.into_boxed_str(), v.into_boxed_str())).collect::<Vec<_>>();
        pairs.sort();
        Self(pairs.into())
    }

    /// The pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A signed-in account.
    Account(AccountId),
    /// A key.
    Key(KeyId),
    /// Claviger itself, such as at its first start.
    System,
    /// Somebody without a credential, or with one that is not known.
    Anonymous,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::System => f.write_str("system"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

impl Actor {
    /// Reads the text that Display writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "system" => Some(Self::System),
            None if text == "anonymous" => Some(Self::Anonymous),
            Some(("account", id)) => id.parse().ok().map(Self::Account),
            Some(("key", id)) => id.parse().ok().map(Self::Key),
            _ => None,
        }
    }
}

/// By which door a key came into being.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CreatedVia {
    /// The console.
    Site,
    /// The REST API.
    Api,
    /// The command line on the machine itself, or the first start.
    Cli,
    /// An application that asked for it.
    App(Box<str>),
    /// An import.
    Import,
}

impl fmt::Display for CreatedVia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site => f.write_str("site"),
            Self::Api => f.write_str("api"),
            Self::Cli => f.write_str("cli"),
            Self::App(identifier) => write!(f, "app:{identifier}"),
            Self::Import => f.write_str("import"),
        }
    }
}

impl CreatedVia {
    /// Reads the text that Display writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "site" => Some(Self::Site),
            "api" => Some(Self::Api),
            "cli" => Some(Self::Cli),
            "import" => Some(Self::Import),
            _ => text.strip_prefix("app:").map(|identifier| Self::App(identifier.into())),
        }
    }
}

/// Everything that is known of a key but its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// What verification has to know of it.
    pub entry: KeyEntry,
    /// SHA-256 of its text.
    pub digest: Digest,
    /// What is shown of it.
    pub preview: Preview,
    /// What people call it; need not be unique.
    pub name: Name,
    /// The format it was made in; none if it was imported.
    pub format: Option<FormatName>,
    /// When it came into being.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Actor,
    /// By which door.
    pub created_via: CreatedVia,
    /// The key that it replaces, after a rotation.
    pub replaces: Option<KeyId>,
    /// For the host's own use.
    pub metadata: Metadata,
    /// Counts its changes, from 1; what an `ETag` is made of.
    pub revision: u64,
}

/// What may be changed of a key. What is absent stays.
#[derive(Debug, Clone, Default)]
pub struct KeyPatch {
    /// A new name.
    pub name: Option<Name>,
    /// Disabled, or active again; never retired.
    pub status: Option<Status>,
    /// Another date, or none.
    pub expires_at: Option<Option<UnixSeconds>>,
    /// Other scopes.
    pub scopes: Option<ScopeSet>,
    /// Other versions; resource keys only.
    pub selector: Option<Selector>,
    /// Other grants; resource keys only.
    pub grants: Option<Grants>,
    /// Other restrictions.
    pub restrictions: Option<Restrictions>,
    /// Other metadata.
    pub metadata: Option<Metadata>,
}

/// Why a key cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// Only resource keys have versions and grants.
    #[error("only keys of a resource have `versions` and `grants`")]
    NotAResourceKey,
    /// A date that has come already.
    #[error("must be in the future; to end a key now, disable or delete it")]
    PastExpiry,
    /// The key is past its date.
    #[error(
        "the key has expired; give it a later `expires_at` in the same request, such as \"2027-01-31T12:00:00Z\""
    )]
    Expired,
    /// The key was replaced.
    #[error(
        "the key was replaced and stays retired; only its `name` and `metadata` can be changed. Use the key that replaces it, or create a new one"
    )]
    Retired,
    /// Only rotation retires a key.
    #[error("only a rotation retires a key; write \"active\" or \"disabled\"")]
    Retires,
}

/// What a change does to the rights of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Effect {
    /// Something is allowed now that was not before.
    pub widens: bool,
    /// Something is no longer allowed: the change is a revocation.
    pub revokes: bool,
    /// Anything differs at all.
    pub changes: bool,
}

impl KeyRecord {
    /// The record after a change, and what the change does to its rights.
    ///
    /// # Errors
    /// [`PatchError`] says what cannot be.
    pub fn patched(&self, patch: KeyPatch, now: Timestamp) -> Result<(Self, Effect), PatchError> {
        let mut next = self.clone();
        if patch.status == Some(Status::Retired) {
            return Err(PatchError::Retires);
        }
        if patch.selector.is_some() || patch.grants.is_some() {
            let Subject::Resource(resource) = &self.entry.rights.subject else {
                return Err(PatchError::NotAResourceKey);
            };
            next.entry.rights.subject = Subject::Resource(Box::new(ResourceSubject {
                reference: resource.reference.clone(),
                selector: patch.selector.unwrap_or(resource.selector),
                grants: patch.grants.unwrap_or(resource.grants),
            }));
        }
        if let Some(expires_at) = patch.expires_at {
            if expires_at != self.entry.rights.expires_at && is_expired(expires_at, now) {
                return Err(PatchError::PastExpiry);
            }
            next.entry.rights.expires_at = expires_at;
        }
        if let Some(status) = patch.status {
            let enables = status == Status::Active && self.entry.status == Status::Disabled;
            if enables && is_expired(next.entry.rights.expires_at, now) {
                return Err(PatchError::Expired);
            }
            next.entry.status = status;
        }
        next.entry.rights.scopes = patch.scopes.unwrap_or(next.entry.rights.scopes);
        next.entry.rights.restrictions = patch.restrictions.unwrap_or(next.entry.rights.restrictions);
        if self.entry.status == Status::Retired && next.entry != self.entry {
            return Err(PatchError::Retired);
        }
        next.name = patch.name.unwrap_or(next.name);
        next.metadata = patch.metadata.unwrap_or(next.metadata);
        let (before, after) = (&self.entry, &next.entry);
        let was_active = before.status == Status::Active;
        let is_active = after.status == Status::Active;
        let effect = Effect {
            widens: (is_active && !was_active) || !before.rights.include(&after.rights),
            revokes: was_active && (!is_active || !after.rights.include(&before.rights)),
            changes: next != *self,
        };
        if effect.changes {
            next.revision += 1;
        }
        Ok((next, effect))
    }

    /// Whether granting these rights is for operators only.
    #[must_use]
    pub fn grants_verification(scopes: &ScopeSet) -> bool {
        scopes.cover(&Action::literal("key", "verify"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Version;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn record(scopes: &str, expires_at: Option<u64>, status: Status) -> KeyRecord {
        KeyRecord {
            entry: KeyEntry {
                id: KeyId::from_bits(1),
                status,
                rights: Rights {
                    subject: Subject::Account(AccountId::from_bits(1)),
                    scopes: ScopeSet::parse(scopes.split_whitespace()).unwrap(),
                    expires_at: expires_at.and_then(UnixSeconds::new),
                    restrictions: Restrictions::default(),
                },
            },
            digest: Digest::of("x"),
            preview: Preview::of("sk_", "abcd"),
            name: Name::parse("n").unwrap(),
            format: None,
            created_at: NOW,
            created_by: Actor::System,
            created_via: CreatedVia::Cli,
            replaces: None,
            metadata: Metadata::default(),
            revision: 1,
        }
    }

    fn effect(before: &KeyRecord, patch: KeyPatch) -> (bool, bool) {
        let (next, effect) = before.patched(patch, NOW).unwrap();
        assert_eq!(effect.changes, next.revision == 2);
        (effect.widens, effect.revokes)
    }

    #[test]
    fn what_a_change_does_to_the_rights() {
        use Status::{Active, Disabled};
        let scopes = |text: &str| KeyPatch {
            scopes: ScopeSet::parse(text.split_whitespace()).ok(),
            ..KeyPatch::default()
        };
        let status = |status| KeyPatch { status: Some(status), ..KeyPatch::default() };
        let expiry = |at: Option<u64>| KeyPatch {
            expires_at: Some(at.and_then(UnixSeconds::new)),
            ..KeyPatch::default()
        };
        let active = record("a:read b:read", Some(5_000), Active);
        assert_eq!(effect(&active, KeyPatch::default()), (false, false));
        assert_eq!(
            effect(&active, KeyPatch { name: Name::parse("m").ok(), ..KeyPatch::default() }),
            (false, false)
        );
        assert_eq!(effect(&active, scopes("a:read")), (false, true));
        assert_eq!(effect(&active, scopes("a:read b:read c:read")), (true, false));
        assert_eq!(effect(&active, scopes("c:read")), (true, true));
        assert_eq!(effect(&active, status(Disabled)), (false, true));
        assert_eq!(effect(&active, expiry(Some(4_000))), (false, true));
        assert_eq!(effect(&active, expiry(Some(6_000))), (true, false));
        assert_eq!(effect(&active, expiry(None)), (true, false));
        let disabled = record("a:read", None, Disabled);
        assert_eq!(effect(&disabled, status(Active)), (true, false));
        assert_eq!(effect(&disabled, status(Disabled)), (false, false));
        assert!(effect(&disabled, scopes("a:read b:read")).0, "more scopes widen what enabling will win");
    }

    #[test]
    fn what_cannot_be() {
        let key = record("", Some(900), Status::Disabled);
        let patch = |patch| key.patched(patch, NOW).map(|_| ()).unwrap_err();
        let grants = Some(Grants::BOTH);
        assert_eq!(patch(KeyPatch { grants, ..KeyPatch::default() }), PatchError::NotAResourceKey);
        let selector = Version::new(1).map(Selector::Only);
        assert_eq!(patch(KeyPatch { selector, ..KeyPatch::default() }), PatchError::NotAResourceKey);
        let expires_at = Some(UnixSeconds::new(1_000));
        assert_eq!(patch(KeyPatch { expires_at, ..KeyPatch::default() }), PatchError::PastExpiry);
        let status = Some(Status::Active);
        assert_eq!(patch(KeyPatch { status, ..KeyPatch::default() }), PatchError::Expired);
    }

    #[test]
    fn metadata_limits() {
        let pairs = |n: usize| (0..n).map(|n| (n.to_string(), String::new()));
        assert!(Metadata::new(pairs(16)).is_ok() && Metadata::new(pairs(17)).is_err());
        assert!(Metadata::new([(String::new(), String::new())]).is_err());
        assert!(Metadata::new([("a".repeat(65), String::new())]).is_err());
        assert!(Metadata::new([("a".into(), "v".repeat(513))]).is_err());
        let check = |name: &str, value: &str, expect: Result<(), MetadataError>| {
            assert_eq!(
                Metadata::new([(name.into(), value.into())]).map(|_| ()),
                expect,
                "{name:?} {value:?}"
            );
        };
        check("a", "", Ok(()));
        check("a", "gold \"é\"", Ok(()));
        check("", "", Err(MetadataError::Name));
        check("\u{200b}", "", Err(MetadataError::Name));
        for control in ["\u{0}", "a\nb", "\u{1b}[31m", "\u{202e}", "\u{7f}", "a\tb"] {
            check("a", control, Err(MetadataError::Control));
            check(control, "a", Err(MetadataError::Control));
        }
        let twice = |a: &str, b: &str| Metadata::new([(a.into(), "1".into()), (b.into(), "2".into())]);
        assert_eq!(twice("a", "a"), Err(MetadataError::Twice));
        assert_eq!(twice("é", "e\u{301}"), Err(MetadataError::Twice));
    }

    #[test]
    fn a_retired_key_stays_retired() {
        let key = record("a:read", Some(5_000), Status::Retired);
        let patch = |patch| key.patched(patch, NOW).map(|(_, effect)| (effect.widens, effect.revokes));
        for status in [Status::Active, Status::Disabled] {
            assert_eq!(
                patch(KeyPatch { status: Some(status), ..KeyPatch::default() }),
                Err(PatchError::Retired)
            );
        }
        let later = Some(UnixSeconds::new(9_000));
        assert_eq!(patch(KeyPatch { expires_at: later, ..KeyPatch::default() }), Err(PatchError::Retired));
        let both = KeyPatch { expires_at: later, status: Some(Status::Active), ..KeyPatch::default() };
        assert_eq!(patch(both), Err(PatchError::Retired));
        let scopes = ScopeSet::parse(["b:read"]).ok();
        assert_eq!(patch(KeyPatch { scopes, ..KeyPatch::default() }), Err(PatchError::Retired));
        assert_eq!(
            patch(KeyPatch { name: Name::parse("m").ok(), ..KeyPatch::default() }),
            Ok((false, false))
        );
        let metadata = Metadata::new([("a".into(), "b".into())]).ok();
        assert_eq!(patch(KeyPatch { metadata, ..KeyPatch::default() }), Ok((false, false)));
        let active = record("a:read", None, Status::Active);
        let retire = KeyPatch { status: Some(Status::Retired), ..KeyPatch::default() };
        assert_eq!(active.patched(retire, NOW).unwrap_err(), PatchError::Retires);
    }
}
