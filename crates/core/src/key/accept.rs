//! Which texts from elsewhere are taken over as keys: by an import, or as the operator key to install.

use super::format::Formats;
use super::text::{MalformedKey, PresentedKey};

/// Bits that the text of a key has at least, by its length and its alphabet.
const ENTROPY_BITS_MIN: f64 = 128.0;
/// Different characters that it has at least: 32 random hexadecimal digits have about 13.
const DIFFERENT_CHARACTERS_MIN: usize = 8;
/// Characters of a prefix of other products at most, such as `sk_live_`.
const FOREIGN_PREFIX_BYTES_MAX: usize = 16;
/// Equal characters in a row that stand for hidden ones. Random keys have six in a row once in 27 million.
const MASK_RUN: usize = 6;
/// Hexadecimal digits of SHA-256, SHA-384 and SHA-512. Shorter digests cannot be told from keys.
const DIGEST_DIGITS: [usize; 3] = [64, 96, 128];

/// Why a text is not taken over as a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnacceptableKey {
    /// No key can look like this.
    #[error(transparent)]
    Malformed(#[from] MalformedKey),
    /// Some of its characters are hidden.
    #[error("this is a masked key, of which some characters are hidden")]
    Masked,
    /// What is stored in place of a password.
    #[error("this is a password hash, from which no key can be found")]
    PasswordHash,
    /// What is stored in place of a key.
    #[error("this looks like a digest, which nobody presents as a key")]
    Digest,
    /// Too easily guessed.
    #[error(
        "it is too easily guessed: by its length and alphabet it has fewer than 128 bits; 22 random letters and digits, or 32 hexadecimal digits, are enough"
    )]
    Weak,
    /// It would be refused unseen.
    #[error(
        "prefix and length are those of a key of this installation, but its checksum is wrong, so it would never be accepted; it may be mistyped"
    )]
    Checksum,
}

impl Formats {
    /// Takes over a text that was not made here, if it can be presented later and is hard enough to guess.
    ///
    /// # Errors
    /// [`UnacceptableKey`] says what is wrong with the text, and never repeats it.
    pub fn accept<'t>(&self, text: &'t str) -> Result<PresentedKey<'t>, UnacceptableKey> {
        // What a text is instead of a key explains more than the characters that no key has.
        if is_password_hash(text) {
            return Err(UnacceptableKey::PasswordHash);
        }
        if is_masked(text) {
            return Err(UnacceptableKey::Masked);
        }
        if is_digest(text) {
            return Err(UnacceptableKey::Digest);
        }
        let presented = PresentedKey::parse(text)?;
        let own = self.prefix_of(text);
        let body = if own.is_empty() { without_foreign_prefix(text) } else { &text[own.len()..] };
        if !is_strong(body) {
            return Err(UnacceptableKey::Weak);
        }
        if self.refuse(text) {
            return Err(UnacceptableKey::Checksum);
        }
        Ok(presented)
    }
}

/// Whether this is the digest of a text that nobody can present as a key: of nothing, of a blank, or of a word
/// that programs write where there is nothing.
#[must_use]
pub fn is_digest_of_nothing(digest: &super::Digest) -> bool {
    const NOTHINGS: [&str; 16] = [
        "",
        " ",
        "\n",
        "\r\n",
        "\0",
        "0",
        "-",
        "null",
        "NULL",
        "Null",
        "nil",
        "none",
        "None",
        "undefined",
        "N/A",
        "\"\"",
    ];
    let bytes = digest.as_bytes();
    bytes.iter().all(|byte| *byte == bytes[0])
        || NOTHINGS.iter().any(|text| super::Digest::of(text) == *digest)
}

/// `$2b$…`, `$argon2id$…`, `{SSHA}…`, `pbkdf2_sha256$…`, `scrypt:…`
fn is_password_hash(text: &str) -> bool {
    const SCHEMES: [&str; 8] =
        ["argon2", "bcrypt", "pbkdf2", "scrypt", "md5crypt", "sha512crypt", "sha256crypt", "ssha"];
    let lower = text.to_ascii_lowercase();
    let modular = lower.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    let named = |name: &str| SCHEMES.iter().any(|scheme| name.starts_with(scheme));
    let ldap = lower.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    modular.is_some_and(|(name, _)| !name.is_empty() && name.len() <= 20)
        || ldap.is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        || lower.split_once(['$', ':']).is_some_and(|(name, _)| named(name))
}

fn is_masked(text: &str) -> bool {
    let dots = text.contains("...") || text.contains(['…', '•', '●', '∙', '·', '█']);
    let stars = text.contains("***");
    dots || stars || has_run(text, MASK_RUN)
}

/// Whether one of the characters that stand for hidden ones is repeated so often.
fn has_run(text: &str, length: usize) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(length).any(|window| {
        matches!(window[0], b'x' | b'X' | b'*' | b'#' | b'?' | b'.') && window.iter().all(|b| *b == window[0])
    })
}

fn is_digest(text: &str) -> bool {
    const NAMES: [&str; 12] = [
        "md5", "sha1", "sha-1", "sha224", "sha-224", "sha256", "sha-256", "sha384", "sha-384", "sha512",
        "sha-512", "sha3",
    ];
    let lower = text.to_ascii_lowercase();
    // `sha256:…`, `SHA256=…`, and `sha256-…` as in HTML.
    let named = NAMES.iter().any(|name| {
        lower.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', '=', '-']) && rest.len() > 32)
    });
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit());
    let cased =
        !(text.bytes().any(|b| b.is_ascii_lowercase()) && text.bytes().any(|b| b.is_ascii_uppercase()));
    named || (hex && cased && DIGEST_DIGITS.contains(&text.len()))
}

/// The text without a prefix as other products have it: words in lower case before a `_` or `-`.
fn without_foreign_prefix(text: &str) -> &str {
    let words = text.bytes().take_while(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-')).count();
    let at = text[..words].rfind(['_', '-']).map_or(0, |at| at + 1);
    if at <= FOREIGN_PREFIX_BYTES_MAX { &text[at..] } else { text }
}

/// Whether a text has 128 bits, if every character was drawn from the smallest usual alphabet that has all
/// of them. Separators count for nothing.
fn is_strong(body: &str) -> bool {
    let body = body.bytes().filter(|b| !matches!(b, b'-' | b'_' | b'.' | b':')).collect::<Vec<_>>();
    let has = |class: fn(&u8) -> bool| body.iter().any(class);
    let lower_hex = body.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let upper_hex = body.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    let letters = if (lower_hex || upper_hex) && has(u8::is_ascii_alphabetic) {
        6.0
    } else {
        26.0 * (f64::from(u8::from(has(u8::is_ascii_lowercase)))
            + f64::from(u8::from(has(u8::is_ascii_uppercase))))
    };
    let digits = if has(u8::is_ascii_digit) || letters == 6.0 { 10.0 } else { 0.0 };
    // `+`, `/` and `=` of base 64 are all that is usual.
    let others = if has(|b| !b.is_ascii_alphanumeric()) { 2.0 } else { 0.0 };
    let alphabet: f64 = letters + digits + others;
    let mut different = body.clone();
    different.sort_unstable();
    different.dedup();
    different.len() >= DIFFERENT_CHARACTERS_MIN && body.len() as f64 * alphabet.log2() >= ENTROPY_BITS_MIN
}

#[cfg(test)]
mod tests {
    use super::super::{Digest, KeyFormat};
    use super::*;

    fn formats() -> Formats {
        let format = |prefix, length| KeyFormat::new(prefix, length, true).unwrap();
        Formats::new(
            vec![("operator".into(), format("ck_", 41)), ("account".into(), format("sk_", 41))],
            [format("old_", 42)],
        )
    }

    #[test]
    fn strength_by_length_and_alphabet() {
        let check = |text: &str, expect: bool| assert_eq!(is_strong(text), expect, "{text}");
        check("0123456789abcdef0123456789abcdef", true);
        check("0123456789ABCDEF0123456789ABCDEF", true);
        check("0123456789abcdef0123456789abcde", false);
        check("01234567-89ab-cdef-0123-456789abcdef", true);
        check("0123-4567-89ab-cdef-0123-4567-89ab", false);
        check("123456789012345678901234567890123456789", true);
        check("12345678901234567890123456789012345678", false);
        check("Zr8vQ2mWx7Lk4TnB9cHd3F", true);
        check("Zr8vQ2mWx7Lk4TnB9cHd3", false);
        check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false);
        check("", false);
    }

    #[test]
    fn texts_that_can_never_be_accepted_are_refused() {
        use UnacceptableKey::{Checksum, Digest, Malformed, Masked, PasswordHash, Weak};
        let check = |text: &str, expect: Option<UnacceptableKey>| {
            assert_eq!(formats().accept(text).err(), expect, "{text}");
        };
        let body = "Zr8vQ2mWx7Lk4TnB9cHd3FZr8vQ2mWx7Lk4Tn0";
        check(&format!("ck_{body}"), Some(Checksum));
        check(&format!("sk_{body}"), Some(Checksum));
        check(&format!("old_{body}"), Some(Checksum));
        check(&format!("ck_{body}1"), None);
        check(&format!("zz_{body}"), None);
        check("sk_live_Zr8vQ2mWx7Lk4TnB9cHd3F", None);
        check("sk_live_Zr8vQ2mWx7Lk4Tn", Some(Weak));
        check("changemechangemechangeme", Some(Weak));
        check("correct-horse-battery-staple", Some(Weak));
        check(&"a".repeat(64), Some(Digest));
        check("", Some(Malformed(MalformedKey::Empty)));
        check("changeme", Some(Malformed(MalformedKey::TooShort)));
        check("Zr8vQ2mWx7Lk4TnB9cHd3F x", Some(Malformed(MalformedKey::Characters)));
        for masked in [
            "sk_live_****abcd",
            "sk_live_...abcd",
            "sk_live_…abcd",
            "sk_live_••••abcd",
            "sk_live_xxxxxxxxxxxxxxxxabcd",
        ] {
            check(masked, Some(Masked));
        }
        for hash in [
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$V9c1wT7yX1V0aYQk2r9X0w",
            "$6$rounds=5000$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq",
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD",
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
            "pbkdf2_sha256$260000$c2FsdA$1ZGVZ0pXk3vQ0n2c0yq0m1n2b3v4c5x6z7",
            "pbkdf2:sha256:260000$salt$0123456789abcdef0123456789abcdef",
            "scrypt:32768:8:1$salt$0123456789abcdef0123456789abcdef",
            "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gsn4vN",
            "{PBKDF2-SHA256}10000$abc$defghijklmnop",
        ] {
            check(hash, Some(PasswordHash));
        }
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for text in [
            digest.to_owned(),
            digest.to_uppercase(),
            format!("sha256:{digest}"),
            format!("SHA-256:{digest}"),
            digest.repeat(2),
        ] {
            check(&text, Some(Digest));
        }
        // 48 digits are no usual digest, and 32 or 40 are what many products make their keys of.
        check(&digest[..48], None);
        check(&digest[..40], None);
        check(&digest[..32], None);
    }

    #[test]
    fn what_is_made_here_is_accepted() {
        let all = formats();
        for name in ["operator", "account"] {
            let mut seed = 7_u8;
            let secret = all.get(name).unwrap().mint(|buffer| {
                for byte in buffer {
                    seed = seed.wrapping_mul(73).wrapping_add(41);
                    *byte = seed;
                }
            });
            assert_eq!(all.accept(secret.expose()).err(), None);
        }
    }

    #[test]
    fn digests_of_nothing() {
        for text in ["", "\n", "null", "None"] {
            assert!(is_digest_of_nothing(&Digest::of(text)), "{text:?}");
        }
        assert!(
            is_digest_of_nothing(&Digest::from_bytes([0; 32]))
                && is_digest_of_nothing(&Digest::from_bytes([255; 32]))
        );
        assert!(!is_digest_of_nothing(&Digest::of("Zr8vQ2mWx7Lk4TnB9cHd3F")));
    }
}
