//! What an installation can set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use claviger_core::Kind;
use claviger_core::decide::Policy;
use claviger_core::key::{FormatName, KeyFormat};
use claviger_core::limit::{
    CHANGE_ROWS_KEPT, EXPIRED_KEY_RETENTION_DAYS, HISTORY_RETENTION_DAYS, JOURNAL_RETENTION_DAYS,
    KEYS_PER_SUBJECT_MAX, PROJECTS_PER_OWNER_MAX, TEAMS_PER_ACCOUNT_MAX, USAGE_RETENTION_DAYS,
};
use claviger_core::permit::PolicyVersion;
use claviger_core::scope::ScopeSet;

use crate::authority::Authority;
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
    /// Keys of one account, team, project or resource, whatever their status.
    pub keys_per_subject_max: u32,
    /// Teams created for one account, closed ones included.
    pub teams_per_account_max: u32,
    /// Projects of one account or team, closed ones included.
    pub projects_per_owner_max: u32,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
            keys_per_subject_max: KEYS_PER_SUBJECT_MAX,
            teams_per_account_max: TEAMS_PER_ACCOUNT_MAX,
            projects_per_owner_max: PROJECTS_PER_OWNER_MAX,
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

    /// Those that differ and may change while the program runs, by their names in the configuration. Formats
    /// are not among them: the store has to know of each before a key has it.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let mut of_kinds = [self, other].map(|settings| settings.defaults.clone());
        of_kinds.iter_mut().for_each(|defaults| defaults.sort_by_key(|defaults| defaults.kind));
        let all = [
            ("account_keys_reach_teams", self.policy != other.policy),
            ("keys_per_subject_max", self.keys_per_subject_max != other.keys_per_subject_max),
            ("teams_per_account_max", self.teams_per_account_max != other.teams_per_account_max),
            ("projects_per_owner_max", self.projects_per_owner_max != other.projects_per_owner_max),
            (
                "expired_key_retention_days",
                self.expired_key_retention_days != other.expired_key_retention_days,
            ),
            ("history_retention_days", self.history_retention_days != other.history_retention_days),
            ("journal_retention_days", self.journal_retention_days != other.journal_retention_days),
            ("usage_retention_days", self.usage_retention_days != other.usage_retention_days),
            ("leaks", self.leaks_only_told != other.leaks_only_told),
            ("defaults", of_kinds[0] != of_kinds[1]),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// What a creation of this kind means that does not say otherwise.
    #[must_use]
    pub fn defaults_of(&self, kind: Kind) -> Option<&KindDefaults> {
        self.defaults.iter().find(|defaults| defaults.kind == kind)
    }
}

/// Settings that cannot be put in force while the program runs.
#[derive(Debug, thiserror::Error)]
#[error(
    "[defaults.{kind}]: the format `{format}` is new, and formats take a restart; restart, or name another"
)]
pub struct SettingsError {
    kind: Kind,
    format: FormatName,
}

/// How long a new policy waits for changes that are being written.
const POLICY_SECONDS_MAX: u64 = 5;

/// The settings in force, which others may take the place of.
pub(crate) struct InForce {
    all: ArcSwap<Settings>,
    /// The policy again, for every decision reads it: a load of one byte, where the whole would be a lease.
    account_keys_reach_teams: AtomicBool,
    /// Counts the policies. Read before the policy, and counted up after it, so that no permit claims a newer policy
    /// than that of its decision.
    version: AtomicU64,
}

impl InForce {
    pub(crate) fn new(settings: Settings) -> Self {
        let account_keys_reach_teams = AtomicBool::new(settings.policy.account_keys_reach_teams);
        Self { all: ArcSwap::from_pointee(settings), account_keys_reach_teams, version: AtomicU64::new(0) }
    }

    pub(crate) fn all(&self) -> Arc<Settings> {
        self.all.load_full()
    }

    pub(crate) fn policy_version(&self) -> PolicyVersion {
        PolicyVersion(self.version.load(Ordering::Acquire))
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy { account_keys_reach_teams: self.account_keys_reach_teams.load(Ordering::Acquire) }
    }
}

impl Authority {
    /// Puts other settings in force, all of them or none, and returns the names of those that changed. The
    /// formats stay as they are. If the policy is another one, changes that were decided under the earlier one and
    /// are not written yet are decided again; those that are being written are waited for.
    ///
    /// # Errors
    /// A default names a format that is not in force.
    pub async fn replace_settings(&self, settings: Settings) -> Result<Vec<&'static str>, SettingsError> {
        let (before, formats) = (self.settings(), self.formats());
        for KindDefaults { kind, format, .. } in &settings.defaults {
            if formats.get(format).is_none() {
                return Err(SettingsError { kind: *kind, format: format.clone() });
            }
        }
        let changed = before.differences(&settings);
        let settings = Settings { formats: before.formats.clone(), ..settings };
        let in_force = &self.shared.settings;
        in_force.account_keys_reach_teams.store(settings.policy.account_keys_reach_teams, Ordering::Release);
        let other_policy = before.policy != settings.policy;
        in_force.all.store(Arc::new(settings));
        if other_policy {
            let version = PolicyVersion(in_force.version.fetch_add(1, Ordering::AcqRel) + 1);
            let required = self.shared.store.require_policy(version);
            // Not longer: a program whose disk is stuck must still notice that it is to stop.
            match tokio::time::timeout(Duration::from_secs(POLICY_SECONDS_MAX), required).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the policy is in force; changes before it could not be waited for");
                }
                Err(_) => tracing::warn!("the policy is in force; changes before it are still being written"),
            }
        }
        Ok(changed)
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
