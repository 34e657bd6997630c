//! Keys that were found where they should not be.
//!
//! Anyone who reports a key holds it, so the report needs no other credential: it cannot do more harm than the
//! key itself could. What happens is set for each kind of key. A key of one resource stands in public pages
//! by design, so a report of one never ends it; its managers are told in the history.
//!
//! What a report says of its source and of the place is a claim unless it is signed, and the history says so. A
//! claim never keeps another report out of the history: only the same claim about the same key, and claims beyond
//! a number in a day that is enough to make managers look. Strangers share that number among themselves; those who have
//! a credential that is not published have one of their own, and operators none.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use claviger_core::decide::Credential;
use claviger_core::history::HistoryEntry;
use claviger_core::key::{Actor, Digest, KeyPatch, KeyRecord};
use claviger_core::lifecycle::{Standing, Status};
use claviger_core::name::is_unprintable;
use claviger_core::permit::{RecordRef, Undecided, WritePermit};
use claviger_core::scope::Action;
use claviger_core::{KeyId, Kind, Subject, Timestamp};
use claviger_store::{Audit, StoreError};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::tenant::Tenant;

/// Characters of what a report says about where the key was found, at most: it ends up in a line of the history.
pub const PLACE_CHARACTERS_MAX: usize = 500;
/// Unsigned reports that are remembered, so that a repeated one does not fill the history.
const RECENT_MAX: usize = 10_000;
/// Unsigned reports of one key in a day that the history takes of strangers, and of each tenant. Somebody can invent a
/// new place for each; what matters is known after a few.
const RECENT_PER_KEY_MAX: usize = 20;
/// For how long a claim counts.
const RECENT_MILLIS: i64 = 86_400_000;

/// Reporting needs nothing but a credential that is accepted, to count as known.
const REPORT: Action<'static> = Action::literal("key", "read");

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
    /// Who found it.
    pub source: LeakSource,
    /// Where, as the report says.
    pub place: String,
}

/// Who found a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeakSource {
    /// GitHub, whose signature was checked, and in what kind of content it found the key.
    GitHub(Option<String>),
    /// Somebody, who may call itself something; nobody knows whether it is true.
    Unconfirmed(Option<String>),
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakOutcome {
    /// No key of ours, or none any more.
    Unknown,
    /// The key was disabled.
    Disabled,
    /// The history says so, and with it the key's managers are told.
    Told,
    /// The history has as many reports of this key as it takes in a day; it does not have this one.
    AlreadyReported,
    /// The key was disabled or past its date already.
    Ended,
}

/// Unsigned reports of late, by key, source and place.
#[derive(Default)]
pub(crate) struct RecentReports {
    hasher: RandomState,
    reports: Mutex<Reports>,
    /// Reports that the history does not have, since the start.
    dropped: AtomicU64,
}

/// Whose share a report counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reporter {
    /// Without a credential that is accepted, or with a key of a resource, which stands in public pages.
    Stranger,
    Known(Tenant),
}

type Share = (KeyId, Reporter);

#[derive(Default)]
struct Reports {
    /// Claims, each with when it was made.
    shares: HashMap<Share, Vec<(u64, Timestamp)>>,
    /// The same, the oldest first.
    order: VecDeque<(Share, u64)>,
}

/// What becomes of a report that ends no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// The history takes a row.
    New,
    /// It has that very row.
    Known,
    /// It has too many.
    TooMany,
}

impl RecentReports {
    /// Whether the history takes a row for this report: a signed one always, another one if it is new and its share is
    /// not used up. Operators have no share.
    fn is_news(&self, share: Share, report: &LeakReport, now: Timestamp) -> News {
        let Some(claim) = self.claim(report) else { return News::New };
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(claims) = reports.shares.get_mut(&share) else { return News::New };
        claims.retain(|(_, at)| now.millis().saturating_sub(at.millis()) < RECENT_MILLIS);
        if claims.iter().any(|(known, _)| *known == claim) {
            News::Known
        } else if claims.len() >= RECENT_PER_KEY_MAX && share.1 != Reporter::Known(Tenant::Operator) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            News::TooMany
        } else {
            News::New
        }
    }

    /// Remembers a report whose row the history has. Between [`RecentReports::is_news`] and this, the key's lock is
    /// held.
    fn remember(&self, share: Share, report: &LeakReport, now: Timestamp) {
        let Some(claim) = self.claim(report) else { return };
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.shares.entry(share).or_default().push((claim, now));
        reports.order.push_back((share, claim));
        if reports.order.len() > RECENT_MAX
            && let Some((share, claim)) = reports.order.pop_front()
            && let Some(claims) = reports.shares.get_mut(&share)
        {
            claims.retain(|(known, _)| *known != claim);
            if claims.is_empty() {
                reports.shares.remove(&share);
            }
        }
    }

    /// What an unsigned report says.
    fn claim(&self, report: &LeakReport) -> Option<u64> {
        match &report.source {
            LeakSource::GitHub(_) => None,
            LeakSource::Unconfirmed(source) => Some(self.hasher.hash_one((source, &report.place))),
        }
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
        self.attempts(caller, &[RecordRef::Key(id)], &Condition::Always, step).await
    }

    async fn leak_taken_in(&self, caller: &Caller, report: &LeakReport) -> Result<LeakOutcome> {
        let permit = WritePermit::without_decision(Undecided::LeakIntake);
        let Some(stored) = self.shared.store.key_by_digest(report.digest).await? else {
            return Ok(LeakOutcome::Unknown);
        };
        let (before, now) = (stored.record, self.now());
        if before.entry.standing(now) != Standing::Active {
            return Ok(LeakOutcome::Ended);
        }
        let entry = self.leak_entry(caller, report, &before, now);
        let kind = before.entry.rights.subject.kind();
        if self.settings().leak_policy(kind) == LeakPolicy::Tell {
            let share = (before.entry.id, self.reporter(caller).await?);
            let settled = self.settled(now);
            match self.shared.recent_reports.is_news(share, report, settled) {
                News::New => {
                    self.shared.store.append_history(vec![entry], permit).await?;
                    self.shared.recent_reports.remember(share, report, settled);
                }
                News::Known => {}
                News::TooMany => return Ok(LeakOutcome::AlreadyReported),
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

    /// Reports of keys that the history does not have, because it has too many of the same key; since the start.
    #[must_use]
    pub fn leak_reports_dropped(&self) -> u64 {
        self.shared.recent_reports.dropped.load(Ordering::Relaxed)
    }

    async fn reporter(&self, caller: &Caller) -> Result<Reporter> {
        match self.accepts(caller, REPORT) {
            Ok(()) => {}
            Err(Error::Refused { .. }) => return Ok(Reporter::Stranger),
            Err(other) => return Err(other),
        }
        let published = self.read(|view| match caller.credential(view) {
            Credential::Key(key) => matches!(key.rights.subject.to_subject(), Subject::Resource(_)),
            Credential::SignedIn(_) => false,
            Credential::Anonymous | Credential::Unknown => true,
        })?;
        let tenant = if published { None } else { self.tenant(caller).await? };
        Ok(tenant.map_or(Reporter::Stranger, Reporter::Known))
    }

    fn leak_entry(
        &self,
        caller: &Caller,
        report: &LeakReport,
        key: &KeyRecord,
        now: Timestamp,
    ) -> HistoryEntry {
        // One line that reads as it was written, like a name.
        let printable = |text: &str| text.chars().filter(|c| !is_unprintable(*c)).collect::<String>();
        let place = printable(&report.place).chars().take(PLACE_CHARACTERS_MAX).collect::<String>();
        // Anybody may report; a credential that is presented as well, and accepted, says who it was.
        let mut deciding = self.deciding(caller);
        let accepted = deciding.accepted(REPORT);
        let by = accepted.and_then(|()| deciding.permitted()).ok();
        let detail = match &report.source {
            LeakSource::GitHub(content) => {
                let content = printable(content.as_deref().unwrap_or("content"));
                format!("reported by GitHub ({content}), signature checked: {place}")
            }
            LeakSource::Unconfirmed(None) => format!("unconfirmed report; place, as stated: {place}"),
            LeakSource::Unconfirmed(Some(source)) => {
                let source = printable(source);
                format!("unconfirmed report; source, as stated: {source}; place, as stated: {place}")
            }
        };
        HistoryEntry {
            at: now,
            actor: by.map_or(Actor::Anonymous, |by| by.actor),
            key: by.and_then(|by| by.key),
            action: "key:leaked".into(),
            target: format!("key:{}", key.entry.id).into(),
            subject: key.entry.rights.subject.to_string().into(),
            origin: caller.origin,
            address: caller.address,
            request_id: caller.request_id.clone(),
            outcome: "done".into(),
            detail: detail.into(),
            reasons: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(source: LeakSource, place: &str) -> LeakReport {
        LeakReport { digest: Digest::of("x"), source, place: place.to_owned() }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn of_strangers(key: u128) -> Share {
        (KeyId::from_bits(key), Reporter::Stranger)
    }

    /// Takes in a report, if it is news.
    fn takes(recent: &RecentReports, share: Share, report: &LeakReport) -> bool {
        let news = recent.is_news(share, report, NOW) == News::New;
        if news {
            recent.remember(share, report, NOW);
        }
        news
    }

    fn claimed(source: &str) -> LeakSource {
        LeakSource::Unconfirmed(Some(source.to_owned()))
    }

    #[test]
    fn a_false_report_keeps_no_other_one_out() {
        let recent = RecentReports::default();
        let key = of_strangers(1);
        let news = |source, place: &str| takes(&recent, key, &report(source, place));
        assert!(news(claimed("GitHub (content)"), "https://example.org/a"));
        assert!(!news(claimed("GitHub (content)"), "https://example.org/a"), "the same claim");
        assert!(news(claimed("GitHub (content)"), "https://example.org/b"));
        assert!(news(claimed("a crawler"), "https://example.org/a"));
        assert!(news(LeakSource::Unconfirmed(None), "https://example.org/a"));
        for n in 0..RECENT_PER_KEY_MAX - 4 {
            assert!(news(claimed("a crawler"), &n.to_string()));
        }
        assert!(!news(claimed("a crawler"), "one more"));
        for _ in 0..2 {
            let genuine = LeakSource::GitHub(Some("content".to_owned()));
            assert!(news(genuine, "https://example.org/a"), "a signed one always");
        }
        let other = report(claimed("a crawler"), "one more");
        assert_eq!(recent.is_news(of_strangers(2), &other, NOW), News::New, "another key");
        assert_eq!(recent.is_news(key, &other, NOW), News::TooMany);
        let tomorrow = Timestamp::from_millis(NOW.millis() + RECENT_MILLIS);
        assert_eq!(recent.is_news(key, &other, tomorrow), News::New);
        assert_eq!(recent.dropped.into_inner(), 2);
    }

    #[test]
    fn claims_are_remembered_for_a_while() {
        let recent = RecentReports::default();
        let news = |n: usize| takes(&recent, of_strangers(n as u128), &report(claimed("s"), "p"));
        assert!((0..RECENT_MAX).all(news));
        assert!(!news(0));
        assert!(news(RECENT_MAX), "one more, for which the first is forgotten");
        assert!(news(0));
        let reports = recent.reports.lock().unwrap();
        assert_eq!((reports.order.len(), reports.shares.len()), (RECENT_MAX, RECENT_MAX));
    }
}
