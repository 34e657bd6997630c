//! Quotas: how often a key may be used in a calendar day or month, in UTC, as arithmetic (no I/O and no clock
//! here). Unlike a rate, what was used comes back all together, when the next period begins.
//!
//! All that is kept of a key is the period it was last used in, and how often in that.

use std::time::Duration;

use crate::rate::RateDecision;
use crate::restriction::{Quota, QuotaPeriod};
use crate::time::{Timestamp, UnixSeconds, civil_from_days, days_from_civil};

const SECONDS_PER_DAY: i64 = 86_400;
/// Set in the numbers of months, so that a day is never taken for one.
const MONTHS: u32 = 1 << 31;

/// What is kept of a quota between two uses: the number of a period in the upper half, the uses in it in the
/// lower. 0 is a quota that was never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct QuotaState(pub u64);

impl QuotaState {
    fn new(period: u32, used: u32) -> Self {
        Self(u64::from(period) << 32 | u64::from(used))
    }

    fn used_in(self, period: u32) -> u32 {
        let [upper, used] = [(self.0 >> 32) as u32, self.0 as u32];
        if upper == period { used } else { 0 }
    }

    /// Whether its period is over, so that this state says no more than a new one would.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        let day_or_month = (self.0 >> 32) as u32;
        let period = if day_or_month & MONTHS == 0 { QuotaPeriod::Day } else { QuotaPeriod::Month };
        day_or_month < period.number(now)
    }
}

/// Whether one more use is let through, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuotaDecision {
    /// The quota that was asked for.
    pub quota: Quota,
    /// Whether this use is let through.
    pub allowed: bool,
    /// Uses that are left in this period, after this one.
    pub remaining: u32,
    /// How long this period is in all.
    pub length: Duration,
    /// Until the next period begins.
    pub reset_after: Duration,
}

impl Quota {
    /// Decides about one use, and returns the state after it. A refused use costs nothing.
    #[must_use]
    pub fn admit(self, state: QuotaState, now: Timestamp) -> (QuotaState, QuotaDecision) {
        let period = self.period.number(now);
        let used = state.used_in(period);
        let allowed = used < self.limit;
        let after = if allowed { used + 1 } else { used };
        let (start, end) = self.period.bounds(now);
        let decision = QuotaDecision {
            quota: self,
            allowed,
            remaining: self.limit.saturating_sub(after),
            length: Duration::from_secs(end.get() - start.get()),
            reset_after: Duration::from_millis(
                end.start().millis().saturating_sub(now.millis()).max(0).cast_unsigned(),
            ),
        };
        (QuotaState::new(period, after), decision)
    }

    /// The state after so many uses in the period of this instant, for what was counted elsewhere.
    #[must_use]
    pub fn after(self, used: u64, now: Timestamp) -> QuotaState {
        QuotaState::new(self.period.number(now), u32::try_from(used).unwrap_or(u32::MAX))
    }
}

impl QuotaPeriod {
    /// The state after so many more uses in the period of this instant.
    #[must_use]
    pub fn plus(self, state: QuotaState, uses: u64, now: Timestamp) -> QuotaState {
        let period = self.number(now);
        let used = u64::from(state.used_in(period)).saturating_add(uses);
        QuotaState::new(period, u32::try_from(used).unwrap_or(u32::MAX))
    }

    /// The first second of the period that an instant lies in, and that of the next one.
    #[must_use]
    pub fn bounds(self, now: Timestamp) -> (UnixSeconds, UnixSeconds) {
        let day = day_of(now);
        let [start, end] = match self {
            Self::Day => [day, day + 1],
            Self::Month => {
                let (year, month) = month_of(day);
                [
                    first_day(year, month),
                    if month == 12 { first_day(year + 1, 1) } else { first_day(year, month + 1) },
                ]
            }
        };
        let second = |day: i64| {
            UnixSeconds::new((day * SECONDS_PER_DAY).max(0).cast_unsigned()).unwrap_or(UnixSeconds::MAX)
        };
        (second(start), second(end))
    }

    /// Which period that is: periods of one kind are numbered in order, and none of a day is one of a month.
    fn number(self, now: Timestamp) -> u32 {
        let day = day_of(now);
        match self {
            Self::Day => u32::try_from(day).unwrap_or_default() & !MONTHS,
            Self::Month => {
                let (year, month) = month_of(day);
                MONTHS | u32::try_from(year * 12 + month).unwrap_or_default()
            }
        }
    }
}

fn day_of(now: Timestamp) -> i64 {
    now.millis().max(0) / (SECONDS_PER_DAY * 1_000)
}

/// The year and the month (from 1) of a day since 1970.
fn month_of(day: i64) -> (i64, i64) {
    let (year, month, _) = civil_from_days(day);
    (year, month)
}

/// The first day of a month, since 1970.
fn first_day(year: i64, month: i64) -> i64 {
    days_from_civil(year, month, 1)
}

/// What a use counts against: the rate of a key, its quota, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Metered {
    /// What its rate says, if it has one and was asked.
    pub rate: Option<RateDecision>,
    /// What its quota says, if it has one.
    pub quota: Option<QuotaDecision>,
}

impl Metered {
    /// Whether the use is let through.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.rate.is_none_or(|rate| rate.allowed) && self.quota.is_none_or(|quota| quota.allowed)
    }

    /// The stable code of the answer where it is not.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.quota {
            Some(quota) if !quota.allowed => "quota_exceeded",
            Some(_) | None => "rate_limited",
        }
    }

    /// Until the next use is let through, as far as one can tell.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        let rate = self.rate.map_or(Duration::ZERO, |rate| rate.retry_after);
        match self.quota {
            Some(quota) if !quota.allowed => quota.reset_after.max(rate),
            Some(_) | None => rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2027-01-31T23:59:59.500Z
    const LATE: i64 = 1_801_439_999_500;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn quota(limit: u32, period: QuotaPeriod) -> Quota {
        Quota { limit, period }
    }

    #[test]
    fn what_was_used_comes_back_with_the_next_period() {
        for period in [QuotaPeriod::Day, QuotaPeriod::Month] {
            let (quota, mut state) = (quota(2, period), QuotaState::default());
            let mut admit = |millis: i64| {
                let (next, decision) = quota.admit(state, at(millis));
                state = next;
                decision
            };
            assert_eq!((admit(LATE - 1_000).allowed, admit(LATE).remaining), (true, 0));
            let refused = admit(LATE);
            assert_eq!((refused.allowed, refused.reset_after), (false, Duration::from_millis(500)));
            assert!(!admit(LATE + 499).allowed);
            let fresh = admit(LATE + 500);
            assert_eq!((fresh.allowed, fresh.remaining), (true, 1));
            let days = if period == QuotaPeriod::Day { 1 } else { 28 };
            assert_eq!(fresh.length, Duration::from_secs(days * 86_400));
            assert_eq!(fresh.reset_after, fresh.length);
        }
    }

    #[test]
    fn months_of_the_calendar() {
        let check = |millis: i64, start: u64, days: u64| {
            let (from, until) = QuotaPeriod::Month.bounds(at(millis));
            assert_eq!((from.get(), until.get() - from.get()), (start, days * 86_400), "{millis}");
        };
        check(0, 0, 31);
        check(1_709_164_800_000, 1_706_745_600, 29); // 2024-02-29
        check(1_803_859_200_000, 1_803_859_200, 31); // 2027-03-01
        check(4_107_542_399_999, 4_105_123_200, 28); // 2100-02-28, which is the last of February
        check(1_798_761_599_999, 1_796_083_200, 31); // 2026-12-31
    }

    #[test]
    fn counted_elsewhere_and_another_period() {
        let (daily, monthly) = (quota(5, QuotaPeriod::Day), quota(5, QuotaPeriod::Month));
        assert_eq!(daily.admit(daily.after(3, at(LATE)), at(LATE)).1.remaining, 1);
        assert!(!daily.admit(daily.after(u64::MAX, at(LATE)), at(LATE)).1.allowed);
        assert_eq!(monthly.admit(daily.after(5, at(LATE)), at(LATE)).1.remaining, 4, "days are no months");
        assert!(
            !daily.after(1, at(LATE)).is_over(at(LATE)) && daily.after(1, at(LATE)).is_over(at(LATE + 500))
        );
        assert!(!monthly.after(1, at(LATE)).is_over(at(LATE)));
        assert!(monthly.after(1, at(LATE)).is_over(at(LATE + 500)));
    }

    proptest! {
        /// Every instant lies in its period, periods follow each other without a gap, and in none of them is
        /// more let through than the limit.
        #[test]
        fn exactly_the_limit(limit in 1_u32..20, start in 0_i64..13_000_000_000_000, month in any::<bool>(), gaps in proptest::collection::vec(0_i64..200_000_000, 1..200)) {
            let period = if month { QuotaPeriod::Month } else { QuotaPeriod::Day };
            let (quota, mut state, mut now) = (quota(limit, period), QuotaState::default(), start);
            let mut passed = std::collections::BTreeMap::<u64, (u32, u32)>::new();
            for gap in gaps {
                now += gap;
                let (from, until) = period.bounds(at(now));
                prop_assert!(from.start() <= at(now) && at(now) < until.start());
                prop_assert_eq!(period.bounds(until.start()).0, until);
                let (next, decision) = quota.admit(state, at(now));
                state = next;
                let (asked, let_through) = passed.entry(from.get()).or_default();
                *asked += 1;
                *let_through += u32::from(decision.allowed);
            }
            for (asked, let_through) in passed.values() {
                prop_assert_eq!(*let_through, (*asked).min(limit));
            }
        }
    }
}
