//! The text of a key, its digest and its preview.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limit::{KEY_TEXT_BYTES_MAX, KEY_TEXT_BYTES_MIN};

/// How many of a key's last characters its preview shows.
pub(super) const PREVIEW_CHARACTERS: usize = 4;

/// The whole text of a key, for the one answer that shows it. Debug and Display print nothing of it, and
/// it is overwritten when dropped.
pub struct KeySecret(Zeroizing<String>);

impl KeySecret {
    pub(super) const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// Takes over a key's text that came from elsewhere.
    ///
    /// # Errors
    /// [`MalformedKey`] if no key can look like this.
    pub fn from_text(text: String) -> Result<Self, MalformedKey> {
        let text = Zeroizing::new(text);
        PresentedKey::parse(&text)?;
        Ok(Self(text))
    }

    /// The text. Whoever calls this shows it to its owner, once, or stores it nowhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

/// A text that somebody presented as a key: of a length and an alphabet that a key can have. Debug prints
/// nothing of it.
#[derive(Clone, Copy)]
pub struct PresentedKey<'a>(&'a str);

/// Why a text cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    /// Nothing was given.
    #[error("the key is empty")]
    Empty,
    /// Shorter than any key.
    #[error("a key has at least {KEY_TEXT_BYTES_MIN} characters; perhaps it was cut off")]
    TooShort,
    /// Longer than any key.
    #[error("a key has at most {KEY_TEXT_BYTES_MAX} characters")]
    TooLong,
    /// Characters that are in no key.
    #[error("a key consists of printable ASCII characters without spaces, quotes, commas and backslashes")]
    Characters,
}

impl<'a> PresentedKey<'a> {
    /// Looks at length and alphabet.
    ///
    /// # Errors
    /// [`MalformedKey`] says what no key can look like.
    pub fn parse(text: &'a str) -> Result<Self, MalformedKey> {
        // Every byte is looked at, also after a wrong one: so the compiler looks at many at once.
        let in_alphabet =
            |b: u8| (0x21..=0x7e).contains(&b) & (b != b'"') & (b != b'\'') & (b != b',') & (b != b'\\');
        if text.is_empty() {
            Err(MalformedKey::Empty)
        } else if text.len() > KEY_TEXT_BYTES_MAX {
            Err(MalformedKey::TooLong)
        } else if !text.bytes().fold(true, |fits, byte| fits & in_alphabet(byte)) {
            Err(MalformedKey::Characters)
        } else if text.len() < KEY_TEXT_BYTES_MIN {
            Err(MalformedKey::TooShort)
        } else {
            Ok(Self(text))
        }
    }

    /// The text.
    #[must_use]
    pub const fn expose(&self) -> &'a str {
        self.0
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0)
    }
}

impl fmt::Debug for PresentedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresentedKey")
    }
}

/// SHA-256 of the whole text of a key: what is stored in its place. A key carries at least 128 random
/// bits, so a fast digest is enough: there is no dictionary to try.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// A digest computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first 128 bits, by which the index finds a key. They sort as the digests do. Two digests that share
    /// them are refused by the store.
    #[must_use]
    pub fn words(&self) -> [u64; 2] {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&self.0[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        [word(0), word(8)]
    }

    /// Equality in a time that does not depend on where they differ.
    #[must_use]
    pub fn constant_time_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// The prefix, `...` and the last 4 characters: the only part of a key that is ever shown again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview(Box<str>);

impl Preview {
    /// The preview of a key with this prefix.
    #[must_use]
    pub fn of(prefix: &str, text: &str) -> Self {
        let tail = text.len().saturating_sub(PREVIEW_CHARACTERS);
        Self(format!("{prefix}...{}", text.get(tail..).unwrap_or_default()).into())
    }

    /// A preview that was stored or supplied: at most 64 printable characters.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let fits = text.len() <= 64 && text.bytes().all(|b| matches!(b, 0x20..=0x7e));
        fits.then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secret = KeySecret::from_text("sk_0123456789abcdefghijklmnopqrstuv".to_owned()).unwrap();
        let presented = PresentedKey::parse(secret.expose()).unwrap();
        let printed = format!("{secret:?} {presented:?} {:?}", secret.digest());
        assert_eq!(printed, "KeySecret PresentedKey Digest");
    }

    #[test]
    fn texts_that_no_key_can_have() {
        let check = |text: &str, expect| assert_eq!(PresentedKey::parse(text).err(), expect, "{text:?}");
        check("", Some(MalformedKey::Empty));
        check("sk_", Some(MalformedKey::TooShort));
        check(&"x".repeat(KEY_TEXT_BYTES_MIN), None);
        check(&"x".repeat(KEY_TEXT_BYTES_MAX), None);
        check(&"x".repeat(KEY_TEXT_BYTES_MAX + 1), Some(MalformedKey::TooLong));
        for hole in [' ', '\t', '\n', '\0', '"', ',', 'é', '\u{7f}'] {
            check(&format!("sk_0123456789abcdef{hole}"), Some(MalformedKey::Characters));
        }
    }

    #[test]
    fn the_digest_is_sha_256() {
        let hex = Digest::of("abc").0.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn previews() {
        assert_eq!(Preview::of("sk-project-", "sk-project-0123456789wxyz").as_str(), "sk-project-...wxyz");
        assert!(Preview::from_text(&"x".repeat(65)).is_none());
    }
}
