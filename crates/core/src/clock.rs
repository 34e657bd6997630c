//! How far a clock is believed.
//!
//! Time never runs backwards: now is the larger of the wall clock and the latest time that was acted on. But a
//! clock that shows 2030 for four seconds must not make it 2030 for good. So a jump ahead by more than
//! [`CLOCK_JUMP_MILLIS_MAX`] is obeyed (what has expired by then is refused) and not remembered, and nothing is
//! deleted by it.

use crate::time::Timestamp;

/// The largest step ahead that is remembered: one week. A machine may well be off for a weekend or be asleep over
/// the holidays; a clock that is wrong by less than this delays nothing for longer than that.
pub const CLOCK_JUMP_MILLIS_MAX: i64 = 7 * 86_400_000;

/// Whether a clock that shows `now` can be believed after `latest`; `None` where nothing ever happened.
#[must_use]
pub fn is_plausible(latest: Option<Timestamp>, now: Timestamp) -> bool {
    latest.is_none_or(|latest| now.millis().saturating_sub(latest.millis()) <= CLOCK_JUMP_MILLIS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_ahead_is_believed_and_a_moment_more_is_not() {
        let at = Timestamp::from_millis;
        let check = |latest: Option<i64>, now: i64, expect: bool| {
            assert_eq!(is_plausible(latest.map(at), at(now)), expect, "{latest:?} {now}");
        };
        check(None, i64::MAX, true);
        check(Some(5), 5 + CLOCK_JUMP_MILLIS_MAX, true);
        check(Some(5), 6 + CLOCK_JUMP_MILLIS_MAX, false);
        check(Some(5), 0, true);
        check(Some(i64::MIN), i64::MAX, false);
    }
}
