//! The state in which a record may be changed.

use crate::error::{Error, Result};

/// The state that a record must be in for a change to be made. Use cases test it on the record that they have read
/// under its lock, so only a condition that fails for the current state fails the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Any, also none at all.
    Always,
    /// Any, but the record must exist.
    Exists,
    /// One of these revisions.
    Revisions(Vec<u64>),
    /// The record must not exist yet.
    Absent,
}

impl Condition {
    /// Whether a record at this revision meets it; 0 for none.
    pub(crate) fn holds(&self, current: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Exists => current > 0,
            Self::Revisions(known) => known.contains(&current),
            Self::Absent => current == 0,
        }
    }

    /// Tests it on a record at this revision; 0 for none.
    ///
    /// # Errors
    /// [`Error::Stale`].
    pub(crate) fn check(&self, current: u64) -> Result<()> {
        if self.holds(current) { Ok(()) } else { Err(Error::Stale { current }) }
    }

    /// The revision that a record must still be at when it is deleted, which it was at when it was read. None where
    /// the condition holds at any.
    pub(crate) fn pinned(&self, read: u64) -> Option<u64> {
        match self {
            Self::Always | Self::Exists => None,
            Self::Revisions(_) | Self::Absent => Some(read),
        }
    }
}

/// A revision that the record must be at, if any; 0 is that of one that does not exist yet.
impl From<Option<u64>> for Condition {
    fn from(revision: Option<u64>) -> Self {
        match revision {
            None => Self::Always,
            Some(0) => Self::Absent,
            Some(revision) => Self::Revisions(vec![revision]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_states_meet_a_condition() {
        let check = |condition: Condition, expect: [bool; 3]| {
            assert_eq!([0, 1, 2].map(|revision| condition.holds(revision)), expect, "{condition:?}");
            assert_eq!([0, 1, 2].map(|revision| condition.check(revision).is_ok()), expect, "{condition:?}");
        };
        check(Condition::Always, [true, true, true]);
        check(Condition::Exists, [false, true, true]);
        check(Condition::Absent, [true, false, false]);
        check(Condition::Revisions(vec![3, 1]), [false, true, false]);
        check(Condition::Revisions(vec![]), [false, false, false]);
        check(None.into(), [true, true, true]);
        check(Some(0).into(), [true, false, false]);
        check(Some(2).into(), [false, false, true]);
    }
}
