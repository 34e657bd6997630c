//! The states of a key, and the one predicate that says whether it is past its date.

use crate::time::{Timestamp, UnixSeconds};

/// What was last set by hand. A key past its date is shown as expired whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The key may be used.
    Active,
    /// The key is refused until it is set back to active.
    Disabled,
}

impl Status {
    /// The word used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// What a reader is shown: the status, or that the key is past its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The key is accepted.
    Active,
    /// The key was disabled.
    Disabled,
    /// The key's date has come.
    Expired,
}

impl Standing {
    /// The standing of a key at an instant. Expiry outweighs disabling: it cannot be undone by enabling.
    #[must_use]
    pub fn of(status: Status, expires_at: Option<UnixSeconds>, now: Timestamp) -> Self {
        match status {
            _ if is_expired(expires_at, now) => Self::Expired,
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
            Self::Expired => "expired",
        }
    }
}

/// Whether the date has come: from the very instant `now >= expires_at`. The only such predicate.
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
    fn expiry_outweighs_disabling() {
        let now = Timestamp::from_millis(5_000);
        let at = UnixSeconds::new(5);
        assert_eq!(Standing::of(Status::Disabled, at, now), Standing::Expired);
        assert_eq!(Standing::of(Status::Disabled, None, now), Standing::Disabled);
        assert_eq!(Standing::of(Status::Active, None, now), Standing::Active);
    }
}
