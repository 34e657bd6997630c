//! Room for imports: few for each tenant, and some that is kept for operators, so that nobody locks others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use claviger_core::decide::{KeyAction, Refusal, Target};
use claviger_core::limit::{
    IMPORT_ROWS_IN_ALL_MAX, IMPORTS_OPEN_MAX, IMPORTS_OPEN_OF_OPERATORS_MAX, IMPORTS_OPEN_PER_TENANT_MAX,
};

use super::{ImportId, ImportProgress, Imports, Session, not_open};
use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::tenant::Tenant;

/// How many imports each tenant has under way. Dry runs count: they hold memory, too.
#[derive(Clone, Default)]
pub(super) struct Opening(Arc<Mutex<HashMap<Tenant, usize>>>);

/// Room for one import, given back when this is dropped.
pub(super) struct Room {
    opening: Opening,
    tenant: Tenant,
}

impl Opening {
    /// Takes room for one import.
    ///
    /// # Errors
    /// The conflict `too_many_imports`, which says whose there are too many.
    pub(super) fn take(&self, tenant: Tenant) -> Result<Room> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let operators = open.get(&Tenant::Operator).copied().unwrap_or(0);
        let others = open.values().sum::<usize>() - operators;
        let own = open.get(&tenant).copied().unwrap_or(0);
        let full = |detail: String| Err(Error::Conflict { code: "too_many_imports", detail });
        if tenant == Tenant::Operator {
            if operators >= IMPORTS_OPEN_OF_OPERATORS_MAX {
                return full(format!(
                    "{IMPORTS_OPEN_OF_OPERATORS_MAX} imports of operators are under way; commit or abandon one first."
                ));
            }
        } else if own >= IMPORTS_OPEN_PER_TENANT_MAX {
            return full(format!(
                "{IMPORTS_OPEN_PER_TENANT_MAX} imports of yours are under way; commit or abandon one first."
            ));
        } else if others >= IMPORTS_OPEN_MAX {
            return full("Too many imports of others are under way; try again in some minutes.".to_owned());
        }
        *open.entry(tenant).or_default() += 1;
        Ok(Room { opening: self.clone(), tenant })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut open = self.opening.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

impl Imports {
    /// The imports under way, with who began each.
    fn callers(&self) -> Vec<(ImportId, Caller)> {
        self.lock().iter().map(|(id, session)| (*id, session.caller.clone())).collect()
    }
}

impl Authority {
    /// Takes room for one import of the caller's, after what the imports of those who lost their access had is given back.
    pub(super) async fn room_for(&self, caller: &Caller) -> Result<Room> {
        let nobody = || Error::refused(Refusal::CredentialsRequired, KeyAction::Create.action());
        let tenant = self.tenant(caller).await?.ok_or_else(nobody)?;
        self.abandon_imports_of_nobody().await?;
        self.shared.imports.opening.take(tenant)
    }

    /// Abandons the imports whose caller is accepted no longer: its key is gone or has ended, or what it acts for is
    /// closed. They could not be committed any more. Returns how many there were.
    pub(crate) async fn abandon_imports_of_nobody(&self) -> Result<u64> {
        let mut abandoned = 0;
        for (id, caller) in self.shared.imports.callers() {
            if self.is_refused(&caller)? {
                abandoned += u64::from(self.abandon_idle(id).await?);
            }
        }
        Ok(abandoned)
    }

    fn is_refused(&self, caller: &Caller) -> Result<bool> {
        match self.accepts(caller, super::IMPORT) {
            Ok(()) => Ok(false),
            Err(Error::Refused { .. }) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// Waits until nobody else stages, commits or abandons an import that the caller may end: its own, or for
    /// operators any.
    pub(super) async fn turn_to_end(
        &self,
        caller: &Caller,
        import: ImportId,
    ) -> Result<tokio::sync::OwnedMutexGuard<()>> {
        if !self.is_operator(caller)? {
            return self.turn(caller, import).await;
        }
        self.permit(caller, KeyAction::Create.action(), Target::Operator)?;
        let turn = self.shared.imports.lock().get(&import).map(|session| session.turn.clone());
        let held = turn.ok_or_else(not_open)?.lock_owned().await;
        // It may have ended meanwhile.
        if self.shared.imports.lock().contains_key(&import) { Ok(held) } else { Err(not_open()) }
    }
}

impl Session {
    /// Whether so many more rows may be handed in. Returns whether they are of a dry run.
    pub(super) fn takes(&self, rows: usize) -> Result<bool> {
        let ImportProgress { staged, duplicate, invalid, refused, dry_run } = self.progress;
        if self.operator {
            return Ok(dry_run);
        }
        if staged + duplicate + invalid + refused + rows as u64 > IMPORT_ROWS_IN_ALL_MAX {
            let detail = format!(
                "One import takes at most {IMPORT_ROWS_IN_ALL_MAX} rows; commit it and begin another, or have an operator import them."
            );
            return Err(Error::Conflict { code: "import_too_large", detail });
        }
        Ok(dry_run)
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::AccountId;

    use super::*;

    #[test]
    fn nobody_takes_the_room_of_others() {
        let opening = Opening::default();
        let account = |n: u128| Tenant::Account(AccountId::from_bits(n));
        let mut taken = (0..2).map(|_| opening.take(account(1)).unwrap()).collect::<Vec<_>>();
        assert!(opening.take(account(1)).is_err(), "a third one");
        for n in 2..5 {
            taken.extend((0..2).map(|_| opening.take(account(n)).unwrap()));
        }
        assert_eq!(taken.len(), IMPORTS_OPEN_MAX);
        assert!(opening.take(account(9)).is_err(), "all that are not operators");
        let operators = (0..IMPORTS_OPEN_OF_OPERATORS_MAX).map(|_| opening.take(Tenant::Operator));
        let operators = operators.collect::<Result<Vec<_>>>().unwrap();
        assert!(opening.take(Tenant::Operator).is_err());
        drop(operators);
        taken.pop();
        opening.take(account(9)).unwrap();
        drop(taken);
        assert!(opening.0.lock().unwrap().is_empty());
    }
}
