//! Names that people give, and identifiers that a host gives.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

pub use crate::email::{Email, EmailError};

use crate::limit::{EXTERNAL_ID_CHARACTERS_MAX, NAME_CHARACTERS_MAX};

/// The name of a key, an account, a team or a project: 1 to 128 characters in one line, at least one of them
/// visible, in the normal form C of Unicode, so that two names that look alike are the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

/// Why a name cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or nothing that can be seen.
    #[error("must have at least one visible character, such as \"CI runner\"")]
    Empty,
    /// Too long.
    #[error("must have at most {NAME_CHARACTERS_MAX} characters")]
    TooLong,
    /// A line break, or a character that changes the direction of the text.
    #[error(
        "must be one line without control characters and without characters that override the direction of text"
    )]
    Control,
}

impl Name {
    /// Reads a name; white space around it is dropped, and it is normalised (NFC).
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        // Composing makes a text shorter by less than this, so a longer one need not be normalised to be refused.
        if text.chars().count() > NAME_CHARACTERS_MAX * COMPOSED_CHARACTERS_MAX {
            return Err(NameError::TooLong);
        }
        let text = text.nfc().collect::<String>();
        if text.chars().any(is_unprintable) {
            Err(NameError::Control)
        } else if !text.chars().any(is_visible) {
            Err(NameError::Empty)
        } else if text.chars().count() > NAME_CHARACTERS_MAX {
            Err(NameError::TooLong)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// A name that was read before, perhaps by an earlier version with other rules: taken as it is.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that one composed character stands for at most (Unicode Standard Annex 15: three for NFC, and a
/// margin).
const COMPOSED_CHARACTERS_MAX: usize = 4;

/// Control characters, those that turn the direction of a line and so let a name lie about itself, and those that
/// are no characters (Unicode, section 23.7).
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether a character leaves ink by itself: no white space, no mark that needs another character, nothing that
/// is ignored or blank by definition.
pub(crate) fn is_visible(c: char) -> bool {
    !(c.is_whitespace() || is_unprintable(c) || is_combining_mark(c) || is_ignorable(c) || is_blank(c))
}

/// Default_Ignorable_Code_Point (Unicode Character Database, DerivedCoreProperties.txt), and the format characters
/// that it leaves out.
const fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{13430}'..='\u{13440}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Characters that count as symbols and show nothing: the empty Braille pattern, a rest of musical notation, and
/// code points for private use, for which no font of the reader's needs to have anything.
const fn is_blank(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{1d159}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier that your application has for an account, a team or a project of its own: 1 to 128
/// printable characters. Unique among accounts, among teams and among projects. It is kept byte for byte: another
/// spelling is another identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(Arc<str>);

impl Borrow<str> for ExternalId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Not such an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to {EXTERNAL_ID_CHARACTERS_MAX} characters, at least one of them visible, without spaces at the ends and without control characters, such as \"user-4711\""
)]
pub struct ExternalIdError;

impl ExternalId {
    /// Reads it.
    ///
    /// # Errors
    /// [`ExternalIdError`] if it is empty, too long, or has characters that do not print.
    pub fn parse(text: &str) -> Result<Self, ExternalIdError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Whether the text can be one.
    ///
    /// # Errors
    /// [`ExternalIdError`] if it cannot.
    pub fn check(text: &str) -> Result<(), ExternalIdError> {
        let fits = text.chars().count() <= EXTERNAL_ID_CHARACTERS_MAX && text.chars().any(is_visible);
        if fits && text.trim() == text && !text.chars().any(is_unprintable) {
            Ok(())
        } else {
            Err(ExternalIdError)
        }
    }

    /// One that was read before, perhaps by an earlier version with other rules: taken as it is.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
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
    fn names() {
        assert_eq!(Name::parse("  CI runner ").unwrap().as_str(), "CI runner");
        assert!(Name::parse(&"é".repeat(128)).is_ok());
        assert!(Name::parse(&"e\u{301}".repeat(128)).is_ok(), "composed it has 128 characters");
        assert_eq!(Name::parse(&"e\u{301}".repeat(129)), Err(NameError::TooLong));
        assert_eq!(Name::parse(&"x".repeat(100_000)), Err(NameError::TooLong));
        assert_eq!(Name::parse("Zoe\u{308}").unwrap(), Name::parse("Zo\u{eb}").unwrap());
        assert_eq!(Name::parse(&"é".repeat(129)), Err(NameError::TooLong));
        assert_eq!(Name::parse(" \t"), Err(NameError::Empty));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Control));
        for hidden in
            ['\u{202e}', '\u{2066}', '\u{85}', '\u{7f}', '\u{0}', '\u{2028}', '\u{fffe}', '\u{1ffff}']
        {
            assert_eq!(Name::parse(&format!("a{hidden}b")), Err(NameError::Control), "{hidden:?}");
        }
    }

    #[test]
    fn a_name_can_be_seen() {
        let invisible = [
            "\u{200b}",
            "\u{200d}\u{200c}",
            "\u{feff}",
            "\u{2060}",
            "\u{ad}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{115f}",
            "\u{1160}",
            "\u{2800}",
            "\u{180e}",
            "\u{fe0f}",
            "\u{301}",
            "\u{301}\u{200b}\u{a0}",
            "\u{3000}",
            "\u{e0020}",
            "\u{e0100}",
            "\u{17b4}",
            "\u{61c}",
            "\u{200f}",
            "\u{e000}",
            "\u{10fffd}",
            "\u{1d159}",
            "\u{20dd}",
            "\u{2003}\u{200b}\u{2003}",
        ];
        for text in invisible {
            assert_eq!(Name::parse(text), Err(NameError::Empty), "{text:?}");
            assert_eq!(ExternalId::parse(text), Err(ExternalIdError), "{text:?}");
        }
        // Joiners and variation selectors belong to words of many scripts and to emoji.
        for text in
            ["\u{1f469}\u{200d}\u{1f4bb}", "نام\u{200c}ها", "क\u{94d}\u{200d}ष", "❤\u{fe0f}", "東京", "."]
        {
            assert!(Name::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn identifiers_of_a_host() {
        for text in ["user-4711", &"é".repeat(128), "a b", "a:b/c?d"] {
            assert_eq!(ExternalId::parse(text).unwrap().as_str(), text);
        }
        for text in ["", " a", "a ", "a\nb", &"x".repeat(129), "a\u{202e}b"] {
            assert!(ExternalId::parse(text).is_err(), "{text:?}");
        }
        assert_ne!(ExternalId::parse("e\u{301}"), ExternalId::parse("é"));
    }
}
