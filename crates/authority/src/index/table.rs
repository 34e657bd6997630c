//! The table of keys: a directory of [`Shard`]s, read without a lock, written by one.
//!
//! To the three rules of a shard come those of the directory:
//!
//! 4. There is one writer, the owner of the lock. Nothing is written to a shard between its copy and the
//!    swap of the directory, and a change is acknowledged after it was stored here, never before.
//! 5. The directory is loaded afresh for each view, at its first look-up, and held no longer than the view:
//!    what a longer one saw would grow stale once the shard is copied.
//! 6. The writer keeps each old directory until nobody reads it, so that readers never free memory.
//! 7. Keys that crowd in one place mean a larger copy, never a panic.
//! 8. A key whose digest shares 128 bits with that of another living key is refused: the one that was there
//!    first stays. It would take 2^64 attempts to make one, and the store refuses it before.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_core::KeyId;
use claviger_core::key::{Digest, KeyEntry, KeyView};

use super::entry::{Interner, key_id};
use super::load::Bulk;
use super::shard::{Arrival, Layout, Place, Shard, Tally, Words};
use super::sync::{Held, Swap};
use super::word::Word;

/// How full a shard is after it was copied to make room, in percent of its places.
const COPY_PERCENT: usize = 60;
/// Records behind the last place of a new shard; doubled where keys crowd.
const SLACK_RECORDS: usize = if cfg!(claviger_loom) { 1 } else { 64 };
/// Leading bits of a digest that choose the shard: few enough keys in each that a copy takes the writer well
/// under a millisecond, few enough shards that copying the directory takes microseconds.
const SHARD_BITS: std::ops::RangeInclusive<u32> = if cfg!(claviger_loom) { 1..=1 } else { 8..=12 };
/// Keys in a shard for which the number of shards is chosen, as a power of two.
const SHARD_KEYS_BITS: u32 = 13;
/// Digests whose records are fetched at once: as many reads as a core keeps under way.
const BATCH: usize = 16;

/// All shards.
#[derive(Debug)]
pub(super) struct Directory {
    /// Leading bits of a digest that choose the shard.
    bits: u32,
    shards: Box<[Arc<Shard>]>,
}

/// The table of keys.
pub(super) struct KeyTable {
    directory: Swap<Directory>,
    writer: Mutex<Writer>,
    living: AtomicUsize,
}

/// What only the writer has.
struct Writer {
    current: Arc<Directory>,
    tallies: Vec<Tally>,
    terms: Interner,
    /// Directories that somebody may still read.
    retired: Vec<Arc<Directory>>,
}

/// A key that shares 128 bits of its digest with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{refused} is not taken in: its digest shares 128 bits with that of {known}")]
pub struct Collision {
    pub(super) known: KeyId,
    pub(super) refused: KeyId,
}

impl Collision {
    /// The key that was there first.
    #[must_use]
    pub const fn known(&self) -> KeyId {
        self.known
    }
}

/// The bits that choose the shard where this many keys are expected.
pub(super) fn shard_bits(keys: u64) -> u32 {
    (keys >> SHARD_KEYS_BITS).checked_ilog2().unwrap_or(0).clamp(*SHARD_BITS.start(), *SHARD_BITS.end())
}

/// How a shard is laid out at first.
pub(super) const fn layout(bits: u32, percent: usize) -> Layout {
    Layout { bits, percent, slack: SLACK_RECORDS }
}

impl Directory {
    #[inline]
    fn shard_number(&self, words: Words) -> usize {
        shard_number(words, self.bits)
    }

    #[inline]
    fn shard(&self, words: Words) -> &Shard {
        &self.shards[self.shard_number(words)]
    }

    /// The key with this digest.
    #[inline]
    pub(super) fn key(&self, digest: &Digest) -> Option<KeyView<'_>> {
        let words = digest.words();
        self.shard(words).key(words, self.bits)
    }

    /// The keys with these digests, in their order. Reads of memory overlap, so each takes less time.
    pub(super) fn keys<'d>(&'d self, digests: &[Digest], found: &mut Vec<Option<KeyView<'d>>>) {
        for group in digests.chunks(BATCH) {
            // Folded, so that no read is left out.
            let touch = |sum, digest: &Digest| {
                let words = digest.words();
                sum ^ self.shard(words).touch(words, self.bits)
            };
            std::hint::black_box(group.iter().fold(0, touch));
            found.extend(group.iter().map(|digest| self.key(digest)));
        }
    }

    fn with(&self, number: usize, shard: Shard) -> Self {
        let mut shards = self.shards.clone();
        shards[number] = Arc::new(shard);
        Self { bits: self.bits, shards }
    }
}

/// The shard of a digest.
#[inline]
pub(super) const fn shard_number(words: Words, bits: u32) -> usize {
    (words[0] >> (u64::BITS - bits)) as usize
}

impl Default for KeyTable {
    fn default() -> Self {
        let bits = shard_bits(0);
        let empty = || Shard::build(&[], layout(bits, COPY_PERCENT));
        let (shards, tallies) =
            (0..1 << bits).map(|_| empty()).map(|(s, t)| (Arc::new(s), t)).unzip::<_, _, Vec<_>, _>();
        let current = Arc::new(Directory { bits, shards: shards.into() });
        let writer =
            Writer { current: current.clone(), tallies, terms: Interner::default(), retired: Vec::new() };
        Self { directory: Swap::new(current), writer: Mutex::new(writer), living: AtomicUsize::new(0) }
    }
}

impl KeyTable {
    /// What is there now.
    #[inline]
    pub(super) fn load(&self) -> Held<Directory> {
        self.directory.load()
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.living.load(Ordering::Relaxed)
    }

    /// Takes in a key, or its new state.
    ///
    /// # Errors
    /// [`Collision`]: the key that was there first stays.
    pub(super) fn put(&self, digest: &Digest, key: KeyEntry) -> Result<(), Collision> {
        let mut writer = self.lock();
        let parts = writer.terms.parts(key);
        self.write(&mut writer, Arrival { words: digest.words(), parts })
    }

    /// Forgets a key.
    pub(super) fn remove(&self, digest: &Digest) {
        let mut writer = self.lock();
        let words = digest.words();
        let (number, current) = (writer.current.shard_number(words), writer.current.clone());
        let shard = &current.shards[number];
        if let Place::Taken(at, word) = shard.place(words, current.bits)
            && word != Word::DEAD
        {
            shard.set(&mut writer.tallies[number], at, Word::DEAD);
            self.living.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes in what was built beside the table. A table that holds keys already keeps those that the other
    /// does not have.
    pub(super) fn adopt(&self, bulk: Bulk) -> Result<(), Collision> {
        let mut writer = self.lock();
        let Bulk { bits, shards, tallies, terms, late, .. } = bulk;
        if self.len() == 0 {
            let count = tallies.iter().map(Tally::used).sum::<usize>();
            (writer.tallies, writer.terms) = (tallies, terms);
            self.swap(&mut writer, Directory { bits, shards: shards.into() });
            self.living.store(count, Ordering::Relaxed);
        } else {
            for key in shards.iter().flat_map(|shard| shard.living()) {
                self.write(&mut writer, key)?;
            }
        }
        late.into_iter().try_for_each(|key| self.write(&mut writer, key))
    }

    /// Bytes on the heap, the texts of scopes and restrictions left out.
    #[cfg(any(test, feature = "measure"))]
    pub(super) fn bytes(&self) -> usize {
        let writer = self.lock();
        let shards = writer.current.shards.iter().map(|shard| shard.bytes() + size_of::<Arc<Shard>>());
        shards.sum::<usize>() + size_of_val(&*writer.tallies) + writer.terms.bytes()
    }

    /// How many old directories are kept, once the writer has looked.
    #[cfg(all(test, not(claviger_loom)))]
    pub(super) fn retired(&self) -> usize {
        self.lock().retired.len()
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A directory that was swapped out wins no new readers: one handle left is the one here.
        writer.retired.retain(|directory| Arc::strong_count(directory) > 1);
        writer
    }

    fn write(&self, writer: &mut Writer, key: Arrival) -> Result<(), Collision> {
        let number = writer.current.shard_number(key.words);
        let current = writer.current.clone();
        let (shard, tally) = (&*current.shards[number], &mut writer.tallies[number]);
        let mut is_new = true;
        match shard.place(key.words, current.bits) {
            Place::Taken(at, word) => {
                is_new = word == Word::DEAD;
                let (known, named) = (shard.identity(at), (!is_new).then(|| word.decision()));
                if !is_new && key_id(known) != key_id(key.parts.identity) {
                    return Err(Collision { known: key_id(known), refused: key_id(key.parts.identity) });
                }
                // A key that was gone and is back under another identity needs a record of its own.
                let same = known == key.parts.identity;
                match same.then(|| shard.name(tally, named, &key.parts.decision)).flatten() {
                    Some(decision) => shard.set(tally, at, key.parts.word(decision)),
                    None => self.copy(writer, number, key),
                }
            }
            Place::Free(at) if shard.has_room(tally) => match shard.name(tally, None, &key.parts.decision) {
                Some(decision) => shard.insert(tally, at, &key, decision),
                None => self.copy(writer, number, key),
            },
            Place::Free(_) => self.copy(writer, number, key),
            Place::Crowded => {
                tally.crowded();
                self.copy(writer, number, key);
            }
        }
        self.living.fetch_add(usize::from(is_new), Ordering::Relaxed);
        Ok(())
    }

    /// Copies the living keys of a shard into a larger one, this one among them, and swaps the directory.
    fn copy(&self, writer: &mut Writer, number: usize, key: Arrival) {
        let words = key.words;
        let others = writer.current.shards[number].living().filter(|other| other.words != words);
        let keys = others.chain([key]).collect::<Vec<_>>();
        let slack = writer.tallies[number].slack();
        let layout = Layout { bits: writer.current.bits, percent: COPY_PERCENT, slack };
        let (shard, tally) = Shard::build(&keys, layout);
        writer.tallies[number] = tally;
        let next = writer.current.with(number, shard);
        self.swap(writer, next);
    }

    fn swap(&self, writer: &mut Writer, next: Directory) {
        writer.current = Arc::new(next);
        let old = self.directory.swap(writer.current.clone());
        writer.retired.push(old);
    }
}

impl fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyTable").field("len", &self.len()).finish_non_exhaustive()
    }
}
