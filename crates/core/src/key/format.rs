//! Named key formats: prefix, body, checksum.
//!
//! `<prefix><body><checksum>`. The body is uniform base 62. The checksum is CRC-32 (IEEE) of prefix and
//! body in 6 characters of base 62, most significant first: it tells a mistyped or made-up key without a
//! look-up and is no secret.

use std::fmt;

use zeroize::Zeroizing;

use super::text::{KeySecret, PREVIEW_CHARACTERS, Preview};
use crate::limit::KEY_TEXT_BYTES_MAX;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^6 is the first power of 62 beyond 2^32.
const CHECKSUM_CHARACTERS: usize = 6;
/// Characters of the prefix at most: it has to leave room in a table's column.
const PREFIX_BYTES_MAX: usize = 16;
/// Bits that a reader of the preview still has to guess, at least.
const ENTROPY_BITS_MIN: f64 = 128.0;
/// Bytes below this map evenly to the alphabet; the others are thrown away, so no character is likelier.
const UNBIASED_BYTES: u8 = 248;

/// The name of a format in the configuration.
pub type FormatName = Box<str>;

/// How the text of a key is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyFormat {
    prefix: Box<str>,
    length: u16,
    checksum: bool,
}

/// Why a format cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The prefix has other characters or is too long.
    #[error("a prefix is at most {PREFIX_BYTES_MAX} of A-Z, a-z, 0-9, `_` and `-`")]
    Prefix,
    /// Longer than any text that is looked up.
    #[error("a key has at most {KEY_TEXT_BYTES_MAX} characters")]
    TooLong,
    /// Too easily guessed.
    #[error(
        "{bits} bits are left to guess after prefix, checksum and preview; a key needs 128: make it at least {needed} characters long"
    )]
    TooWeak {
        /// Bits left.
        bits: u32,
        /// The shortest length that will do.
        needed: usize,
    },
}

impl KeyFormat {
    /// A format: its prefix, the total length of a key in characters, and whether it ends with a checksum.
    ///
    /// # Errors
    /// [`FormatError`], among others when less than 128 bits would be left to guess after the checksum and
    /// the preview.
    pub fn new(prefix: &str, length: usize, checksum: bool) -> Result<Self, FormatError> {
        let prefix_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(prefix_byte) {
            return Err(FormatError::Prefix);
        }
        if length > KEY_TEXT_BYTES_MAX {
            return Err(FormatError::TooLong);
        }
        let known = prefix.len() + PREVIEW_CHARACTERS + if checksum { CHECKSUM_CHARACTERS } else { 0 };
        let per_character = 62_f64.log2();
        let hidden = u32::try_from(length.saturating_sub(known)).unwrap_or(0);
        let bits = f64::from(hidden) * per_character;
        if bits < ENTROPY_BITS_MIN {
            let needed = known
                + (1..).find(|&n| f64::from(n) * per_character >= ENTROPY_BITS_MIN).unwrap_or(22) as usize;
            return Err(FormatError::TooWeak { bits: bits.floor() as u32, needed });
        }
        let length = u16::try_from(length).map_err(|_| FormatError::TooLong)?;
        Ok(Self { prefix: prefix.into(), length, checksum })
    }

    /// The prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The total length, in characters.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length.into()
    }

    /// Whether it ends with a checksum.
    #[must_use]
    pub const fn has_checksum(&self) -> bool {
        self.checksum
    }

    /// Makes a key from random bytes: `fill` overwrites a buffer with bytes of the operating system's
    /// CSPRNG, as often as it is asked.
    pub fn mint(&self, mut fill: impl FnMut(&mut [u8])) -> KeySecret {
        let body_end = self.length() - if self.checksum { CHECKSUM_CHARACTERS } else { 0 };
        // Room for the whole text at once: a growing string would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(self.length()));
        text.push_str(&self.prefix);
        let mut random = Zeroizing::new([0_u8; 64]);
        while text.len() < body_end {
            fill(&mut random[..]);
            for &byte in random.iter().filter(|&&byte| byte < UNBIASED_BYTES) {
                if text.len() < body_end {
                    text.push(char::from(ALPHABET[usize::from(byte % 62)]));
                }
            }
        }
        if self.checksum {
            let checksum = checksum_of(&text);
            text.push_str(std::str::from_utf8(&checksum).unwrap_or_default());
        }
        KeySecret::new(text)
    }

    /// The preview of a key of this format.
    #[must_use]
    pub fn preview(&self, secret: &KeySecret) -> Preview {
        Preview::of(&self.prefix, secret.expose())
    }

    fn fits(&self, text: &str) -> bool {
        text.len() == self.length() && text.starts_with(&*self.prefix)
    }
}

/// The formats by name, and every format ever configured.
#[derive(Debug, Clone, Default)]
pub struct Formats {
    named: Vec<(FormatName, KeyFormat)>,
    /// Every format ever configured: a prefix that is changed leaves the old keys working.
    known: Vec<KeyFormat>,
}

impl Formats {
    /// The formats in use, by name, and those of earlier configurations.
    #[must_use]
    pub fn new(named: Vec<(FormatName, KeyFormat)>, earlier: impl IntoIterator<Item = KeyFormat>) -> Self {
        let mut known = named.iter().map(|(_, format)| format.clone()).collect::<Vec<_>>();
        for format in earlier {
            if !known.contains(&format) {
                known.push(format);
            }
        }
        Self { named, known }
    }

    /// The format of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&KeyFormat> {
        self.named.iter().find(|(known, _)| &**known == name).map(|(_, format)| format)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| &**name)
    }

    /// Every format ever configured.
    pub fn known(&self) -> impl Iterator<Item = &KeyFormat> {
        self.known.iter()
    }

    /// The prefix of a text that was not made here, for its preview: that of a format it fits, or none.
    #[must_use]
    pub fn prefix_of(&self, text: &str) -> &str {
        self.known
            .iter()
            .filter(|format| format.fits(text))
            .map(|format| &*format.prefix)
            .max_by_key(|p| p.len())
            .unwrap_or("")
    }

    /// Whether the text can be refused without a look-up: prefix and length fit a format that has a
    /// checksum and a prefix, and the checksum is wrong. A text that fits a format without a checksum as
    /// well is never refused here.
    #[must_use]
    pub fn refuse(&self, text: &str) -> bool {
        let mut checked = false;
        for format in self.known.iter().filter(|format| format.fits(text)) {
            if !format.checksum || format.prefix.is_empty() {
                return false;
            }
            checked = true;
        }
        checked && !has_valid_checksum(text)
    }
}

/// Whether the last 6 characters are the checksum of those before.
fn has_valid_checksum(text: &str) -> bool {
    match text.len().checked_sub(CHECKSUM_CHARACTERS).and_then(|at| text.split_at_checked(at)) {
        Some((body, checksum)) => checksum.as_bytes() == checksum_of(body),
        None => false,
    }
}

fn checksum_of(text: &str) -> [u8; CHECKSUM_CHARACTERS] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut out = [b'0'; CHECKSUM_CHARACTERS];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checksum = if self.checksum { "with a checksum" } else { "without a checksum" };
        write!(f, "`{}`, {} characters, {checksum}", self.prefix, self.length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A generator for tests: SplitMix64, reproducible from its seed.
    fn seeded(mut seed: u64) -> impl FnMut(&mut [u8]) {
        move |buffer| {
            for byte in buffer {
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *byte = (mixed >> 32) as u8;
            }
        }
    }

    fn formats() -> Formats {
        let format = |prefix, length, checksum| KeyFormat::new(prefix, length, checksum).unwrap();
        Formats::new(
            vec![
                ("account".into(), format("sk_", 41, true)),
                ("team".into(), format("sk-team-", 46, true)),
                ("thirty-two".into(), format("", 32, false)),
            ],
            [format("old_", 42, true)],
        )
    }

    #[test]
    fn keys_have_the_shape_of_their_format() {
        let secret = formats().get("account").unwrap().mint(seeded(1));
        assert!(secret.expose().starts_with("sk_") && secret.expose().len() == 41);
        assert!(!formats().refuse(secret.expose()));
        let secret = formats().get("thirty-two").unwrap().mint(seeded(1));
        assert_eq!(secret.expose().len(), 32);
        assert!(secret.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
    }

    /// The known answer of CRC-32/IEEE, and its base 62 worked out by hand: 0xCBF43926 = 3,421,780,262.
    #[test]
    fn the_checksum_is_crc_32_in_base_62() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        assert_eq!(&checksum_of("123456789"), b"3jZRME");
    }

    #[test]
    fn a_wrong_checksum_is_refused_only_where_a_format_says_so() {
        let all = formats();
        let body = "x".repeat(38);
        let check = |text: &str, expect| assert_eq!(all.refuse(text), expect, "{text}");
        check(&format!("sk_{body}"), true);
        check(&format!("sk_{body}y"), false); // another length: may be an imported key
        check(&format!("zz_{body}"), false); // another prefix
        check(&format!("old_{body}"), true); // a format of an earlier configuration
        check(&"x".repeat(32), false); // no prefix
    }

    #[test]
    fn a_text_that_fits_a_format_without_checksum_is_looked_up() {
        let with = KeyFormat::new("sk_", 41, true).unwrap();
        let without = KeyFormat::new("sk_", 41, false).unwrap();
        let all = Formats::new(vec![("new".into(), with)], [without.clone()]);
        assert!(!all.refuse(without.mint(seeded(3)).expose()));
    }

    #[test]
    fn weak_formats_are_refused() {
        assert!(KeyFormat::new("", 26, false).is_ok());
        assert_eq!(KeyFormat::new("", 25, false), Err(FormatError::TooWeak { bits: 125, needed: 26 }));
        assert_eq!(KeyFormat::new("sk_", 34, true), Err(FormatError::TooWeak { bits: 125, needed: 35 }));
        assert!(KeyFormat::new("sk_", 35, true).is_ok());
        assert_eq!(KeyFormat::new("sk.", 41, true), Err(FormatError::Prefix));
        assert_eq!(KeyFormat::new(&"x".repeat(17), 64, true), Err(FormatError::Prefix));
        assert_eq!(KeyFormat::new("", 257, false), Err(FormatError::TooLong));
        assert!(KeyFormat::new("", 0, true).is_err());
    }

    /// With 620,000 characters each of the 62 is expected 10,000 times; six standard deviations are 595.
    #[test]
    fn characters_are_uniform() {
        let format = KeyFormat::new("", 200, false).unwrap();
        let mut counts = [0_u32; 62];
        let mut random = seeded(42);
        for _ in 0..3_100 {
            for byte in format.mint(&mut random).expose().bytes() {
                counts[ALPHABET.iter().position(|&c| c == byte).unwrap()] += 1;
            }
        }
        assert!(counts.iter().all(|&n| (9_405..=10_595).contains(&n)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn minted_keys_pass_and_one_changed_character_does_not(seed: u64, at in 3_usize..41, to in 0_usize..62) {
            let all = formats();
            let secret = all.get("account").unwrap().mint(seeded(seed));
            prop_assert!(!all.refuse(secret.expose()));
            let mut bytes = secret.expose().as_bytes().to_vec();
            if bytes[at] != ALPHABET[to] {
                bytes[at] = ALPHABET[to];
                prop_assert!(all.refuse(std::str::from_utf8(&bytes).unwrap()));
            }
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in "\\PC*") {
            let _ = formats().refuse(&text);
        }
    }
}
