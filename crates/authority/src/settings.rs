//! What an installation can set.

use claviger_core::Kind;
use claviger_core::decide::Policy;
use claviger_core::key::{FormatName, KeyFormat};
use claviger_core::limit::{
    CHANGE_ROWS_KEPT, EXPIRED_KEY_RETENTION_DAYS, HISTORY_RETENTION_DAYS, JOURNAL_RETENTION_DAYS,
    KEYS_PER_AUTHORITY_MAX, USAGE_RETENTION_DAYS,
};
use claviger_core::scope::ScopeSet;

use crate::leaks::LeakPolicy;

/// Settings of the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Key formats by name.
    pub formats: Vec<(FormatName, KeyFormat)>,
    /// Per kind, what a creation means that does not say otherwise.
    pub defaults: Vec<KindDefaults>,
    /// What decisions depend on.
    pub policy: Policy,
    /// Unexpired keys of one account, team, project or resource.
    pub keys_per_authority_max: u32,
    /// Days for which an expired key stays listed; then it is purged.
    pub expired_key_retention_days: u32,
    /// Days for which the history is kept; none to keep it for ever.
    pub history_retention_days: Option<u32>,
    /// Days for which the hourly counters of keys are kept.
    pub usage_retention_days: u32,
    /// Days for which the journal of revocations reaches back, and so the age up to which a backup is restored
    /// without disabling every key; none for ever.
    pub journal_retention_days: Option<u32>,
    /// Change rows that are kept, at least 1.
    pub change_rows_kept: u64,
    /// Kinds whose keys are not disabled when they are reported as leaked; resource keys never are.
    pub leaks_only_told: Vec<Kind>,
}

/// What the creation of a key of one kind means that does not say otherwise.
#[derive(Debug, Clone)]
pub struct KindDefaults {
    /// The kind.
    pub kind: Kind,
    /// The name of its format.
    pub format: FormatName,
    /// Its scopes; none if they have to be named.
    pub scopes: Option<ScopeSet>,
}

/// The length of a body in the default formats: 190 bits.
const BODY_CHARACTERS: usize = 32;
const CHECKSUM_CHARACTERS: usize = 6;

/// The prefixes that say what kind a key is.
const PREFIXES: [(Kind, &str); 5] = [
    (Kind::Account, "sk_"),
    (Kind::Team, "sk-team-"),
    (Kind::Project, "sk-project-"),
    (Kind::Resource, "rk_"),
    (Kind::Operator, "ck_"),
];

/// The name of the format without a prefix, for clients that insist on exactly 32 characters.
pub const THIRTY_TWO: &str = "thirty_two";

impl Default for Settings {
    fn default() -> Self {
        let mut formats = Vec::new();
        let mut defaults = Vec::new();
        for (kind, prefix) in PREFIXES {
            let length = prefix.len() + BODY_CHARACTERS + CHECKSUM_CHARACTERS;
            // A default that is refused would be a mistake in this file; the test below looks at each.
            if let Ok(format) = KeyFormat::new(prefix, length, true) {
                formats.push((kind.as_str().into(), format));
            }
            let scopes = (kind != Kind::Operator).then(|| ScopeSet::parse(["*:read"]).unwrap_or_default());
            defaults.push(KindDefaults { kind, format: kind.as_str().into(), scopes });
        }
        if let Ok(format) = KeyFormat::new("", 32, false) {
            formats.push((THIRTY_TWO.into(), format));
        }
        Self {
            formats,
            defaults,
            policy: Policy::default(),
            keys_per_authority_max: KEYS_PER_AUTHORITY_MAX,
            expired_key_retention_days: EXPIRED_KEY_RETENTION_DAYS,
            history_retention_days: Some(HISTORY_RETENTION_DAYS),
            usage_retention_days: USAGE_RETENTION_DAYS,
            journal_retention_days: Some(JOURNAL_RETENTION_DAYS),
            change_rows_kept: CHANGE_ROWS_KEPT,
            leaks_only_told: Vec::new(),
        }
    }
}

impl Settings {
    /// What a report of a leaked key of this kind does.
    #[must_use]
    pub fn leak_policy(&self, kind: Kind) -> LeakPolicy {
        if self.leaks_only_told.contains(&kind) { LeakPolicy::Tell } else { LeakPolicy::default_for(kind) }
    }

    /// What a creation of this kind means that does not say otherwise.
    #[must_use]
    pub fn defaults_of(&self, kind: Kind) -> Option<&KindDefaults> {
        self.defaults.iter().find(|defaults| defaults.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_format() {
        let settings = Settings::default();
        assert_eq!(settings.formats.len(), 6);
        for kind in Kind::ALL {
            let defaults = settings.defaults_of(kind).unwrap();
            let (_, format) = settings.formats.iter().find(|(name, _)| *name == defaults.format).unwrap();
            assert_eq!(format.length(), format.prefix().len() + 38);
            assert_eq!(defaults.scopes.is_none(), kind == Kind::Operator);
        }
    }
}
