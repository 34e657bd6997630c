//! Room for imports: few for each subject, and some that is kept for operators, so that nobody locks others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::Subject;
use claviger_core::limit::{
    IMPORT_ROWS_IN_ALL_MAX, IMPORTS_OPEN_MAX, IMPORTS_OPEN_OF_OPERATORS_MAX, IMPORTS_OPEN_PER_SUBJECT_MAX,
};

use super::{ImportProgress, Session};
use crate::error::{Error, Result};

/// Who has how many imports under way, by the reference of the subject. Dry runs count: they hold memory, too.
#[derive(Clone, Default)]
pub(super) struct Opening(Arc<Mutex<HashMap<String, usize>>>);

/// Room for one import, given back when this is dropped.
pub(super) struct Room {
    opening: Opening,
    subject: String,
}

const OPERATOR: &str = "operator";

impl Opening {
    /// Takes room for one import.
    ///
    /// # Errors
    /// The conflict `too_many_imports`, which says whose there are too many.
    pub(super) fn take(&self, subject: &Subject) -> Result<Room> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let operators = open.get(OPERATOR).copied().unwrap_or(0);
        let others = open.values().sum::<usize>() - operators;
        let subject = subject.to_string();
        let own = open.get(&subject).copied().unwrap_or(0);
        let full = |detail: String| Err(Error::Conflict { code: "too_many_imports", detail });
        if subject == OPERATOR {
            if operators >= IMPORTS_OPEN_OF_OPERATORS_MAX {
                return full(format!(
                    "{IMPORTS_OPEN_OF_OPERATORS_MAX} imports of operators are under way; commit or abandon one first."
                ));
            }
        } else if own >= IMPORTS_OPEN_PER_SUBJECT_MAX {
            return full(format!(
                "{IMPORTS_OPEN_PER_SUBJECT_MAX} imports of yours are under way; commit or abandon one first."
            ));
        } else if others >= IMPORTS_OPEN_MAX {
            return full("Too many imports of others are under way; try again in some minutes.".to_owned());
        }
        *open.entry(subject.clone()).or_default() += 1;
        Ok(Room { opening: self.clone(), subject })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut open = self.opening.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.subject);
            }
        }
    }
}

impl Session {
    /// Whether so many more rows may be handed in.
    pub(super) fn takes(&self, rows: usize) -> Result<()> {
        if self.operator {
            return Ok(());
        }
        let ImportProgress { staged, duplicate, invalid, refused, .. } = self.progress;
        if staged + duplicate + invalid + refused + rows as u64 > IMPORT_ROWS_IN_ALL_MAX {
            let detail = format!(
                "One import takes at most {IMPORT_ROWS_IN_ALL_MAX} rows; commit it and begin another, or have an operator import them."
            );
            return Err(Error::Conflict { code: "import_too_large", detail });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::AccountId;

    use super::*;

    #[test]
    fn nobody_takes_the_room_of_others() {
        let opening = Opening::default();
        let account = |n: u128| Subject::Account(AccountId::from_bits(n));
        let mut taken = (0..2).map(|_| opening.take(&account(1)).unwrap()).collect::<Vec<_>>();
        assert!(opening.take(&account(1)).is_err(), "a third one");
        for n in 2..5 {
            taken.extend((0..2).map(|_| opening.take(&account(n)).unwrap()));
        }
        assert_eq!(taken.len(), IMPORTS_OPEN_MAX);
        assert!(opening.take(&account(9)).is_err(), "all that are not operators");
        let operators = (0..IMPORTS_OPEN_OF_OPERATORS_MAX).map(|_| opening.take(&Subject::Operator));
        let operators = operators.collect::<Result<Vec<_>>>().unwrap();
        assert!(opening.take(&Subject::Operator).is_err());
        drop(operators);
        taken.pop();
        opening.take(&account(9)).unwrap();
        drop(taken);
        assert!(opening.0.lock().unwrap().is_empty());
    }
}
