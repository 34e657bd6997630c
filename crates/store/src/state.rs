//! Whether changes can be made, as the writer last found it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::change::ChangeId;
use claviger_core::permit::PolicyVersion;

/// What keeps changes from being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// Where it is: `database` or `journal`.
    pub part: &'static str,
    /// What the system says. It names no path.
    pub reason: String,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} cannot be written: {}", self.part, self.reason)
    }
}

/// What the writer found, for everybody to read, and the policy that it requires.
#[derive(Clone, Default)]
pub(crate) struct WriterState(Arc<Mutex<Found>>);

#[derive(Default)]
struct Found {
    /// At most one of each part, in the order in which they were found.
    obstacles: Vec<Obstacle>,
    undecided: HashSet<ChangeId>,
    policy: PolicyVersion,
}

impl WriterState {
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found first of what is still in the way.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        self.lock().obstacles.first().cloned()
    }

    pub(crate) fn fails(&self, obstacle: Obstacle) {
        let obstacles = &mut self.lock().obstacles;
        match obstacles.iter_mut().find(|known| known.part == obstacle.part) {
            Some(known) => *known = obstacle,
            None => obstacles.push(obstacle),
        }
    }

    /// The policy that permits must have been decided under, or a later one.
    pub(crate) fn policy(&self) -> PolicyVersion {
        self.lock().policy
    }

    /// Has permits refused that were decided under an earlier policy.
    pub(crate) fn require_policy(&self, policy: PolicyVersion) {
        let mut found = self.lock();
        found.policy = found.policy.max(policy);
    }

    /// A part was written to.
    pub(crate) fn works(&self, part: &'static str) {
        self.lock().obstacles.retain(|obstacle| obstacle.part != part);
    }

    /// Changes of which nobody knows whether they were committed.
    pub(crate) fn set_undecided(&self, changes: impl IntoIterator<Item = ChangeId>) {
        self.lock().undecided = changes.into_iter().collect();
    }

    pub(crate) fn has_undecided(&self) -> bool {
        !self.lock().undecided.is_empty()
    }

    pub(crate) fn is_undecided(&self, change: ChangeId) -> bool {
        self.lock().undecided.contains(&change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_works_again_does_not_hide_one_that_still_fails() {
        let state = WriterState::default();
        let fails = |part, reason: &str| state.fails(Obstacle { part, reason: reason.to_owned() });
        let found = || state.obstacle().map(|obstacle| (obstacle.part, obstacle.reason));
        fails("journal", "full");
        fails("database", "full");
        state.works("database");
        assert_eq!(found(), Some(("journal", "full".to_owned())));
        fails("database", "full");
        fails("journal", "gone");
        assert_eq!(found(), Some(("journal", "gone".to_owned())));
        state.works("journal");
        assert_eq!(found(), Some(("database", "full".to_owned())));
        state.works("database");
        assert_eq!(found(), None);
    }
}
