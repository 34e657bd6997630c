//! Keys.

use claviger_core::history::HistoryEntry;
use claviger_core::id::KeyId;
use claviger_core::key::{Digest, KeyRecord};
use claviger_core::permit::TaskPermit;
use claviger_core::time::UnixSeconds;

use super::{Result, Store};
use crate::commit::{Audit, Committed};
use crate::query::{KeyFilter, LastUsed, Overlap, Page, StoredKey, Taken};
use crate::sqlite::{keys, list};

impl Store {
    /// Adds a key. What it stands for has to exist, so that a key cannot outlive a resource that is deleted
    /// at the same moment. `limit` is how many keys its subject may have, expired ones included.
    ///
    /// # Errors
    /// [`StoreError::Limit`](crate::StoreError::Limit), [`Conflict::Digest`](crate::Conflict::Digest),
    /// [`Conflict::DeletedKey`](crate::Conflict::DeletedKey), [`Conflict::Id`](crate::Conflict::Id), [`StoreError::Missing`](crate::StoreError::Missing).
    pub async fn create_key(&self, key: KeyRecord, limit: u32, audit: Audit) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| keys::create(write, key, limit)).await
    }

    /// Replaces what may change of a key: all but its text, its subject's reference and where it came from.
    /// `next.revision` has to follow `expected_revision`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound), [`StoreError::Stale`](crate::StoreError::Stale).
    pub async fn update_key(
        &self,
        next: KeyRecord,
        expected_revision: u64,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| keys::update(write, next, expected_revision)).await
    }

    /// Deletes a key; with a revision, only at that revision.
    ///
    /// # Errors
    /// [`StoreError::NotFound`](crate::StoreError::NotFound), [`StoreError::Stale`](crate::StoreError::Stale).
    pub async fn delete_key(
        &self,
        id: KeyId,
        expected_revision: Option<u64>,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| keys::delete(write, id, expected_revision)).await
    }

    /// Updates the old key to its last state and adds the new one: one change with both. Both count
    /// towards `limit`. What the old key has used of a quota counts for the new one.
    ///
    /// # Errors
    /// [`StoreError::Replaced`](crate::StoreError::Replaced) if a key that replaces the old one lives at the new
    /// key's `created_at`, and those of [`Store::update_key`] and of [`Store::create_key`].
    pub async fn rotate_key(
        &self,
        old: KeyRecord,
        expected_revision: u64,
        new: KeyRecord,
        limit: u32,
        audit: Audit,
    ) -> Result<Committed<()>> {
        self.backend.write(audit, move |write| keys::rotate(write, old, expected_revision, new, limit)).await
    }

    /// Whether no key lives that took over from this one.
    ///
    /// # Errors
    /// [`StoreError::Replaced`](crate::StoreError::Replaced) if one does.
    pub async fn check_unreplaced(&self, id: KeyId, now: UnixSeconds) -> Result<()> {
        self.backend.read(move |conn| keys::check_unreplaced(conn, id, now)).await
    }

    /// Keys that have not expired by now and each have one that replaces them, in the order in which those were made.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn overlapping_keys(&self, now: UnixSeconds) -> Result<Vec<Overlap>> {
        self.backend.read(move |conn| keys::overlapping(conn, now)).await
    }

    /// Deletes those of these keys that exist, and returns how many did. A change even if none did: who
    /// waits for it waits for the change that deleted them, too.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn delete_keys(&self, ids: Vec<KeyId>, audit: Audit) -> Result<Committed<u64>> {
        self.backend.write(audit, move |write| keys::delete_many(write, &ids)).await
    }

    /// Deletes all keys of a subject, given by its reference text, and returns how many there were. A
    /// change even if there were none.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn delete_keys_of(&self, subject: String, audit: Audit) -> Result<Committed<u64>> {
        self.backend.write(audit, move |write| keys::delete_of(write, &subject)).await
    }

    /// Deletes up to `max` keys that expired or were retired before `before`, the longest expired first, and returns
    /// how many. Neither change nor history if there are none.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn purge_expired_keys(
        &self,
        before: UnixSeconds,
        max: u32,
        permit: TaskPermit,
        entry: HistoryEntry,
    ) -> Result<Committed<u64>> {
        let audit = Audit::of_task(permit, entry);
        self.backend.write(audit, move |write| keys::purge(write, before, max)).await
    }

    /// Adds the first operator key and returns `true`; or returns `false`, with neither change nor history,
    /// if one was ever installed.
    ///
    /// # Errors
    /// [`Conflict::Digest`](crate::Conflict::Digest), [`Conflict::Id`](crate::Conflict::Id).
    pub async fn install_operator_key(&self, key: KeyRecord, audit: Audit) -> Result<Committed<bool>> {
        self.backend.write(audit, move |write| keys::install_operator(write, key)).await
    }

    /// A key.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn key(&self, id: KeyId) -> Result<Option<StoredKey>> {
        self.backend.read(move |conn| keys::by_id(conn, id)).await
    }

    /// Those of these keys that exist, in the order asked for, all of one instant.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn keys_by_ids(&self, ids: Vec<KeyId>) -> Result<Vec<StoredKey>> {
        self.backend.read(move |conn| keys::by_ids(conn, &ids)).await
    }

    /// Which of these digests are taken: by a key that shares the first 128 bits, by a row of an open import, or
    /// by a key that was deleted.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn digests_taken(&self, digests: Vec<Digest>) -> Result<Vec<Option<Taken>>> {
        self.backend.read(move |conn| keys::taken(conn, &digests)).await
    }

    /// The key of this digest.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn key_by_digest(&self, digest: Digest) -> Result<Option<StoredKey>> {
        self.backend.read(move |conn| keys::by_digest(conn, digest)).await
    }

    /// Keys, the newest first.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn keys(&self, filter: KeyFilter, page: Page<KeyId>) -> Result<Vec<StoredKey>> {
        self.backend.read(move |conn| list::keys(conn, &filter, page)).await
    }

    /// Notes uses of keys where they are later than what is known. Keys that are gone are passed over. No
    /// change: verification does not read it.
    ///
    /// # Errors
    /// Only those that every method has.
    pub async fn record_last_used(&self, uses: Vec<LastUsed>, permit: TaskPermit) -> Result<()> {
        self.backend.plain(permit, move |conn| keys::record_last_used(conn, &uses)).await
    }
}
