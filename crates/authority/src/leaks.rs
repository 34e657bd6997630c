//! Keys that were found where they should not be.
//!
//! Whoever reports a key holds it, so the report needs no other credential: it cannot do more harm than the
//! key itself could. What happens is set for each kind of key. A key of one resource stands in public pages
//! by design, so a report of one never ends it; its managers are told in the history.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use claviger_core::history::HistoryEntry;
use claviger_core::key::{Actor, Digest, KeyPatch, KeyRecord};
use claviger_core::lifecycle::{Standing, Status};
use claviger_core::permit::{RecordRef, SystemTask, WritePermit};
use claviger_core::{KeyId, Kind, Timestamp};
use claviger_store::{Audit, StoreError};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};

/// Characters of what a report says about where the key was found, at most: it ends up in a line of the history.
pub const PLACE_CHARACTERS_MAX: usize = 500;
/// Reports that only tell, remembered so that a repeated one does not fill the history.
const TOLD_MAX: usize = 10_000;

/// What a report of a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakPolicy {
    /// The key is disabled on the spot, and the history says why.
    Disable,
    /// The history says so; the key goes on.
    Tell,
}

impl LeakPolicy {
    /// What holds for a kind unless it is set otherwise. Resource keys can only be told about.
    #[must_use]
    pub const fn default_for(kind: Kind) -> Self {
        match kind {
            Kind::Account | Kind::Team | Kind::Project | Kind::Operator => Self::Disable,
            Kind::Resource => Self::Tell,
        }
    }
}

/// A key that was found, and where.
#[derive(Debug, Clone)]
pub struct LeakReport {
    /// Its digest.
    pub digest: Digest,
    /// Who found it: `github`, or what the reporter calls itself.
    pub source: String,
    /// Where.
    pub place: String,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakOutcome {
    /// No key of ours, or none any more.
    Unknown,
    /// The key was disabled.
    Disabled,
    /// The key's managers are told.
    Told,
    /// The key was disabled or past its date already.
    Ended,
}

/// What was only told lately.
#[derive(Default)]
pub(crate) struct Told(Mutex<VecDeque<KeyId>>);

impl Told {
    /// Whether this key was told about lately; it is from now on.
    fn again(&self, key: KeyId) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(&key) {
            return true;
        }
        if told.len() >= TOLD_MAX {
            told.pop_front();
        }
        told.push_back(key);
        false
    }
}

impl Authority {
    /// Takes in reports of keys that were found. When this returns, every key that its kind's policy ends is refused.
    ///
    /// # Errors
    /// The store cannot answer; reports before the one that failed are carried out.
    pub async fn report_leaks(&self, caller: &Caller, reports: Vec<LeakReport>) -> Result<Vec<LeakOutcome>> {
        let (authority, caller) = (self.clone(), caller.clone());
        self.to_the_end(async move {
            let mut outcomes = Vec::with_capacity(reports.len());
            for report in &reports {
                outcomes.push(authority.report_leak(&caller, report).await?);
            }
            // A key that somebody else disabled a moment ago counts as ended here: that has to be in force, too.
            authority.settle().await?;
            Ok(outcomes)
        })
        .await
    }

    async fn report_leak(&self, caller: &Caller, report: &LeakReport) -> Result<LeakOutcome> {
        // Unknown texts end here, without a look into the store.
        let Some(id) = self.read(|view| view.key(&report.digest).map(|key| key.id))? else {
            return Ok(LeakOutcome::Unknown);
        };
        let step = |_| self.leak_taken_in(caller, report);
        self.attempts(caller, &[RecordRef::Key(id)], false, step).await
    }

    async fn leak_taken_in(&self, caller: &Caller, report: &LeakReport) -> Result<LeakOutcome> {
        let permit = WritePermit::system(SystemTask::LeakIntake);
        let Some(stored) = self.shared.store.key_by_digest(report.digest).await? else {
            return Ok(LeakOutcome::Unknown);
        };
        let (before, now) = (stored.record, self.now());
        if before.entry.standing(now) != Standing::Active {
            return Ok(LeakOutcome::Ended);
        }
        let entry = self.leak_entry(caller, report, &before, now);
        let kind = before.entry.rights.authority.kind();
        if self.settings().leak_policy(kind) == LeakPolicy::Tell {
            if !self.shared.told.again(before.entry.id) {
                self.shared.store.append_history(vec![entry], permit).await?;
            }
            return Ok(LeakOutcome::Told);
        }
        let patch = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
        let (next, _) = before.patched(patch, now).map_err(|error| Error::invalid("status", error))?;
        match self.shared.store.update_key(next, before.revision, Audit::new(permit, entry)).await {
            Ok(_) => Ok(LeakOutcome::Disabled),
            // Deleted meanwhile: the next look finds nothing.
            Err(StoreError::NotFound) => Err(Error::Stale { current: 0 }),
            Err(error) => Err(error.into()),
        }
    }

    fn leak_entry(
        &self,
        caller: &Caller,
        report: &LeakReport,
        key: &KeyRecord,
        now: Timestamp,
    ) -> HistoryEntry {
        let place =
            report.place.chars().filter(|c| !c.is_control()).take(PLACE_CHARACTERS_MAX).collect::<String>();
        HistoryEntry {
            at: now,
            actor: Actor::System,
            key: None,
            action: "key:leaked".into(),
            target: format!("key:{}", key.entry.id).into(),
            authority: key.entry.rights.authority.to_string().into(),
            origin: caller.origin,
            address: caller.address,
            request_id: caller.request_id.clone(),
            outcome: "done".into(),
            detail: format!("reported by {}: {place}", report.source).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_remembered_for_a_while() {
        let told = Told::default();
        let most = TOLD_MAX as u128;
        assert!((0..most).all(|key| !told.again(KeyId::from_bits(key))));
        assert!(told.again(KeyId::from_bits(0)));
        assert!(!told.again(KeyId::from_bits(most)), "one more, for which the first is forgotten");
        assert!(!told.again(KeyId::from_bits(0)));
        assert_eq!(told.0.lock().unwrap().len(), TOLD_MAX);
    }
}
