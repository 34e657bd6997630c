//! The states of a key, and the one predicate that says whether it is past its date.

use crate::time::{Timestamp, UnixSeconds};

/// What was last set. A key past its date is shown as expired whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The key may be used.
    Active,
    /// The key is refused until it is set back to active.
    Disabled,
    /// The key was replaced without an overlap. No clock and no change brings it back: only rotation sets this
    /// status, and nothing clears it.
    Retired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::Disabled, Self::Retired];

    /// The word used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Retired => "retired",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// What a reader is shown: the status, or that the key is past its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The key is accepted.
    Active,
    /// The key was disabled.
    Disabled,
    /// The key was replaced without an overlap.
    Retired,
    /// The key has expired.
    Expired,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 4] = [Self::Active, Self::Disabled, Self::Retired, Self::Expired];

    /// The standing of a key at an instant. Expiry outweighs the status: enabling cannot undo it.
    #[must_use]
    pub fn of(status: Status, expires_at: Option<UnixSeconds>, now: Timestamp) -> Self {
        match status {
            _ if is_expired(expires_at, now) => Self::Expired,
            Status::Retired => Self::Retired,
            Status::Disabled => Self::Disabled,
            Status::Active => Self::Active,
        }
    }

    /// The word used in the API and in the console.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Retired => "retired",
            Self::Expired => "expired",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }
}

/// Whether the key has expired: from the very instant `now >= expires_at`. The only such predicate.
#[must_use]
pub fn is_expired(expires_at: Option<UnixSeconds>, now: Timestamp) -> bool {
    expires_at.is_some_and(|at| now >= at.start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_expires_at_the_very_instant() {
        let at = UnixSeconds::new(1_800_000_000);
        let check =
            |millis, expect| assert_eq!(is_expired(at, Timestamp::from_millis(millis)), expect, "{millis}");
        check(1_799_999_999_999, false);
        check(1_800_000_000_000, true);
        check(1_800_000_000_001, true);
        assert!(!is_expired(None, Timestamp::from_millis(i64::MAX)));
    }

    #[test]
    fn expiry_outweighs_the_status() {
        let at = UnixSeconds::new(5);
        for status in Status::ALL {
            assert_eq!(Standing::of(status, at, Timestamp::from_millis(5_000)), Standing::Expired);
            assert_eq!(Standing::of(status, at, Timestamp::from_millis(4_999)).as_str(), status.as_str());
            assert_eq!(
                Standing::of(status, None, Timestamp::from_millis(i64::MAX)).as_str(),
                status.as_str()
            );
            assert_eq!(Status::from_word(status.as_str()), Some(status));
        }
        assert!(
            Standing::ALL
                .into_iter()
                .all(|standing| Standing::from_word(standing.as_str()) == Some(standing))
        );
    }
}
