//! Whether changes can be made, as the writer last found it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::change::ChangeId;

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

/// What the writer found, for everybody to read.
#[derive(Clone, Default)]
pub(crate) struct WriterState(Arc<Mutex<Found>>);

#[derive(Default)]
struct Found {
    obstacle: Option<Obstacle>,
    undecided: HashSet<ChangeId>,
}

impl WriterState {
    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        self.lock().obstacle.clone()
    }

    pub(crate) fn fails(&self, obstacle: Obstacle) {
        self.lock().obstacle = Some(obstacle);
    }

    /// A part was written to.
    pub(crate) fn works(&self, part: &'static str) {
        let mut found = self.lock();
        if found.obstacle.as_ref().is_some_and(|obstacle| obstacle.part == part) {
            found.obstacle = None;
        }
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
