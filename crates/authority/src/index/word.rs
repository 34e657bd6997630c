//! Everything about a key that changes often, in one word: `state:3 | expiry:38 | decision:23`.

use claviger_core::UnixSeconds;
use claviger_core::lifecycle::Status;

const EXPIRY_BITS: u32 = 38;
const DECISION_BITS: u32 = 23;
/// All ones: the key never expires. [`UnixSeconds::MAX`] lies below.
const NEVER_EXPIRES: u64 = (1 << EXPIRY_BITS) - 1;
/// Decisions that one shard can tell apart: a thousand times the keys that a shard is made for.
pub(super) const DECISIONS_MAX: usize = 1 << DECISION_BITS;

/// The word of a record. Zero means that the record was never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was ever written here.
    Unused,
    /// The key that was here is gone.
    Dead,
    /// A key with this status.
    Living(Status),
}

impl Word {
    const ACTIVE: u64 = 1;
    const DISABLED: u64 = 2;
    const STATE_DEAD: u64 = 3;
    const RETIRED: u64 = 4;

    /// A record that was never used.
    pub(super) const UNUSED: Self = Self(0);
    /// A record whose key is gone.
    pub(super) const DEAD: Self = Self(Self::STATE_DEAD << (EXPIRY_BITS + DECISION_BITS));

    /// A key. `decision` is below [`DECISIONS_MAX`].
    pub(super) fn new(status: Status, expires_at: Option<UnixSeconds>, decision: usize) -> Self {
        let state = match status {
            Status::Active => Self::ACTIVE,
            Status::Disabled => Self::DISABLED,
            Status::Retired => Self::RETIRED,
        };
        let expiry = expires_at.map_or(NEVER_EXPIRES, UnixSeconds::get);
        debug_assert!(decision < DECISIONS_MAX);
        Self((((state << EXPIRY_BITS) | expiry) << DECISION_BITS) | decision as u64)
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// What it says.
    pub(super) const fn state(self) -> State {
        match self.0 >> (EXPIRY_BITS + DECISION_BITS) {
            0 => State::Unused,
            Self::ACTIVE => State::Living(Status::Active),
            Self::DISABLED => State::Living(Status::Disabled),
            Self::RETIRED => State::Living(Status::Retired),
            _ => State::Dead,
        }
    }

    /// The second from which the key is refused.
    pub(super) const fn expires_at(self) -> Option<UnixSeconds> {
        // All ones are beyond the last second that can be told, so they come out as none.
        UnixSeconds::new((self.0 >> DECISION_BITS) & NEVER_EXPIRES)
    }

    /// Which of the shard's decisions tells the rest.
    pub(super) const fn decision(self) -> usize {
        (self.0 & (DECISIONS_MAX as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_tells_what_went_in() {
        for status in Status::ALL {
            for expires_at in
                [None, UnixSeconds::new(0), UnixSeconds::new(1_800_000_000), Some(UnixSeconds::MAX)]
            {
                for decision in [0, 1, DECISIONS_MAX - 1] {
                    let word = Word::new(status, expires_at, decision);
                    assert_eq!(word.state(), State::Living(status));
                    assert_eq!((word.expires_at(), word.decision()), (expires_at, decision));
                }
            }
        }
        assert_eq!((Word::UNUSED.state(), Word::DEAD.state()), (State::Unused, State::Dead));
        assert_eq!(Word::from_bits(Word::DEAD.bits()), Word::DEAD);
    }
}
