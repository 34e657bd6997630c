//! Which versions of a resource a key reads, and what it carries into an embed.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The version of a resource: an integer from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU32);

impl Version {
    /// The first version.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// This version; none for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Digits without a leading zero: one version has one spelling.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        match text.parse() {
            Ok(number) if canonical => Ok(Self(number)),
            _ => Err(VersionError),
        }
    }
}

/// Not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is a whole number from 1, written without leading zeros")]
pub struct VersionError;

/// Which versions of a resource a key reads. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Selector {
    /// Every version.
    #[default]
    Any,
    /// `@12`: only that version.
    Only(Version),
    /// `@12...`: that version and every later one.
    From(Version),
}

impl Selector {
    /// Whether it selects the version.
    #[must_use]
    pub fn selects(self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => version == only,
            Self::From(first) => version >= first,
        }
    }

    /// Whether every version that `other` selects is selected by this one, too.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::From(first), Self::Only(version) | Self::From(version)) => version >= first,
            (Self::From(first), Self::Any) => first == Version::FIRST,
            (Self::Only(mine), Self::Only(theirs)) => mine == theirs,
            (Self::Only(_), Self::Any | Self::From(_)) => false,
        }
    }

    /// The text `@12` or `@12...`; none for every version.
    #[must_use]
    pub fn to_text(self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Only(version) => Some(format!("@{version}")),
            Self::From(version) => Some(format!("@{version}...")),
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let rest = text.strip_prefix('@').ok_or(SelectorError)?;
        let (number, make): (_, fn(Version) -> Self) = match rest.strip_suffix("...") {
            Some(number) => (number, Self::From),
            None => (rest, Self::Only),
        };
        number.parse().map(make).map_err(|_| SelectorError)
    }
}

/// Not a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("versions are selected with `@12` (only that one) or `@12...` (that one and every later one)")]
pub struct SelectorError;

/// What a resource key carries into an embed. The empty value carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Grants {
    /// The secrets that the version read references.
    pub secrets: bool,
    /// The databases that the version read references.
    pub databases: bool,
}

impl Grants {
    /// Both: what a resource key has unless its creator says otherwise.
    pub const BOTH: Self = Self { secrets: true, databases: true };

    /// Whether `other` carries nothing that this does not.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        (self.secrets || !other.secrets) && (self.databases || !other.databases)
    }

    /// Whether nothing is carried.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.secrets && !self.databases
    }

    /// The words used in the API and in the store.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        [(self.secrets, "secrets"), (self.databases, "databases")]
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| word)
    }

    /// Reads the words `secrets` and `databases`.
    ///
    /// # Errors
    /// [`GrantError`] on any other word.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, GrantError> {
        let mut grants = Self::default();
        for word in words {
            match word {
                "secrets" => grants.secrets = true,
                "databases" => grants.databases = true,
                _ => return Err(GrantError),
            }
        }
        Ok(grants)
    }
}

/// Not a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a grant is `secrets` or `databases`")]
pub struct GrantError;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_are_inclusive() {
        let check = |text: &str, version: u32, expect: bool| {
            let selector = text.parse::<Selector>().unwrap();
            assert_eq!(selector.selects(Version::new(version).unwrap()), expect, "{text} {version}");
            assert_eq!(selector.to_text().as_deref(), Some(text));
        };
        check("@12", 11, false);
        check("@12", 12, true);
        check("@12", 13, false);
        check("@12...", 11, false);
        check("@12...", 12, true);
        check("@12...", u32::MAX, true);
    }

    #[test]
    fn malformed_selectors() {
        for text in
            ["", "12", "@", "@0", "@012", "@-1", "@+1", "@1..", "@1....", "@...", "@4294967296", "@1 ", "@१"]
        {
            assert_eq!(text.parse::<Selector>(), Err(SelectorError), "{text:?}");
        }
    }

    fn selector() -> impl Strategy<Value = Selector> {
        let version = || (1_u32..6).prop_map(|n| Version::new(n).unwrap());
        prop_oneof![
            Just(Selector::Any),
            version().prop_map(Selector::Only),
            version().prop_map(Selector::From)
        ]
    }

    proptest! {
        /// Narrowing never widens, and inclusion says no more and no less than that.
        #[test]
        fn inclusion_is_exact(wide in selector(), narrow in selector()) {
            let versions = (1..20).chain([u32::MAX]).filter_map(Version::new);
            let every = versions.into_iter().all(|v| !narrow.selects(v) || wide.selects(v));
            prop_assert_eq!(wide.includes(narrow), every);
        }
    }
}
