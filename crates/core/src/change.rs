//! Changes: the only thing that alters what verification reads.
//!
//! The store numbers every mutation. A change tells the whole new state of each record that it touched, so
//! that applying it is a swap, and applying it twice is the same as once.

use std::fmt;
use std::str::FromStr;

use crate::key::{Digest, KeyEntry};
use crate::principal::{Account, Project, Team};
use crate::resource::{Resource, ResourceRef};

/// The place of a change in the order of all changes, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

/// The random name of a change, by which its writer finds out whether it was committed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangeId(pub [u8; 16]);

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chg_{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Not the name of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a change is `chg_` and 32 lower-case hexadecimal digits")]
pub struct ChangeIdError;

impl FromStr for ChangeId {
    type Err = ChangeIdError;

    /// Reads the text that Display writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, ChangeIdError> {
        let digits = text.strip_prefix("chg_").ok_or(ChangeIdError)?;
        let canonical = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(digits, 16) {
            Ok(bits) if canonical => Ok(Self(bits.to_be_bytes())),
            _ => Err(ChangeIdError),
        }
    }
}

impl fmt::Debug for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A committed mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order.
    pub sequence: Sequence,
    /// Its random name.
    pub id: ChangeId,
    /// What it touched.
    pub items: Vec<ChangeItem>,
}

/// The new state of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeItem {
    /// A key is as told here.
    Key(Digest, KeyEntry),
    /// A key is gone.
    KeyGone(Digest),
    /// An account is as told here.
    Account(Account),
    /// A team is as told here.
    Team(Team),
    /// A project is as told here.
    Project(Project),
    /// A resource is as told here.
    Resource(Resource),
    /// A resource is gone.
    ResourceGone(ResourceRef),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_change_has_one_spelling() {
        let id = ChangeId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = id.to_string().replace("ab", "AB");
        for text in ["", "chg_", "chg_+1", &upper, &id.to_string()[..35], &format!("{id}0")] {
            assert_eq!(text.parse::<ChangeId>(), Err(ChangeIdError), "{text:?}");
        }
    }
}
