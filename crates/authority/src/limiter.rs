//! How often each key was used, for keys that have a rate or a quota. Exact on this node: a use is one
//! exchange of one number, and none is lost, not even when idle entries are dropped at that moment.
//!
//! A key that goes on beside the one that replaces it counts together with it, so that a rotation gives nothing twice.
//!
//! Nothing of it is written down. After a restart every rate begins afresh; quotas go on from the counters of
//! use, which are written: see [`Authority::seed_quotas`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::key::KeyView;
use claviger_core::lifecycle::is_expired;
use claviger_core::quota::{Metered, QuotaState};
use claviger_core::rate::RateState;
use claviger_core::restriction::{Quota, QuotaPeriod};
use claviger_core::{KeyId, Timestamp, UnixSeconds};
use claviger_store::{Overlap, StoreError};
use papaya::HashMap;

use crate::authority::Authority;

/// An entry that is being dropped: whoever finds it looks again. No state is ever this large.
const DROPPED: u64 = u64::MAX;
/// Quotas that are read at once, so that a start with many of them holds no reader for long.
const SEEDED_AT_ONCE: usize = 1_000;

/// A number for each key that has one.
#[derive(Default)]
pub(crate) struct States(HashMap<KeyId, AtomicU64>);

impl States {
    /// Counts one use: `step` says what becomes of the number, and what came of the use.
    pub(crate) fn admit<D>(&self, key: KeyId, step: impl Fn(u64) -> (u64, D)) -> D {
        let states = self.0.pin();
        loop {
            let state = states.get_or_insert_with(key, AtomicU64::default);
            let mut seen = state.load(Ordering::Acquire);
            while seen != DROPPED {
                let (next, decision) = step(seen);
                match state.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return decision,
                    Err(other) => seen = other,
                }
            }
            // Whoever dropped it may not have come to removing it.
            let _removed = states.remove_if(&key, |_, state| state.load(Ordering::Acquire) == DROPPED);
        }
    }

    fn set(&self, key: KeyId, state: u64) {
        self.admit(key, |_| (state, ()));
    }

    fn get(&self, key: KeyId) -> u64 {
        let seen = self.0.pin().get(&key).map_or(0, |state| state.load(Ordering::Acquire));
        if seen == DROPPED { 0 } else { seen }
    }

    /// Drops what says no more than nothing would.
    pub(crate) fn sweep(&self, is_idle: impl Fn(u64) -> bool) -> usize {
        let states = self.0.pin();
        let mut dropped = 0;
        for (key, state) in &states {
            let seen = state.load(Ordering::Acquire);
            let idle = seen != DROPPED && is_idle(seen);
            // A use that comes first keeps the entry; one that comes later finds it dropped and makes another.
            if idle && state.compare_exchange(seen, DROPPED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                let _removed = states.remove_if(key, |_, state| state.load(Ordering::Acquire) == DROPPED);
                dropped += 1;
            }
        }
        dropped
    }
}

/// The states of all rates and quotas. Those of days and of months are apart, so that a quota of the one period can
/// be prepared while that of the other is in force.
#[derive(Default)]
pub(crate) struct Limiter {
    rates: States,
    days: States,
    months: States,
    /// Keys whose uses count with those of another one: of which, and until when that one goes on beside them.
    shared: HashMap<KeyId, (KeyId, UnixSeconds)>,
}

impl Limiter {
    fn quotas(&self, period: QuotaPeriod) -> &States {
        match period {
            QuotaPeriod::Day => &self.days,
            QuotaPeriod::Month => &self.months,
        }
    }

    /// Where the uses of a key count.
    fn slot(&self, key: KeyId) -> KeyId {
        self.shared.pin().get(&key).map_or(key, |(slot, _)| *slot)
    }

    /// Says how often a key was used in the period under way.
    pub(crate) fn set_quota(&self, key: KeyId, quota: Quota, used: u64, now: Timestamp) {
        self.quotas(quota.period).set(self.slot(key), quota.after(used, now).0);
    }

    /// Says that a key was used at least so often in the period under way.
    fn raise_quota(&self, key: KeyId, quota: Quota, used: u64, now: Timestamp) {
        let used = quota.after(used, now).0;
        self.quotas(quota.period)
            .admit(self.slot(key), |state| (quota.period.plus(QuotaState(state), 0, now).0.max(used), ()));
    }

    /// Has a new key count together with the one that it replaces, which goes on until then.
    pub(crate) fn share(&self, old: KeyId, new: KeyId, until: UnixSeconds) {
        self.shared.pin().insert(new, (self.slot(old), until));
    }

    /// Counts uses of a key that its quota did not see.
    pub(crate) fn add_to_quota(&self, key: KeyId, period: QuotaPeriod, uses: u64, now: Timestamp) {
        self.quotas(period).admit(self.slot(key), |state| (period.plus(QuotaState(state), uses, now).0, ()));
    }

    /// Lets a key go on with what another one has used up.
    pub(crate) fn carry(&self, from: KeyId, to: KeyId) {
        for states in [&self.rates, &self.days, &self.months] {
            let state = states.get(self.slot(from));
            if state != 0 {
                states.set(to, state);
            }
        }
    }

    /// Counts one use of a key against what it has of both. A use that is refused costs nothing: a quota
    /// that is used up is seen before the rate is asked, and one that is not is counted after. The clock is read only for
    /// a key that has a rate.
    pub(crate) fn admit(
        &self,
        key: KeyView<'_>,
        now: Timestamp,
        uptime: impl FnOnce() -> Duration,
    ) -> Option<Metered> {
        let restrictions = key.rights.restrictions;
        let (rate, quota) = (restrictions.rate, restrictions.quota);
        if rate.is_none() && quota.is_none() {
            return None;
        }
        let slot = self.slot(key.id);
        let spent = quota.map(|quota| quota.admit(QuotaState(self.quotas(quota.period).get(slot)), now).1);
        if let Some(spent) = spent.filter(|spent| !spent.allowed) {
            return Some(Metered { rate: None, quota: Some(spent) });
        }
        let rate = rate.map(|rate| {
            let uptime = uptime();
            self.rates.admit(slot, |state| {
                let (next, decision) = rate.admit(RateState(state), uptime);
                (next.0, decision)
            })
        });
        if rate.is_some_and(|rate| !rate.allowed) {
            // What is left of the quota is told as it is: this use is not counted.
            let left = spent.map(|mut left| {
                left.remaining += 1;
                left
            });
            return Some(Metered { rate, quota: left });
        }
        let quota = quota.map(|quota| {
            self.quotas(quota.period).admit(slot, |state| {
                let (next, decision) = quota.admit(QuotaState(state), now);
                (next.0, decision)
            })
        });
        Some(Metered { rate, quota })
    }

    /// What [`Limiter::admit`] would say, and what is left; nothing is used up.
    pub(crate) fn ask(
        &self,
        key: KeyView<'_>,
        now: Timestamp,
        uptime: impl FnOnce() -> Duration,
    ) -> Option<Metered> {
        let restrictions = key.rights.restrictions;
        if restrictions.rate.is_none() && restrictions.quota.is_none() {
            return None;
        }
        let slot = self.slot(key.id);
        let rate = restrictions.rate.map(|rate| {
            let mut decision = rate.admit(RateState(self.rates.get(slot)), uptime()).1;
            decision.remaining = decision.remaining.saturating_add(u32::from(decision.allowed));
            decision
        });
        let quota = restrictions.quota.map(|quota| {
            let mut decision = quota.admit(QuotaState(self.quotas(quota.period).get(slot)), now).1;
            decision.remaining = decision.remaining.saturating_add(u32::from(decision.allowed));
            decision
        });
        (rate.is_some() || quota.is_some()).then_some(Metered { rate, quota })
    }

    /// Drops what says no more than nothing would, and returns how many.
    pub(crate) fn sweep(&self, now: Timestamp, uptime: Duration) -> usize {
        let rates = self.rates.sweep(|state| RateState(state).is_idle(uptime));
        let is_over = |state| QuotaState(state).is_over(now);
        let dropped = rates + self.days.sweep(is_over) + self.months.sweep(is_over);
        self.part(now);
        dropped
    }

    /// Has keys count by themselves again once the one that they replaced is over, and nothing is left to share.
    fn part(&self, now: Timestamp) {
        let shared = self.shared.pin();
        for (key, (slot, until)) in &shared {
            let used = [&self.rates, &self.days, &self.months].iter().any(|states| states.get(*slot) != 0);
            if is_expired(Some(*until), now) && !used {
                shared.remove(key);
            }
        }
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.rates.0.len() + self.days.0.len() + self.months.0.len()
    }
}

impl Authority {
    /// Counts one use against the rate and the quota of a key, by itself.
    #[cfg(feature = "measure")]
    #[must_use]
    pub fn check_rate<'k>(&self, key: impl Into<KeyView<'k>>, now: Timestamp) -> Option<Metered> {
        self.shared.limiter.admit(key.into(), now, || self.shared.ports.clock.uptime())
    }

    /// Rates and quotas that are partly used up at the moment.
    #[must_use]
    pub fn limited_keys(&self) -> usize {
        self.shared.limiter.len()
    }

    /// Takes the uses of these keys in the period under way from the counters that were written, at a start; of keys that
    /// count together, the larger number. See [`Authority::begin_quota`] for a key that is in use.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn seed_quotas(&self, keys: &[(KeyId, Quota)]) -> Result<(), StoreError> {
        let now = self.settled_now();
        for Overlap { old, new, until } in self.shared.store.overlapping_keys(now.seconds()).await? {
            self.shared.limiter.share(old, new, until);
        }
        for some in keys.chunks(SEEDED_AT_ONCE) {
            let asked = some.iter().map(|(key, quota)| (*key, quota.period.bounds(now).0)).collect();
            let totals = self.shared.store.usage_totals(asked).await?;
            for ((key, quota), used) in some.iter().zip(totals) {
                self.shared.limiter.raise_quota(*key, *quota, used, now);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use claviger_core::key::{KeyEntry, Rights};
    use claviger_core::lifecycle::Status;
    use claviger_core::restriction::{Rate, Restrictions};
    use claviger_core::scope::ScopeSet;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const UPTIME: Duration = Duration::from_secs(10);

    #[test]
    fn exact_among_threads_and_under_sweeping() {
        let limiter = Arc::new(Limiter::default());
        let entry = |id| KeyEntry {
            id: KeyId::from_bits(id),
            status: Status::Active,
            rights: Rights {
                subject: claviger_core::Subject::Operator,
                scopes: ScopeSet::default(),
                expires_at: None,
                restrictions: Restrictions {
                    rate: (id != 2).then_some(Rate { limit: 1_000, period_seconds: 3_600 }),
                    quota: (id != 1).then_some(Quota { limit: 900, period: QuotaPeriod::Day }),
                    ..Restrictions::default()
                },
            },
        };
        let over = Arc::new(AtomicBool::new(false));
        let sweeper = std::thread::spawn({
            let (limiter, over) = (Arc::clone(&limiter), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Acquire) {
                    limiter.sweep(NOW, UPTIME);
                }
            }
        });
        let users = (0..4).map(|_| {
            let limiter = Arc::clone(&limiter);
            let keys = [1, 2, 3].map(entry);
            std::thread::spawn(move || {
                let use_all = |_| {
                    [0, 1, 2]
                        .map(|n: usize| limiter.admit((&keys[n]).into(), NOW, || UPTIME).unwrap().allowed())
                };
                let all = (0..2_000).map(use_all).collect::<Vec<_>>();
                [0, 1, 2].map(|n| all.iter().filter(|passed| passed[n]).count())
            })
        });
        let passed = users.collect::<Vec<_>>().into_iter().map(|user| user.join().unwrap());
        let passed = passed.fold([0; 3], |sum, own| [0, 1, 2].map(|n| sum[n] + own[n]));
        over.store(true, Ordering::Release);
        sweeper.join().unwrap();
        assert_eq!(passed, [1_000, 900, 900], "by a rate, by a quota, and by the narrower of both");
        assert_eq!(limiter.len(), 4);
        let later = Timestamp::from_millis(NOW.millis() + 3_600_000);
        let up = UPTIME + Duration::from_secs(3_600);
        assert_eq!((limiter.sweep(later, up), limiter.len()), (2, 2), "the rates are idle, the day goes on");
        assert_eq!(limiter.admit((&entry(1)).into(), later, || up).unwrap().rate.unwrap().remaining, 999);
        let told = limiter.admit((&entry(3)).into(), later, || up).unwrap();
        assert_eq!((told.code(), told.rate), ("quota_exceeded", None));
        let tomorrow = Timestamp::from_millis(NOW.millis() + 86_400_000);
        assert_eq!((limiter.sweep(tomorrow, 24 * up), limiter.len()), (3, 0));
        assert_eq!(
            limiter.admit((&entry(3)).into(), tomorrow, || 24 * up).unwrap().quota.unwrap().remaining,
            899
        );
    }
}
