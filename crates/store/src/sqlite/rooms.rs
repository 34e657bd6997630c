//! How many more keys a subject may have. Counting thousands of them for each new one would make a large
//! subject slow, so the writer remembers what it has counted.

use std::collections::HashMap;

use super::Result;
use crate::error::{Limited, StoreError};

/// Subjects remembered at most; then all are forgotten and counted anew as they come.
const AUTHORITIES_MAX: usize = 10_000;

/// At most how many keys subjects have. A key that is deleted makes it fewer, so what is remembered errs on
/// the safe side; at the limit it is counted again.
#[derive(Default)]
pub(crate) struct Rooms(HashMap<String, u32>);

impl Rooms {
    /// Takes room for one key, or refuses it. `count` counts, up to the limit.
    pub(super) fn take(
        &mut self,
        subject: String,
        limit: u32,
        count: impl FnOnce(&str) -> Result<u32>,
    ) -> Result<()> {
        let listed = match self.0.get(&subject) {
            Some(known) if *known < limit => *known,
            _ => count(&subject)?,
        };
        if listed >= limit {
            return Err(StoreError::Limit { what: Limited::Keys, limit });
        }
        if self.0.len() >= AUTHORITIES_MAX {
            self.forget_all();
        }
        self.0.insert(subject, listed + 1);
        Ok(())
    }

    /// There may be more keys of any subject.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_once_and_again_at_the_limit() {
        let mut rooms = Rooms::default();
        let mut counted = Vec::new();
        let mut take = |rooms: &mut Rooms, there: u32| {
            let taken = rooms.take("operator".to_owned(), 3, |name| {
                counted.push(name.to_owned());
                Ok(there)
            });
            (taken.is_ok(), counted.len())
        };
        assert_eq!(take(&mut rooms, 1), (true, 1));
        assert_eq!(take(&mut rooms, 9), (true, 1), "it remembers 2");
        assert_eq!(take(&mut rooms, 3), (false, 2), "it remembers 3, and so counts");
        assert_eq!(take(&mut rooms, 2), (true, 3), "one has gone meanwhile");
        assert_eq!(take(&mut rooms, 0), (true, 4));
        rooms.forget_all();
        assert_eq!(take(&mut rooms, 3), (false, 5));
    }
}
