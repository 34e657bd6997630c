//! The history, the formats ever configured, and small settings.

use claviger_core::history::HistoryEntry;
use claviger_core::key::KeyFormat;
use claviger_core::permit::{TaskPermit, WritePermit};
use claviger_core::time::Timestamp;

use super::{Result, Store};
use crate::commit::Once;
use crate::query::{HistoryFilter, Page};
use crate::sqlite::{history, once, settings};

impl Store {
    /// Rows of the history with their numbers, the latest written first.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn history(&self, filter: HistoryFilter, page: Page<u64>) -> Result<Vec<(u64, HistoryEntry)>> {
        self.backend.read(move |conn| history::list(conn, &filter, page)).await
    }

    /// Adds rows that belong to no mutation. No change.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn append_history(&self, entries: Vec<HistoryEntry>, permit: WritePermit) -> Result<()> {
        self.backend.plain(permit, move |conn| history::append(conn, &entries)).await
    }

    /// The same for rows that were queued: those of traffic and of refusals.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn append_queued_history(&self, entries: Vec<HistoryEntry>, permit: TaskPermit) -> Result<()> {
        self.backend.plain(permit, move |conn| history::append(conn, &entries)).await
    }

    /// Forgets rows from before an instant, looking at the oldest `max`, and returns how many went.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn prune_history(&self, before: Timestamp, max: u32, permit: TaskPermit) -> Result<u64> {
        self.backend.plain(permit, move |conn| history::prune(conn, before, max)).await
    }

    /// Refuses a request that was carried out already; carrying it out looks again.
    ///
    /// # Errors
    /// [`StoreError::Replayed`](crate::StoreError::Replayed), [`StoreError::NameReused`](crate::StoreError::NameReused).
    pub async fn check_once(&self, request: Once) -> Result<()> {
        self.backend.read(move |conn| once::check(conn, &request)).await
    }

    /// Forgets up to `max` requests that were carried out at this instant or earlier, and returns how many.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn prune_once(&self, until: Timestamp, max: u32, permit: TaskPermit) -> Result<u64> {
        self.backend.plain(permit, move |conn| once::prune(conn, until, max)).await
    }

    /// Remembers these formats and returns every format ever remembered.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn remember_formats(
        &self,
        formats: Vec<KeyFormat>,
        permit: TaskPermit,
    ) -> Result<Vec<KeyFormat>> {
        self.backend.plain(permit, move |conn| settings::remember_formats(conn, &formats)).await
    }

    /// A setting that belongs to this installation, such as its identifier.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn setting(&self, name: &'static str) -> Result<Option<String>> {
        self.backend.read(move |conn| settings::get(conn, name)).await
    }

    /// Keeps a setting.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn put_setting(&self, name: &'static str, value: String, permit: WritePermit) -> Result<()> {
        self.backend.plain(permit, move |conn| settings::put(conn, name, &value)).await
    }
}
