//! Short texts, kept in place.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A text that is kept in place where it is short enough, so that comparing it takes no further look into
/// memory: among a million records that look costs as much as everything else together.
#[derive(Clone)]
pub(crate) enum ShortText {
    /// In place.
    Here {
        /// How many of the bytes are the text.
        length: u8,
        /// The text, then zeros.
        bytes: [u8; ShortText::HERE_BYTES_MAX],
    },
    /// Somewhere else.
    There(Box<str>),
}

impl ShortText {
    /// A word, a colon, and an identifier of 16 to 28 characters fit. With the length and the tag it is 40 bytes.
    const HERE_BYTES_MAX: usize = 38;

    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = [0; Self::HERE_BYTES_MAX];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                // It fits, so it is shorter than a byte can tell.
                Self::Here { length: text.len() as u8, bytes }
            }
            None => Self::There(text.into()),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Here { length, bytes } => &bytes[..usize::from(*length)],
            Self::There(text) => text.as_bytes(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            // It was a text when it was put there.
            Self::Here { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::There(text) => text,
        }
    }
}

impl PartialEq for ShortText {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ShortText {}

impl PartialOrd for ShortText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ShortText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for ShortText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn short_and_long_texts_are_the_texts() {
        assert_eq!(size_of::<ShortText>(), 40);
        let build = std::hash::RandomState::new();
        for length in [0, 1, 37, 38, 39, 161] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let short = ShortText::new(&text);
            assert_eq!(matches!(short, ShortText::Here { .. }), length <= 38);
            assert_eq!((short.as_str(), short.as_bytes()), (text.as_str(), text.as_bytes()));
            assert_eq!(build.hash_one(&short), build.hash_one(text.as_bytes()), "found by its bytes");
            assert!(short == ShortText::new(&text) && short != ShortText::new(&format!("{text}y")));
            assert!(short < ShortText::new(&format!("{text}y")));
        }
    }
}
