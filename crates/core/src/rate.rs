//! Rates: how often a key may be used, as arithmetic (GCRA, ITU-T I.371; no I/O and no clock here).
//!
//! All that is kept of a key is one instant, its *theoretical arrival time*: when the last of what was let
//! through would have been due at an even pace. A burst of up to `limit` is let through at once, and what
//! was used comes back evenly, one each `period / limit`; so in any span of time no more passes than
//! `limit + span / (period / limit)`. There is no window whose edge could be used twice.
//!
//! The time is one that nobody sets, such as how long the program has been running: by a wall clock that stands
//! still or is set back, what was used would not come back.
//!
//! A rate with a long period, up to 31 days, may be used up at once and comes back evenly. What comes back all
//! together, on the first of a month, is a [quota](crate::quota).

use std::time::Duration;

use crate::restriction::Rate;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What is kept of a rate between two uses: its theoretical arrival time, in nanoseconds of the uptime
/// (64 bits of them last for 584 years). 0 is a rate that was never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RateState(pub u64);

/// Whether one more use is let through, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateDecision {
    /// The rate that was asked for.
    pub rate: Rate,
    /// Whether this use is let through.
    pub allowed: bool,
    /// Uses that would be let through right now, after this one.
    pub remaining: u32,
    /// Until all `limit` uses are there again.
    pub reset_after: Duration,
    /// Until the next use is let through; nothing if this one was.
    pub retry_after: Duration,
}

impl RateState {
    /// Whether everything is there again, so that this state says no more than a new one would.
    #[must_use]
    pub fn is_idle(self, uptime: Duration) -> bool {
        self.0 <= nanos(uptime)
    }
}

impl Rate {
    /// Decides about one use at this uptime, and returns the state after it. A refused use costs nothing.
    ///
    /// A rate that was made narrower never shuts a key out for longer than its whole period: a state that lies further
    /// ahead counts as the furthest that its uses can lead to.
    #[must_use]
    pub fn admit(self, state: RateState, uptime: Duration) -> (RateState, RateDecision) {
        let (now, pace, limit) = (nanos(uptime), self.pace_nanos(), u64::from(self.limit));
        let burst = pace.saturating_mul(limit);
        let due = state.0.clamp(now, now.saturating_add(burst));
        let after = due.saturating_add(pace);
        let allowed = limit > 0 && after - now <= burst;
        let next = if allowed { after } else { due };
        let used = next - now;
        let decision = RateDecision {
            rate: self,
            allowed,
            remaining: u32::try_from(burst.saturating_sub(used) / pace).unwrap_or(u32::MAX),
            reset_after: Duration::from_nanos(used),
            retry_after: if allowed {
                Duration::ZERO
            } else {
                Duration::from_nanos((after - now).saturating_sub(burst))
            },
        };
        (RateState(next), decision)
    }

    /// Between two uses at an even pace; rounded up, so that rounding never lets more through.
    fn pace_nanos(self) -> u64 {
        let period = u64::from(self.period_seconds) * NANOS_PER_SECOND;
        period.div_ceil(u64::from(self.limit).max(1)).max(1)
    }
}

fn nanos(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_800_000_000;

    fn at(millis: i64) -> Duration {
        Duration::from_millis(START + millis.unsigned_abs())
    }

    fn admit(rate: Rate, state: &mut RateState, millis: i64) -> RateDecision {
        let (next, decision) = rate.admit(*state, at(millis));
        *state = next;
        decision
    }

    #[test]
    fn a_burst_then_an_even_pace() {
        let (rate, mut state) = (Rate { limit: 3, period_seconds: 60 }, RateState::default());
        for remaining in [2, 1, 0] {
            let decision = admit(rate, &mut state, 0);
            assert_eq!((decision.allowed, decision.remaining), (true, remaining));
        }
        let refused = admit(rate, &mut state, 0);
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert_eq!(refused.retry_after, Duration::from_secs(20));
        assert_eq!(refused.reset_after, Duration::from_secs(60));
        assert!(!admit(rate, &mut state, 19_999).allowed, "refused uses cost nothing, but do not help");
        assert!(admit(rate, &mut state, 20_000).allowed);
        assert!(!admit(rate, &mut state, 20_000).allowed);
        assert!(!state.is_idle(at(79_999)) && state.is_idle(at(80_000)));
        assert_eq!(admit(rate, &mut state, 80_000).remaining, 2);
    }

    #[test]
    fn a_rate_that_was_made_narrower_shuts_nobody_out_for_longer_than_its_period() {
        let mut state = RateState::default();
        for _ in 0..1_000 {
            assert!(admit(Rate { limit: 1_000, period_seconds: 1_000_000 }, &mut state, 0).allowed);
        }
        let rate = Rate { limit: 2, period_seconds: 10 };
        assert!(!admit(rate, &mut state, 0).allowed);
        assert!(admit(rate, &mut state, 5_000).allowed);
    }

    #[test]
    fn the_longest_quota_and_the_fastest_rate() {
        let month = Rate { limit: 1_000_000, period_seconds: crate::limit::RATE_PERIOD_SECONDS_MAX };
        let decision = month.admit(RateState::default(), at(0)).1;
        assert_eq!((decision.allowed, decision.remaining), (true, 999_999));
        let fast = Rate { limit: u32::MAX, period_seconds: 1 };
        assert!(fast.admit(RateState(u64::MAX), at(0)).1.retry_after <= Duration::from_secs(5));
        assert!(!Rate { limit: 0, period_seconds: 1 }.admit(RateState::default(), at(0)).1.allowed);
    }

    proptest! {
        /// Whatever the arrivals: in every span no more than the burst and what came back meanwhile.
        #[test]
        fn never_more_than_the_limit_and_what_came_back(
            limit in 1_u32..20, period_seconds in 1_u32..100, gaps in proptest::collection::vec(0_i64..8_000, 1..200)
        ) {
            let rate = Rate { limit, period_seconds };
            let (mut state, mut now, mut passed) = (RateState::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if admit(rate, &mut state, now).allowed {
                    passed.push(now);
                }
            }
            for (first, &from) in passed.iter().enumerate() {
                for (count, &to) in (1_i64..).zip(&passed[first..]) {
                    let back = (to - from) * i64::from(limit) / (i64::from(period_seconds) * 1_000);
                    prop_assert!(count <= i64::from(limit) + back, "{count} in {} ms", to - from);
                }
            }
        }

        /// Waiting as long as one is told is enough, and a millisecond less (the unit of the clock) is not.
        #[test]
        fn waiting_as_told_is_enough(limit in 1_u32..1_000, period_seconds in 1_u32..10_000) {
            let rate = Rate { limit, period_seconds };
            let mut state = RateState::default();
            for _ in 0..limit {
                prop_assert!(admit(rate, &mut state, 0).allowed);
            }
            let refused = admit(rate, &mut state, 0);
            prop_assert!(!refused.allowed);
            let wait = i64::try_from(refused.retry_after.as_nanos().div_ceil(1_000_000)).unwrap();
            prop_assert!(!rate.admit(state, at(wait - 1)).1.allowed);
            prop_assert!(rate.admit(state, at(wait)).1.allowed);
        }

        /// More time never leaves less, and the state never moves back while the clock does not.
        #[test]
        fn later_is_never_worse(limit in 1_u32..50, period_seconds in 1_u32..100, used in 0_u32..60, gap in 0_i64..9_000) {
            let rate = Rate { limit, period_seconds };
            let mut state = RateState::default();
            for _ in 0..used {
                let before = state;
                admit(rate, &mut state, 0);
                prop_assert!(state >= before);
            }
            let (sooner, later) = (rate.admit(state, at(gap)).1, rate.admit(state, at(gap + 1)).1);
            prop_assert!(later.allowed >= sooner.allowed && later.remaining >= sooner.remaining);
            prop_assert!(later.retry_after <= sooner.retry_after && later.reset_after <= sooner.reset_after);
        }
    }
}
