//! Imports: staged in batches, then committed at once.

use claviger_core::key::{Actor, KeyRecord};
use claviger_core::permit::{TaskPermit, WritePermit};
use claviger_core::time::Timestamp;

use super::{Result, Store};
use crate::commit::{Audit, Committed};
use crate::error::StoreError;
use crate::query::Staged;
use crate::sqlite::imports;

/// How often a commit is tried again when staged rows went meanwhile with what they stood for.
const COMMIT_ATTEMPTS_MAX: u32 = 8;

impl Store {
    /// Opens an import and returns its number. What is staged for it is seen by nobody until it is committed,
    /// and survives a restart: whoever opens the store abandons what it does not go on with.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn open_import(&self, at: Timestamp, by: Actor, permit: WritePermit) -> Result<u64> {
        self.backend.plain(permit, move |conn| imports::open(conn, at, by)).await
    }

    /// Stages rows and says of each what became of it. `limit` is how many keys a subject may
    /// have, expired and staged ones included; none for no limit. One transaction: whoever hands in a thousand
    /// rows makes the other writers wait for that long.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no such import is open.
    pub async fn stage_keys(
        &self,
        import: u64,
        rows: Vec<KeyRecord>,
        limit: Option<u32>,
        permit: WritePermit,
    ) -> Result<Vec<Staged>> {
        self.backend.plain(permit, move |conn| imports::stage(conn, import, &rows, limit)).await
    }

    /// Makes all that was staged visible in one change, and returns how many keys that are. The transaction
    /// writes a single row and the history, however many there are; what the sink is told is read beforehand.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no such import is open.
    pub async fn commit_import(&self, import: u64, audit: Audit) -> Result<Committed<u64>> {
        self.backend.plain(audit.permit().clone(), move |conn| imports::seal(conn, import)).await?;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let items = self.backend.read(move |conn| imports::items(conn, import)).await?;
            let audit = audit.clone();
            let Committed { sequence, id, value } =
                self.backend.write(audit, move |write| imports::commit(write, import, items)).await?;
            if let Some(value) = value {
                return Ok(Committed { sequence, id, value });
            }
        }
        Err(StoreError::unavailable_because("rows of the import keep vanishing while it is committed"))
    }

    /// Takes away up to `max` staged rows of an import, and with the last of them the import; `true` when it
    /// is gone. One that was committed, or never was, is left as it is.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn abandon_import(&self, import: u64, max: u32, permit: WritePermit) -> Result<bool> {
        self.backend.plain(permit, move |conn| imports::abandon(conn, import, max)).await
    }

    /// The same for an import that nobody goes on with.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn clear_import(&self, import: u64, max: u32, permit: TaskPermit) -> Result<bool> {
        self.backend.plain(permit, move |conn| imports::abandon(conn, import, max)).await
    }

    /// The numbers of the imports that are open.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn open_imports(&self) -> Result<Vec<u64>> {
        self.backend.read(imports::all).await
    }
}
