//! What this node takes for now.
//!
//! Time never runs backwards: now is the larger of the wall clock and the latest time that was acted on, which the
//! store keeps with the changes. So a key that has expired stays so when the clock is set back, and when the program
//! starts again with a clock that is wrong.
//!
//! But a clock that is far ahead for four seconds must not decide for good. A jump ahead by more than a week is
//! obeyed, since it may be right, but it is not remembered: once the clock is set right, everything is as before.
//! Nothing is deleted meanwhile either. A clock that has stayed ahead for a day while the program ran is believed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use claviger_core::clock;
use claviger_core::permit::{Task, TaskPermit};
use claviger_core::{Timestamp, UnixSeconds};

use crate::authority::Authority;
use crate::error::Result;

/// How long a clock that jumped ahead has to stay there until it is believed: time for somebody to notice.
const AHEAD_BELIEVED_AFTER: Duration = Duration::from_secs(86_400);
/// A clock that is behind by less is not worth a word: NTP puts that right by itself.
const BEHIND_REPORTED_MILLIS: i64 = 60_000;

/// How the wall clock compares with the latest time that was acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockState {
    /// As it should be.
    Steady,
    /// It was set back, or was far ahead before. Until it has caught up, the latest time counts.
    Behind {
        /// By how much.
        by: Duration,
    },
    /// It jumped ahead. It counts, but is not remembered, and nothing is deleted.
    Ahead {
        /// By how much.
        by: Duration,
    },
}

impl ClockState {
    /// The word used in `/readyz`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Behind { .. } => "behind",
            Self::Ahead { .. } => "ahead",
        }
    }

    /// Compares a clock with the latest time that was acted on, if there was any.
    #[must_use]
    pub fn of(latest: Option<Timestamp>, wall: Timestamp) -> Self {
        let Some(latest) = latest else { return Self::Steady };
        let ahead = wall.millis().saturating_sub(latest.millis());
        let by = Duration::from_millis(ahead.unsigned_abs());
        if !clock::is_plausible(Some(latest), wall) {
            Self::Ahead { by }
        } else if ahead <= -BEHIND_REPORTED_MILLIS {
            Self::Behind { by }
        } else {
            Self::Steady
        }
    }
}

/// The latest time that was acted on.
#[derive(Default)]
pub(crate) struct NodeTime {
    /// In milliseconds; 0 where nothing ever happened.
    latest: AtomicI64,
    /// The latest time of a clock that is implausibly far ahead of that; 0 while it is not.
    ahead: AtomicI64,
    /// The uptime at which it was first seen there.
    ahead_since: Mutex<Option<Duration>>,
    /// As much of the latest time as the store was certainly told, in milliseconds.
    noted: AtomicI64,
    /// Whether a key was refused as expired that would be accepted after a crash, by a clock that is behind.
    expiry_unnoted: AtomicBool,
}

impl NodeTime {
    pub(crate) fn since(latest: Option<Timestamp>) -> Self {
        let latest = latest.map_or(0, Timestamp::millis);
        Self { latest: AtomicI64::new(latest), noted: AtomicI64::new(latest), ..Self::default() }
    }

    /// Takes note that a key was refused which expires then. The store is told soon if it does not know that time has
    /// come so far; usually it knows, and this is two reads.
    pub(crate) fn refused(&self, expires_at: Option<UnixSeconds>) {
        let Some(at) = expires_at.map(|at| at.start().millis()) else { return };
        let has_expired = at <= self.latest.load(Ordering::Relaxed);
        if has_expired && at > self.noted.load(Ordering::Relaxed) {
            self.expiry_unnoted.store(true, Ordering::Release);
        }
    }

    fn latest(&self) -> Option<Timestamp> {
        Some(self.latest.load(Ordering::Relaxed)).filter(|latest| *latest > 0).map(Timestamp::from_millis)
    }

    /// Now, by a clock that shows this. Usually two reads of one cache line, which is written once a millisecond.
    pub(crate) fn now(&self, wall: Timestamp) -> Timestamp {
        let shown = wall.millis();
        let latest = self.latest.load(Ordering::Relaxed);
        if shown > latest && !clock::is_plausible(self.latest(), wall) {
            let before = self.ahead.fetch_max(shown, Ordering::Relaxed);
            return Timestamp::from_millis(before.max(shown));
        }
        if self.ahead.load(Ordering::Relaxed) != 0 {
            self.ahead.store(0, Ordering::Relaxed);
        }
        if shown <= latest {
            return Timestamp::from_millis(latest);
        }
        let before = self.latest.fetch_max(shown, Ordering::Relaxed);
        Timestamp::from_millis(before.max(shown))
    }

    /// Whether a clock that is ahead has been so for long enough.
    fn is_believed(&self, wall: Timestamp, uptime: Duration) -> bool {
        let mut since = self.ahead_since.lock().unwrap_or_else(PoisonError::into_inner);
        if clock::is_plausible(self.latest(), wall) {
            *since = None;
            return false;
        }
        let since = since.get_or_insert(uptime);
        uptime.saturating_sub(*since) >= AHEAD_BELIEVED_AFTER
    }
}

impl Authority {
    /// Now: the wall clock, unless something was acted on at a later time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.time.now(self.shared.ports.clock.now())
    }

    /// How the wall clock compares with the latest time that was acted on.
    #[must_use]
    pub fn clock_state(&self) -> ClockState {
        ClockState::of(self.shared.time.latest(), self.shared.ports.clock.now())
    }

    /// Now, for what is forgotten after a while: a clock that jumped ahead does not make it old.
    pub(crate) fn settled_now(&self) -> Timestamp {
        let now = self.now();
        self.settled(now)
    }

    /// An instant of now, or the latest plausible one if that is of a clock which jumped ahead.
    pub(crate) fn settled(&self, now: Timestamp) -> Timestamp {
        let latest = self.shared.time.latest();
        if clock::is_plausible(latest, now) { now } else { latest.unwrap_or(now) }
    }

    /// Has the store remember how far time has come, if a key was refused as expired meanwhile that it does not know
    /// to be so.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn note_expiry(&self) -> Result<()> {
        if !self.shared.time.expiry_unnoted.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let noted = self.note_latest().await;
        if noted.is_err() {
            self.shared.time.expiry_unnoted.store(true, Ordering::Release);
        }
        noted
    }

    async fn note_latest(&self) -> Result<()> {
        let Some(latest) = self.shared.time.latest() else { return Ok(()) };
        self.shared.store.note_time(latest, TaskPermit::new(Task::TimeKeeping)).await?;
        self.shared.time.noted.fetch_max(latest.millis(), Ordering::Relaxed);
        Ok(())
    }

    /// Looks at the clock: believes one that has been ahead for a day, and has the store remember how far time has
    /// come.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn watch_clock(&self) -> Result<()> {
        let wall = self.shared.ports.clock.now();
        if self.shared.time.is_believed(wall, self.shared.ports.clock.uptime()) {
            tracing::warn!("the clock has been ahead for a day and is believed from now on");
            self.shared.time.latest.fetch_max(wall.millis(), Ordering::Relaxed);
        }
        // Also where nobody has asked for a while.
        let _now = self.now();
        self.note_latest().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn now_never_goes_back_by_a_little_or_by_years() {
        let time = NodeTime::since(Some(at(100 * DAY)));
        for (shown, expect) in [
            (100 * DAY - 2_000, 100 * DAY),
            (0, 100 * DAY),
            (100 * DAY + 5, 100 * DAY + 5),
            (100 * DAY + 3, 100 * DAY + 5),
            (107 * DAY, 107 * DAY),
            (101 * DAY, 107 * DAY),
        ] {
            assert_eq!(time.now(at(shown)), at(expect), "{shown}");
        }
    }

    #[test]
    fn a_jump_of_years_counts_while_it_lasts_and_is_then_forgotten() {
        let time = NodeTime::since(Some(at(100 * DAY)));
        assert_eq!(time.now(at(900 * DAY)), at(900 * DAY));
        assert_eq!(time.now(at(900 * DAY - 2_000)), at(900 * DAY), "nor does it go back there");
        assert_eq!(time.now(at(100 * DAY + 9)), at(100 * DAY + 9));
        assert_eq!(time.now(at(900 * DAY - 9)), at(900 * DAY - 9), "another jump");
    }

    #[test]
    fn the_first_time_of_all_is_believed() {
        let time = NodeTime::since(None);
        assert_eq!(time.now(at(900 * DAY)), at(900 * DAY));
        assert_eq!(time.now(at(100 * DAY)), at(900 * DAY));
    }

    #[test]
    fn a_clock_is_believed_after_a_day_without_a_break() {
        let time = NodeTime::since(Some(at(100 * DAY)));
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        assert!(!time.is_believed(at(900 * DAY), hours(50)));
        assert!(!time.is_believed(at(900 * DAY), hours(73)));
        assert!(!time.is_believed(at(100 * DAY), hours(73)), "set right");
        assert!(!time.is_believed(at(900 * DAY), hours(80)));
        assert!(!time.is_believed(at(901 * DAY), hours(103)));
        assert!(time.is_believed(at(901 * DAY), hours(104)));
    }

    #[test]
    fn the_store_is_told_of_an_expiry_once() {
        let time = NodeTime::since(Some(at(100 * DAY)));
        let second = |day: i64| UnixSeconds::new((day * DAY / 1_000).unsigned_abs());
        let told = |day| {
            time.refused(second(day));
            time.expiry_unnoted.swap(false, Ordering::Relaxed)
        };
        assert!(!told(99) && !told(100), "the store knows");
        time.now(at(102 * DAY));
        assert!(told(101) && told(102));
        assert!(!told(103), "refused for something else");
        time.now(at(900 * DAY));
        assert!(!told(103), "a clock that is far ahead is not remembered");
        time.noted.store(102 * DAY, Ordering::Relaxed);
        assert!(!told(101) && !told(102));
        time.refused(None);
        assert!(!time.expiry_unnoted.load(Ordering::Relaxed));
    }

    #[test]
    fn what_is_reported() {
        let check = |wall: i64, expect: &str| {
            assert_eq!(ClockState::of(Some(at(100 * DAY)), at(wall)).as_str(), expect, "{wall}");
        };
        check(100 * DAY, "steady");
        check(100 * DAY - 59_999, "steady");
        check(100 * DAY - 60_000, "behind");
        check(107 * DAY, "steady");
        check(107 * DAY + 1, "ahead");
        assert_eq!(ClockState::of(None, at(5)), ClockState::Steady);
    }
}
