//! How often each key was used, for keys that have a rate. Exact on this node: a use is one exchange of one
//! number, and none is lost, not even when idle entries are dropped at that moment.
//!
//! Nothing of it is written down: after a restart every rate, quotas included, begins afresh.

use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::key::KeyView;
use claviger_core::rate::{RateDecision, RateState};
use claviger_core::restriction::Rate;
use claviger_core::{KeyId, Timestamp};
use papaya::HashMap;

use crate::authority::Authority;

/// An entry that is being dropped: whoever finds it looks again. No state is ever this large.
const DROPPED: u64 = u64::MAX;

/// The states of all rates.
#[derive(Default)]
pub(crate) struct Limiter {
    states: HashMap<KeyId, AtomicU64>,
}

impl Limiter {
    /// Counts one use.
    pub(crate) fn admit(&self, key: KeyId, rate: Rate, now: Timestamp) -> RateDecision {
        let states = self.states.pin();
        loop {
            let state = states.get_or_insert_with(key, AtomicU64::default);
            let mut seen = state.load(Ordering::Acquire);
            while seen != DROPPED {
                let (next, decision) = rate.admit(RateState(seen), now);
                match state.compare_exchange_weak(seen, next.0, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return decision,
                    Err(other) => seen = other,
                }
            }
            // Whoever dropped it may not have come to removing it.
            let _removed = states.remove_if(&key, |_, state| state.load(Ordering::Acquire) == DROPPED);
        }
    }

    /// Drops what says no more than nothing would.
    pub(crate) fn sweep(&self, now: Timestamp) -> usize {
        let states = self.states.pin();
        let mut dropped = 0;
        for (key, state) in &states {
            let seen = state.load(Ordering::Acquire);
            let idle = seen != DROPPED && RateState(seen).is_idle(now);
            // A use that comes first keeps the entry; one that comes later finds it dropped and makes another.
            if idle && state.compare_exchange(seen, DROPPED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                let _removed = states.remove_if(key, |_, state| state.load(Ordering::Acquire) == DROPPED);
                dropped += 1;
            }
        }
        dropped
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }
}

impl Authority {
    /// Counts one use against the rate of a key, if it has one: whether it is let through, and what the
    /// RateLimit fields of the answer say. To be called once for each request, after the key was accepted.
    #[must_use]
    pub fn check_rate<'k>(&self, key: impl Into<KeyView<'k>>, now: Timestamp) -> Option<RateDecision> {
        let key = key.into();
        let rate = key.rights.restrictions.rate?;
        Some(self.shared.limiter.admit(key.id, rate, now))
    }

    /// Keys whose rate is partly used up at the moment.
    #[must_use]
    pub fn limited_keys(&self) -> usize {
        self.shared.limiter.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn exact_among_threads_and_under_sweeping() {
        let limiter = Arc::new(Limiter::default());
        let rate = Rate { limit: 1_000, period_seconds: 3_600 };
        let over = Arc::new(AtomicBool::new(false));
        let sweeper = std::thread::spawn({
            let (limiter, over) = (Arc::clone(&limiter), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Acquire) {
                    limiter.sweep(NOW);
                }
            }
        });
        let users = (0..4).map(|_| {
            let limiter = Arc::clone(&limiter);
            std::thread::spawn(move || {
                let key = KeyId::from_bits(1);
                (0..2_000).filter(|_| limiter.admit(key, rate, NOW).allowed).count()
            })
        });
        let passed: usize = users.collect::<Vec<_>>().into_iter().map(|user| user.join().unwrap()).sum();
        over.store(true, Ordering::Release);
        sweeper.join().unwrap();
        assert_eq!(passed, 1_000);
        assert_eq!(limiter.len(), 1);
        let later = Timestamp::from_millis(NOW.millis() + 3_600_000);
        assert_eq!((limiter.sweep(later), limiter.len()), (1, 0));
        assert_eq!(limiter.admit(KeyId::from_bits(1), rate, later).remaining, 999);
    }
}
