//! E-mail addresses, each in one spelling, so that one mailbox has one account.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Bytes of an address. RFC 5321, section 4.5.3.1: a path has at most 256 octets, two of them angle brackets.
const EMAIL_BYTES_MAX: usize = 254;

/// An e-mail address in its one canonical spelling: Unicode normalization form NFKC, in lower case, without
/// characters that print nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(Box<str>);

/// Not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an e-mail address is `name@host`, such as `ada@example.org`: at most {EMAIL_BYTES_MAX} bytes, no spaces, no invisible characters"
)]
pub struct EmailError;

impl Email {
    /// Reads an address and returns it in its canonical spelling; white space around it is dropped. Whether
    /// mail arrives there is known only after sending some.
    ///
    /// # Errors
    /// [`EmailError`] unless it is a name, one `@` and a host, all of them printable.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        // Before normalization, which turns some invisible characters into others, and drops none.
        if text.len() > 4 * EMAIL_BYTES_MAX || text.trim().chars().any(is_invisible) {
            return Err(EmailError);
        }
        let text = canonical(text.trim());
        let (name, host) = text.split_once('@').ok_or(EmailError)?;
        let labels = !host.contains('@') && host.split('.').all(|label| !label.is_empty());
        if text.len() <= EMAIL_BYTES_MAX && !name.is_empty() && labels && !text.chars().any(is_invisible) {
            Ok(Self(text.into()))
        } else {
            Err(EmailError)
        }
    }

    /// The text, in its canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower case can denormalize (U+0130) and normalization can bring capitals back (U+1D400), so both are
/// repeated until nothing changes; the second round is the last one that does anything.
fn canonical(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..4 {
        let next = text.nfkc().collect::<String>().to_lowercase().nfkc().collect::<String>();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// White space, control, format, private and unassigned characters, and the letters and marks that print
/// nothing (Unicode's `Default_Ignorable_Code_Point`): with one of them two addresses look alike.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.general_category_group() == GeneralCategoryGroup::Other
        || matches!(c,
            '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        let check = |text: &str, expect: &str| assert_eq!(Email::parse(text).unwrap().as_str(), expect);
        check(" Ada@Example.org ", "ada@example.org");
        check("ａｄａ＠example．org", "ada@example.org");
        check("𝐀da@ｅxample.org", "ada@example.org");
        check("Zoe\u{308}@example.org", "zoë@example.org");
        check("ﬁn@BÜCHER.example", "fin@bücher.example");
        check("ops@localhost", "ops@localhost");
    }

    #[test]
    fn what_is_no_address_or_hides_something() {
        let long = format!("{}@b", "a".repeat(260));
        for text in
            ["", "ada", "@", "ada@", "@example.org", "a@b@c", "a b@c", "a@.b", "a@b.", "a@b..c", &long]
        {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
        for hidden in [
            '\u{200b}',
            '\u{200d}',
            '\u{ad}',
            '\u{feff}',
            '\u{202e}',
            '\u{2066}',
            '\0',
            '\u{7f}',
            '\u{34f}',
            '\u{115f}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fe0f}',
            '\u{e0020}',
            '\u{e0100}',
            '\u{e000}',
            '\u{a0}',
            '\u{2800}',
        ] {
            for text in [format!("ad{hidden}a@example.org"), format!("ada@exam{hidden}ple.org")] {
                assert!(Email::parse(&text).is_err(), "{text:?}");
            }
        }
    }

    proptest! {
        /// What was stored is read back as it is.
        #[test]
        fn the_canonical_spelling_is_its_own(text in "\\PC{1,8}@\\PC{1,8}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            }
        }
    }
}
