//! Names that people give, and identifiers that a host gives.

use std::fmt;

pub use crate::email::{Email, EmailError};
use crate::limit::{EXTERNAL_ID_BYTES_MAX, NAME_CHARACTERS_MAX};

/// The name of a key, an account, a team or a project: 1 to 128 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

/// Why a name cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or white space only.
    #[error("a name has at least one character")]
    Empty,
    /// Too long.
    #[error("a name has at most {NAME_CHARACTERS_MAX} characters")]
    TooLong,
    /// A line break or the like.
    #[error("a name is one line without control characters")]
    Control,
}

impl Name {
    /// Reads a name; white space around it is dropped.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            Err(NameError::Empty)
        } else if text.chars().count() > NAME_CHARACTERS_MAX {
            Err(NameError::TooLong)
        } else if text.chars().any(is_unprintable) {
            Err(NameError::Control)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and those that turn the direction of a line and so let a name lie about itself.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identifier that a host application has for an account, a team or a project of its own: 1 to 256
/// printable characters. Unique among accounts, among teams and among projects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExternalId(Box<str>);

/// Not an identifier of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an external id is 1 to {EXTERNAL_ID_BYTES_MAX} bytes without spaces at its ends and without control characters"
)]
pub struct ExternalIdError;

impl ExternalId {
    /// Reads it.
    ///
    /// # Errors
    /// [`ExternalIdError`] if it is empty, too long, or has characters that do not print.
    pub fn parse(text: &str) -> Result<Self, ExternalIdError> {
        let fits = (1..=EXTERNAL_ID_BYTES_MAX).contains(&text.len());
        if fits && text.trim() == text && !text.chars().any(is_unprintable) {
            Ok(Self(text.into()))
        } else {
            Err(ExternalIdError)
        }
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
        assert_eq!(Name::parse(&"é".repeat(129)), Err(NameError::TooLong));
        assert_eq!(Name::parse(" \t"), Err(NameError::Empty));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Control));
        assert_eq!(Name::parse("a\u{202e}b"), Err(NameError::Control));
    }
}
