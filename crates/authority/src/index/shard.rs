//! One part of the table of keys: records that are found by digest, and the decisions that they name.
//!
//! A record is the first two words of the digest, the [`Word`], and who the key is. Records are searched
//! from the place that the digest points to until the digest is found or a record was never used; the slack
//! behind the last place takes what would have to wrap around.
//!
//! Readers and the one writer share a shard without a lock. What makes that right:
//!
//! 1. Digest and identity are written once. A record is never used for another digest or another key.
//! 2. Status, expiry and decision change together, in one `Release` store of the word. Readers load the
//!    word first, with `Acquire`; whatever was written before that store they see.
//! 3. A decision is complete before a word names it, and never changes. It lives as long as its shard.
//!
//! Methods that write say so; only the owner of the [`Tally`] may call them.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use claviger_core::key::KeyView;

use super::entry::{Decision, Identity, Parts};
use super::sync::{AtomicU64, Once};
use super::word::{DECISIONS_MAX, State, Word};

/// The first 128 bits of a digest.
pub(super) type Words = [u64; 2];

/// Records used, dead ones included, beyond which a shard is copied into a larger one, in percent of its
/// places: above, searches for what is not there take more than 13 records on the average.
const USED_PERCENT_MAX: usize = 80;
/// Places of the smallest shard.
const PLACES_MIN: usize = if cfg!(claviger_loom) { 4 } else { 16 };
/// Decisions that are allocated at once.
const CHUNK_DECISIONS: usize = if cfg!(claviger_loom) { 2 } else { 64 };
/// Decisions among which one that fits is looked for; a shard that has more repeats some.
const SEARCHED_MAX: usize = 64;

/// All that is a key's own: a look-up waits for memory once. On a cache line of its own, or it would often
/// wait for two.
#[derive(Debug)]
#[repr(align(64))]
struct Record {
    digest: [AtomicU64; 2],
    word: AtomicU64,
    identity: [AtomicU64; 4],
}

/// Decisions that are allocated at once, each written once.
type Chunk = Box<[Once<Decision>]>;

/// One part of the table.
#[derive(Debug)]
pub(super) struct Shard {
    records: Box<[Record]>,
    /// Records that a digest can point to; the others are slack.
    places: usize,
    /// The decisions that were there when the shard was made.
    settled: Box<[Decision]>,
    /// Those that came later.
    appended: Box<[Once<Chunk>]>,
}

/// What the writer knows of a shard. To have it is the right to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    /// Records that were ever used.
    used: usize,
    /// Decisions appended.
    appended: usize,
    /// Records behind the last place that the shard, or the next one, is to have.
    slack: usize,
}

/// A key on its way into a shard.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) words: Words,
    pub(super) parts: Parts,
}

/// Where a digest is, or could be.
pub(super) enum Place {
    /// Here, with this word.
    Taken(usize, Word),
    /// It is not there and could be written here.
    Free(usize),
    /// It is not there, and everything from its place to the end is used.
    Crowded,
}

/// How a shard is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Leading bits of a digest that choose the shard.
    pub(super) bits: u32,
    /// How full it is to be, in percent.
    pub(super) percent: usize,
    /// Records behind the last place, at least.
    pub(super) slack: usize,
}

impl Shard {
    /// A shard with these keys, no two of one digest, and room for one more at least.
    pub(super) fn build(keys: &[Arrival], layout: Layout) -> (Self, Tally) {
        let places = PLACES_MIN.max((keys.len() + 1) * 100 / layout.percent + 1);
        // As much slack as keys is enough for all of them in one place.
        let mut slack = layout.slack.min(used_max(places));
        let order = loop {
            match spread(keys, layout.bits, places + slack, places) {
                Some(order) => break order,
                // Keys can be crowded on purpose, if texts made elsewhere are imported.
                None => slack *= 2,
            }
        };
        let mut settled = Vec::new();
        let decisions = keys.iter().map(|key| settle(&mut settled, &key.parts.decision)).collect::<Vec<_>>();
        let record = |at: Option<usize>| match at {
            None => Record::new([0; 2], Word::UNUSED, [0; 4]),
            Some(at) => Record::of(&keys[at], decisions[at]),
        };
        let chunks = used_max(places).saturating_sub(keys.len()).div_ceil(CHUNK_DECISIONS).max(1);
        let shard = Self {
            records: order.into_iter().map(|at| record((at as usize).checked_sub(1))).collect(),
            places,
            settled: settled.into(),
            appended: (0..chunks).map(|_| Once::new()).collect(),
        };
        (shard, Tally { used: keys.len(), appended: 0, slack: slack.max(layout.slack) })
    }

    /// The key with this digest.
    #[inline]
    pub(super) fn key(&self, words: Words, bits: u32) -> Option<KeyView<'_>> {
        match self.place(words, bits) {
            Place::Taken(at, word) => match word.state() {
                // Without its decision a key would be refused; by the third rule that does not happen.
                State::Living(status) => self
                    .decision(word.decision())
                    .map(|decision| decision.view(self.identity(at), status, word.expires_at())),
                State::Dead | State::Unused => None,
            },
            Place::Free(_) | Place::Crowded => None,
        }
    }

    /// Looks for a digest.
    #[inline]
    pub(super) fn place(&self, words: Words, bits: u32) -> Place {
        let home = home(words, bits, self.places);
        for (step, record) in self.records[home..].iter().enumerate() {
            // The word first: what it was stored after is seen from here on.
            let word = Word::from_bits(record.word.load(Acquire));
            if word == Word::UNUSED {
                return Place::Free(home + step);
            }
            if record.digest[0].load(Relaxed) == words[0] && record.digest[1].load(Relaxed) == words[1] {
                return Place::Taken(home + step, word);
            }
        }
        Place::Crowded
    }

    /// Who the key in this record is. Its word was read before.
    #[inline]
    pub(super) fn identity(&self, at: usize) -> Identity {
        self.records[at].identity.each_ref().map(|word| word.load(Relaxed))
    }

    /// Reads the first record that a look-up will read, so that it is on its way.
    #[inline]
    pub(super) fn touch(&self, words: Words, bits: u32) -> u64 {
        self.records[home(words, bits, self.places)].word.load(Relaxed)
    }

    /// The decision that a word names.
    #[inline]
    fn decision(&self, number: usize) -> Option<&Decision> {
        match number.checked_sub(self.settled.len()) {
            None => self.settled.get(number),
            Some(at) => self.appended.get(at / CHUNK_DECISIONS)?.get()?.get(at % CHUNK_DECISIONS)?.get(),
        }
    }

    /// Every key that is not gone.
    pub(super) fn living(&self) -> impl Iterator<Item = Arrival> + '_ {
        self.records.iter().enumerate().filter_map(|(at, record)| {
            let word = Word::from_bits(record.word.load(Acquire));
            let State::Living(status) = word.state() else { return None };
            let decision = self.decision(word.decision())?.clone();
            let words = record.digest.each_ref().map(|word| word.load(Relaxed));
            let parts =
                Parts { identity: self.identity(at), status, expires_at: word.expires_at(), decision };
            Some(Arrival { words, parts })
        })
    }

    /// Writes: makes a word able to name this decision, if there is room. `current` is the one that the key
    /// has now.
    pub(super) fn name(
        &self,
        tally: &mut Tally,
        current: Option<usize>,
        decision: &Decision,
    ) -> Option<usize> {
        let known = current
            .into_iter()
            .chain(0..self.settled.len().min(SEARCHED_MAX))
            .find(|number| self.decision(*number).is_some_and(|known| known.serves(decision)));
        if known.is_some() {
            return known;
        }
        let at = tally.appended;
        let number = self.settled.len() + at;
        if number >= DECISIONS_MAX {
            return None;
        }
        let chunk = self
            .appended
            .get(at / CHUNK_DECISIONS)?
            .get_or_init(|| (0..CHUNK_DECISIONS).map(|_| Once::new()).collect());
        chunk.get(at % CHUNK_DECISIONS)?.set(decision.clone()).ok()?;
        tally.appended += 1;
        Some(number)
    }

    /// Writes: the new state of a key, or that it is gone.
    pub(super) fn set(&self, _: &mut Tally, at: usize, word: Word) {
        self.records[at].word.store(word.bits(), Release);
    }

    /// Writes: a key in a record that was never used.
    pub(super) fn insert(&self, tally: &mut Tally, at: usize, key: &Arrival, decision: usize) {
        let record = &self.records[at];
        let words = key.words.iter().chain(&key.parts.identity);
        for (to, word) in record.digest.iter().chain(&record.identity).zip(words) {
            to.store(*word, Relaxed);
        }
        self.set(tally, at, key.parts.word(decision));
        tally.used += 1;
    }

    /// Whether one more record may be used.
    pub(super) fn has_room(&self, tally: &Tally) -> bool {
        tally.used < used_max(self.places)
    }

    /// Bytes on the heap, what decisions point to included, terms left out.
    #[cfg(any(test, feature = "measure"))]
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.appended.iter().filter(|chunk| chunk.get().is_some()).count();
        let beyond = (0..self.settled.len() + chunks * CHUNK_DECISIONS)
            .filter_map(|number| self.decision(number))
            .map(Decision::bytes_beyond)
            .sum::<usize>();
        size_of_val(&*self.records)
            + size_of_val(&*self.settled)
            + size_of_val(&*self.appended)
            + chunks * CHUNK_DECISIONS * size_of::<Once<Decision>>()
            + beyond
            + size_of::<Self>()
    }
}

impl Record {
    fn new(digest: Words, word: Word, identity: Identity) -> Self {
        Self {
            digest: digest.map(AtomicU64::new),
            word: AtomicU64::new(word.bits()),
            identity: identity.map(AtomicU64::new),
        }
    }

    fn of(key: &Arrival, decision: usize) -> Self {
        Self::new(key.words, key.parts.word(decision), key.parts.identity)
    }
}

impl Parts {
    /// The word of a key whose decision has this number.
    pub(super) fn word(&self, decision: usize) -> Word {
        Word::new(self.status, self.expires_at, decision)
    }
}

impl Tally {
    /// Notes that keys crowd at the end of the shard: the next one gets more slack.
    pub(super) const fn crowded(&mut self) {
        self.slack *= 2;
    }

    /// Records that were ever used.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// The slack that the next shard is to have at least.
    pub(super) const fn slack(&self) -> usize {
        self.slack
    }
}

/// Used records at most.
const fn used_max(places: usize) -> usize {
    places * USED_PERCENT_MAX / 100
}

/// The place that a digest points to: what follows the bits that chose the shard, as a fraction of the
/// places. So digests that come sorted are written one behind the other.
#[inline]
fn home(words: Words, bits: u32, places: usize) -> usize {
    ((u128::from(words[0] << bits) * places as u128) >> 64) as usize
}

/// Which key goes into which record, counted from 1; 0 means none. Nothing if too many crowd in one place.
fn spread(keys: &[Arrival], bits: u32, records: usize, places: usize) -> Option<Vec<u32>> {
    let mut order = vec![0; records];
    for (key, number) in keys.iter().zip(1..) {
        *order[home(key.words, bits, places)..].iter_mut().find(|free| **free == 0)? = number;
    }
    Some(order)
}

/// The number of a decision among those that a new shard has.
fn settle(settled: &mut Vec<Decision>, decision: &Decision) -> usize {
    let search = if decision.is_shared() { SEARCHED_MAX } else { 0 };
    settled.iter().take(search).position(|known| known.serves(decision)).unwrap_or_else(|| {
        settled.push(decision.clone());
        settled.len() - 1
    })
}
