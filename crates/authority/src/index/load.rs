//! Filling the index when the store is opened.

use std::sync::Arc;

use claviger_core::KeyId;
use claviger_core::change::{ChangeItem, Sequence};
use claviger_core::key::{Digest, KeyEntry};
use claviger_core::principal::{Account, Project, Team};
use claviger_core::resource::Resource;
use claviger_core::restriction::Quota;
use claviger_store::LoadVisitor;

use super::Index;
use super::entry::Interner;
use super::shard::{Arrival, Shard, Tally, Words};
use super::table::{Collision, layout, shard_bits, shard_number};

/// How full a shard is after it was loaded, in percent of its places: 96 bytes of records for a key, and
/// room for a fifth more before the first copy.
const LOAD_PERCENT: usize = 67;

/// Fills an index with what the store holds. Keys that come sorted by digest go straight to their places;
/// none is seen before [`Loader::finish`].
pub struct Loader {
    index: Arc<Index>,
    keys: Bulk,
    quotas: Vec<(KeyId, Quota)>,
    outcome: Result<(), Collision>,
}

impl Loader {
    /// Fills this index, before changes are applied to it.
    #[must_use]
    pub fn new(index: Arc<Index>) -> Self {
        Self { index, keys: Bulk::with_room(0), quotas: Vec::new(), outcome: Ok(()) }
    }

    /// Shows the keys, notes up to which change the store had been read, and returns the keys with a quota.
    ///
    /// # Errors
    /// Two keys share the first 128 bits of their digests, which the store refuses: it was damaged.
    pub fn finish(self, sequence: Sequence) -> Result<Vec<(KeyId, Quota)>, Collision> {
        self.outcome?;
        self.index.adopt(self.keys.finish())?;
        self.index.loaded(sequence);
        Ok(self.quotas)
    }

    fn take_in(&mut self, item: ChangeItem) {
        self.outcome = self.outcome.and(self.index.take_in(item));
    }
}

impl LoadVisitor for Loader {
    fn key_count(&mut self, count: u64) {
        self.keys = Bulk::with_room(count);
    }
    fn account(&mut self, account: Account) {
        self.take_in(ChangeItem::Account(account));
    }
    fn team(&mut self, team: Team) {
        self.take_in(ChangeItem::Team(team));
    }
    fn project(&mut self, project: Project) {
        self.take_in(ChangeItem::Project(project));
    }
    fn resource(&mut self, resource: Resource) {
        self.take_in(ChangeItem::Resource(resource));
    }
    fn key(&mut self, digest: Digest, entry: KeyEntry) {
        self.quotas.extend(entry.rights.restrictions.quota.map(|quota| (entry.id, quota)));
        self.keys.push(digest.words(), entry);
    }
}

/// Shards that are made one after the other, beside the table.
pub(super) struct Bulk {
    pub(super) bits: u32,
    pub(super) shards: Vec<Arc<Shard>>,
    pub(super) tallies: Vec<Tally>,
    pub(super) terms: Interner,
    /// Keys that came out of order, or twice.
    pub(super) late: Vec<Arrival>,
    /// The keys of the next shard.
    pending: Vec<Arrival>,
}

impl Bulk {
    /// Shards for about this many keys.
    pub(super) fn with_room(count: u64) -> Self {
        let bits = shard_bits(count);
        Self {
            bits,
            shards: Vec::with_capacity(1 << bits),
            tallies: Vec::with_capacity(1 << bits),
            terms: Interner::default(),
            late: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// One more key.
    pub(super) fn push(&mut self, words: Words, key: KeyEntry) {
        let arrival = Arrival { words, parts: self.terms.parts(key) };
        let number = shard_number(words, self.bits);
        if number < self.shards.len() || self.pending.last().is_some_and(|last| last.words >= words) {
            self.late.push(arrival);
            return;
        }
        self.complete(number);
        self.pending.push(arrival);
    }

    /// Every shard complete.
    pub(super) fn finish(mut self) -> Self {
        self.complete(1 << self.bits);
        self
    }

    /// Makes the shards before this one.
    fn complete(&mut self, number: usize) {
        while self.shards.len() < number {
            let (shard, tally) = Shard::build(&self.pending, layout(self.bits, LOAD_PERCENT));
            self.pending.clear();
            self.shards.push(Arc::new(shard));
            self.tallies.push(tally);
        }
    }
}
