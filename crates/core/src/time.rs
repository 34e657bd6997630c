//! Instants. They are arguments everywhere: this crate never reads a clock.

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant this many milliseconds after 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down; 0 for anything earlier.
    #[must_use]
    pub fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0.max(0).cast_unsigned() / 1000)
    }
}

/// A whole UTC second since 1970: the unit in which keys expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// The last second that can be told: the index keeps expiries in 34 bits, all ones meaning never
    /// (the year 2514).
    pub const MAX: Self = Self((1 << 34) - 2);

    /// The second this many after 1970, if it is at most [`UnixSeconds::MAX`].
    #[must_use]
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds > Self::MAX.0 { None } else { Some(Self(seconds)) }
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The instant at which this second begins.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0.cast_signed() * 1000)
    }

    /// This many seconds later, or [`UnixSeconds::MAX`].
    #[must_use]
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds).min(Self::MAX.0))
    }
}
