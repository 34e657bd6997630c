//! How often keys were used.

use claviger_core::id::KeyId;
use claviger_core::permit::TaskPermit;
use claviger_core::time::UnixSeconds;

use super::{Result, Store};
use crate::query::{LastUsed, UsageBucket, UsageCount, UsageStep};
use crate::sqlite::usage;

impl Store {
    /// Adds to the counters of keys, and notes uses where they are later than what is known. Keys that are
    /// gone are passed over. No change: verification does not read it.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn record_usage(
        &self,
        counts: Vec<UsageCount>,
        uses: Vec<LastUsed>,
        permit: TaskPermit,
    ) -> Result<()> {
        self.backend.plain(permit, move |conn| usage::record(conn, &counts, &uses)).await
    }

    /// The counters of a key that begin from `from` on and before `until`, in order, at most `max`.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn usage(
        &self,
        key: KeyId,
        from: UnixSeconds,
        until: UnixSeconds,
        step: UsageStep,
        max: u32,
    ) -> Result<Vec<UsageBucket>> {
        self.backend.read(move |conn| usage::list(conn, key, (from, until), step, max)).await
    }

    /// How often each of these keys was let through since the hour that begins at its instant, in their order.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn usage_totals(&self, keys: Vec<(KeyId, UnixSeconds)>) -> Result<Vec<u64>> {
        self.backend.read(move |conn| usage::totals(conn, &keys)).await
    }

    /// Forgets up to `max` counters each of minutes and hours that begin before these, and returns how many.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn prune_usage(
        &self,
        minutes_before: UnixSeconds,
        hours_before: UnixSeconds,
        max: u32,
        permit: TaskPermit,
    ) -> Result<u64> {
        self.backend.plain(permit, move |conn| usage::prune(conn, minutes_before, hours_before, max)).await
    }
}
