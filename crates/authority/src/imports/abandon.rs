//! Imports of which nothing will stay: given up by their callers, left alone, or left by an earlier process.

use claviger_core::decide::{KeyAction, Target};
use claviger_core::permit::{Task, TaskPermit};
use claviger_store::StoreError;

use super::{BATCH_ROWS, DRY_RUN, ImportId};
use crate::authority::Authority;
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::Result;

const CLEANUP: TaskPermit = TaskPermit::new(Task::ImportCleanup);

impl Authority {
    /// Ends an import of which nothing stays: the caller's own, or for operators any.
    ///
    /// # Errors
    /// As [`Authority::import_progress`].
    pub async fn abandon_import(&self, caller: &Caller, import: ImportId) -> Result<()> {
        let (authority, caller) = (self.clone(), caller.clone());
        self.to_the_end(async move {
            let _turn = authority.turn_to_end(&caller, import).await?;
            let step = |deciding| authority.import_abandoned(deciding, import);
            while !authority.attempts(&caller, &[], &Condition::Always, step).await? {}
            // It stays in the list until nothing is left, so that what failed is tried again.
            authority.shared.imports.lock().remove(&import);
            Ok(())
        })
        .await
    }

    /// Takes a batch away of what an import has staged that the caller may end; whether nothing is left.
    async fn import_abandoned(&self, mut deciding: Deciding<'_>, import: ImportId) -> Result<bool> {
        if deciding.is_operator()? {
            deciding.permit(KeyAction::Create.action(), Target::Operator)?;
        } else {
            self.own_import(&mut deciding, import, |_| ())?;
        }
        if import.0 & DRY_RUN != 0 {
            return Ok(true);
        }
        Ok(self.shared.store.abandon_import(import.0, BATCH_ROWS as u32, deciding.write()?).await?)
    }

    /// Takes away what an import has staged that nobody goes on with. It stays in the list until nothing is left, so
    /// that what failed is tried again.
    async fn clear_import(&self, import: ImportId) -> Result<()> {
        if import.0 & DRY_RUN == 0 {
            while !self.shared.store.clear_import(import.0, BATCH_ROWS as u32, CLEANUP).await? {}
        }
        self.shared.imports.lock().remove(&import);
        Ok(())
    }

    /// Abandons an import that nobody goes on with, unless somebody does right now. Returns whether it is gone.
    pub(crate) async fn abandon_idle(&self, import: ImportId) -> Result<bool> {
        let turn = self.shared.imports.lock().get(&import).map(|session| session.turn.clone());
        let Some(Ok(_turn)) = turn.map(tokio::sync::Mutex::try_lock_owned) else { return Ok(false) };
        self.clear_import(import).await?;
        Ok(true)
    }

    /// Takes away what earlier processes have left staged; a second caller waits for the first.
    pub(crate) async fn clear_stale_imports(&self) -> Result<(), StoreError> {
        let mut stale = self.shared.imports.stale.lock().await;
        while let Some(import) = stale.last().copied() {
            tracing::info!(import, "clearing away an import that was not committed");
            while !self.shared.store.clear_import(import, BATCH_ROWS as u32, CLEANUP).await? {}
            stale.pop();
        }
        Ok(())
    }

    /// Does so beside everything else: nobody sees those rows, and there may be a million of them.
    pub(crate) fn clear_stale_imports_meanwhile(&self) {
        let authority = self.clone();
        tokio::spawn(async move {
            if let Err(error) = authority.clear_stale_imports().await {
                tracing::warn!(%error, "rows of earlier imports are left; the next import clears them away");
            }
        });
    }
}
