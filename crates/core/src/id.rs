//! Typed identifiers: a prefix that says what is meant, and 128 bits.
//!
//! The first 48 bits are milliseconds since 1970, the rest is random, so identifiers sort by creation
//! and a page of a list can continue after one. The text is Crockford's base 32 in lower case, always
//! 26 characters: `key_01jd3m0q7w8r9t2v4x6y8z0a1b`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use crate::time::Timestamp;

/// The identifier of a key.
pub type KeyId = Id<KeyTag>;
/// The identifier of an account.
pub type AccountId = Id<AccountTag>;
/// The identifier of a team.
pub type TeamId = Id<TeamTag>;
/// The identifier of a project.
pub type ProjectId = Id<ProjectTag>;

/// What an identifier names.
pub trait Tag {
    /// The prefix of its text, without the underscore.
    const PREFIX: &'static str;
}

/// Marks the identifier of a key.
pub enum KeyTag {}
/// Marks the identifier of an account.
pub enum AccountTag {}
/// Marks the identifier of a team.
pub enum TeamTag {}
/// Marks the identifier of a project.
pub enum ProjectTag {}

impl Tag for KeyTag {
    const PREFIX: &'static str = "key";
}
impl Tag for AccountTag {
    const PREFIX: &'static str = "acct";
}
impl Tag for TeamTag {
    const PREFIX: &'static str = "team";
}
impl Tag for ProjectTag {
    const PREFIX: &'static str = "proj";
}

/// A typed identifier of 128 bits.
// In two words rather than one of 128 bits, whose alignment would cost 8 bytes in every enum around it.
pub struct Id<T> {
    high: u64,
    low: u64,
    tag: PhantomData<fn() -> T>,
}

/// The text is not an identifier of the kind wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identifier of this kind is `{prefix}_` and 26 characters of lower-case base 32")]
pub struct IdError {
    prefix: &'static str,
}

/// Characters of the body: Crockford's alphabet, without i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BODY_CHARACTERS: usize = 26;
/// The longest prefix has four characters.
const TEXT_BYTES_MAX: usize = 4 + 1 + BODY_CHARACTERS;
const RANDOM_BITS: u32 = 80;

impl<T> Id<T> {
    /// An identifier that nothing ever has: it stands for whatever an unknown external id may mean, so that such a
    /// one is answered like any other that does not exist.
    pub const UNKNOWN: Self = Self { high: 0, low: 0, tag: PhantomData };
}

impl<T: Tag> Id<T> {
    /// Makes an identifier from the instant of creation and 80 random bits.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let mut low = [0_u8; 16];
        low[6..].copy_from_slice(&random);
        let millis = u128::from(at.millis().max(0).cast_unsigned()) & ((1 << 48) - 1);
        Self::from_bits((millis << RANDOM_BITS) | u128::from_be_bytes(low))
    }

    /// The identifier with these 128 bits.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self { high: (bits >> 64) as u64, low: bits as u64, tag: PhantomData }
    }

    /// The 128 bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }
}

impl<T: Tag> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: whoever writes it down pays for each piece anew.
        let mut text = [b'_'; TEXT_BYTES_MAX];
        let prefix = T::PREFIX.as_bytes();
        let length = prefix.len() + 1 + BODY_CHARACTERS;
        text[..prefix.len()].copy_from_slice(prefix);
        let mut rest = self.bits();
        for slot in text[prefix.len() + 1..length].iter_mut().rev() {
            *slot = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text[..length]).map_err(|_| fmt::Error)?)
    }
}

impl<T: Tag> FromStr for Id<T> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { prefix: T::PREFIX };
        let body =
            text.strip_prefix(T::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(error.clone())?;
        // The first character carries the three highest bits: beyond 7 the value would not fit.
        if body.len() != BODY_CHARACTERS || body.as_bytes()[0] > b'7' {
            return Err(error);
        }
        let mut bits = 0_u128;
        for byte in body.bytes() {
            let value = ALPHABET.iter().position(|&c| c == byte).ok_or(error.clone())?;
            bits = (bits << 5) | value as u128;
        }
        Ok(Self::from_bits(bits))
    }
}

impl<T: Tag> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Derived implementations would ask the same of the tag, which is never a value.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.high, self.low) == (other.high, other.low)
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.high, self.low).cmp(&(other.high, other.low))
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.high);
        state.write_u64(self.low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_sorts_by_time() {
        let early = KeyId::new(Timestamp::from_millis(1_700_000_000_000), [0xff; 10]);
        let late = KeyId::new(Timestamp::from_millis(1_700_000_000_001), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<KeyId>(), Ok(early));
        assert_eq!(KeyId::from_bits(u128::MAX).to_string().parse::<KeyId>(), Ok(KeyId::from_bits(u128::MAX)));
    }

    #[test]
    fn foreign_texts_are_refused() {
        let id = AccountId::from_bits(7).to_string();
        assert!(id.parse::<KeyId>().is_err(), "another kind");
        for wrong in
            ["", "acct_", "acct_1", "acct_8zzzzzzzzzzzzzzzzzzzzzzzzz", &id.to_uppercase(), &format!("{id}0")]
        {
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong:?}");
        }
    }
}
