//! How often keys are used, and when last.
//!
//! Verification counts in memory: each thread has a map of its own, which nobody else touches but the
//! flush, and that takes it away whole. About once a second the counts are written in small batches, one
//! after the other, so that at most one of them stands in the way of a mutation. A crash loses what was not
//! written yet; closing writes it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use claviger_core::decide::KeyAction;
use claviger_core::limit::USAGE_ROWS_MAX;
use claviger_core::permit::{Task, TaskPermit};
use claviger_core::quota::Metered;
use claviger_core::restriction::{Quota, QuotaPeriod};
use claviger_core::{KeyId, Timestamp, UnixSeconds};
use claviger_store::{StoreError, UsageBucket, UsageCount, UsageStep};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};

/// Maps; more than threads that verify, so that each has its own.
const SHARDS: usize = 64;
/// Entries of one map at most: as many keys in a second are a scan or a mistake, and are not counted.
const SHARD_ENTRIES_MAX: usize = 65_536;
/// Maps that a use is offered to before it goes uncounted.
const SHARD_ATTEMPTS: usize = 4;
/// Counters of one transaction: a few milliseconds of the writer.
const BATCH_COUNTS_MAX: usize = 250;
const MINUTE_MILLIS: i64 = 60_000;
const FLUSH: TaskPermit = TaskPermit::new(Task::UsageFlush);

/// A key and a minute since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slot {
    key: KeyId,
    minute: i64,
}

#[derive(Clone, Copy, Default)]
struct Count {
    allowed: u64,
    refused: u64,
    /// Uses let through that a quota of the day has counted, and those that one of the month has.
    by_day: u64,
    by_month: u64,
    /// Of the latest use that was let through.
    address: Option<IpAddr>,
}

impl Count {
    fn of(allowed: bool, address: Option<IpAddr>, counted: Option<QuotaPeriod>) -> Self {
        Self {
            allowed: u64::from(allowed),
            refused: u64::from(!allowed),
            by_day: u64::from(allowed && counted == Some(QuotaPeriod::Day)),
            by_month: u64::from(allowed && counted == Some(QuotaPeriod::Month)),
            address: address.filter(|_| allowed),
        }
    }

    /// Uses let through that no quota of this period has counted.
    fn uncounted_by(&self, period: QuotaPeriod) -> u64 {
        let counted = match period {
            QuotaPeriod::Day => self.by_day,
            QuotaPeriod::Month => self.by_month,
        };
        self.allowed.saturating_sub(counted)
    }

    fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        self.refused += other.refused;
        self.by_day += other.by_day;
        self.by_month += other.by_month;
        self.address = other.address.or(self.address);
    }
}

type Counts = HashMap<Slot, Count, BuildHasherDefault<SlotHasher>>;

/// One map, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Held>);

#[derive(Default)]
struct Held {
    counts: Counts,
    /// Keys that were just given a quota: a use that began before and is counted here after is added to the quota.
    late: HashMap<KeyId, Late, BuildHasherDefault<SlotHasher>>,
}

/// The quota that a key was given last; it has no other.
#[derive(Clone, Copy)]
struct Late {
    period: QuotaPeriod,
    /// By then every use that began before is over.
    until: Timestamp,
}

/// For how long late uses of a quota are looked for. A use is decided and counted within microseconds; this leaves
/// room for a thread that the machine does not run for a while.
const LATE_MILLIS: i64 = 5_000;

/// What was counted and not written yet.
pub(crate) struct Usage {
    shards: Box<[Shard]>,
    uncounted: AtomicU64,
    /// What the flush holds: emptied maps to give back, and what could not be written yet.
    flush: tokio::sync::Mutex<Flush>,
}

#[derive(Default)]
struct Flush {
    /// The map that is swapped in for a full one: its room is used again, so counting does not allocate.
    spare: Counts,
    pending: HashMap<Slot, Count>,
}

impl Default for Usage {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { shards, uncounted: AtomicU64::new(0), flush: tokio::sync::Mutex::default() }
    }
}

static NEXT_HOME: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    /// The map of this thread.
    static HOME: usize = NEXT_HOME.fetch_add(1, Ordering::Relaxed);
}

impl Usage {
    /// Counts a use, and returns the quota that has to be told of it, if it came late for one.
    fn record(&self, key: KeyId, now: Timestamp, count: &Count) -> Option<QuotaPeriod> {
        let slot = Slot { key, minute: now.millis().div_euclid(MINUTE_MILLIS) };
        let home = HOME.with(|home| *home);
        for attempt in 0..SHARD_ATTEMPTS {
            let shard = &self.shards[(home + attempt) % SHARDS];
            // Taken by the flush, for as long as two pointers are swapped: never waited for.
            let mut held = match shard.0.try_lock() {
                Ok(held) => held,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => continue,
            };
            let Held { counts, late } = &mut *held;
            if let Some(known) = counts.get_mut(&slot) {
                known.add(count);
            } else if counts.len() < SHARD_ENTRIES_MAX {
                counts.insert(slot, *count);
            } else {
                continue;
            }
            // Empty but for seconds after a change of a quota.
            let late = late.get(&key).map(|late| late.period);
            return late.filter(|period| count.uncounted_by(*period) > 0);
        }
        self.uncounted.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Uses of a key since the maps were emptied that no quota of this period has counted. From here on those that
    /// come late are found by [`Usage::record`], in each map from the moment that it was looked at.
    fn uncounted_by(
        &self,
        key: KeyId,
        period: QuotaPeriod,
        minutes: RangeInclusive<i64>,
        now: Timestamp,
    ) -> u64 {
        let mut uses = 0;
        let until = Timestamp::from_millis(now.millis().saturating_add(LATE_MILLIS));
        for shard in &self.shards {
            let mut held = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            let found = minutes.clone().filter_map(|minute| held.counts.get(&Slot { key, minute }));
            uses += found.map(|count| count.uncounted_by(period)).sum::<u64>();
            held.late.insert(key, Late { period, until });
        }
        uses
    }

    /// No use of a key comes late for a quota of this period any more: another one is about to begin, which finds
    /// each use in the maps.
    fn forget_late(&self, key: KeyId, period: QuotaPeriod) {
        for shard in &self.shards {
            let mut held = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
            if held.late.get(&key).is_some_and(|late| late.period == period) {
                held.late.remove(&key);
            }
        }
    }

    /// Takes everything out of the maps.
    fn drain(&self, flush: &mut Flush, now: Timestamp) {
        for shard in &self.shards {
            {
                let mut held = shard.0.lock().unwrap_or_else(PoisonError::into_inner);
                held.late.retain(|_, late| now < late.until);
                if held.counts.is_empty() {
                    continue;
                }
                std::mem::swap(&mut held.counts, &mut flush.spare);
            }
            for (slot, count) in flush.spare.drain() {
                flush.pending.entry(slot).or_default().add(&count);
            }
        }
    }
}

impl Authority {
    /// Counts a use of a key, by itself, as [`Authority::admit`] does.
    #[cfg(feature = "measure")]
    pub fn record_use(
        &self,
        key: KeyId,
        address: Option<IpAddr>,
        now: Timestamp,
        allowed: bool,
        metered: Option<&Metered>,
    ) {
        self.count_use(key, address, now, allowed, metered);
    }

    /// Counts a use of a key: whether it was let through, when and from where. To be called once for each
    /// request that a known key was presented with, whatever came of it. It never waits, and where a key was
    /// used within the last second it allocates nothing. Only a use that was let through moves `last_used`.
    /// `metered` is what the limiter returned for this use, if it was asked.
    pub(crate) fn count_use(
        &self,
        key: KeyId,
        address: Option<IpAddr>,
        now: Timestamp,
        allowed: bool,
        metered: Option<&Metered>,
    ) {
        let quota = metered.and_then(|metered| metered.quota).filter(|quota| quota.allowed);
        let count = Count::of(allowed, address, quota.map(|quota| quota.quota.period));
        if let Some(period) = self.shared.usage.record(key, now, &count) {
            self.shared.limiter.add_to_quota(key, period, 1, self.settled(now));
        }
    }

    /// Uses that were not counted since the start, because too many keys were used at the same time; or that may not
    /// have been, because the disk failed while they were written.
    #[must_use]
    pub fn uses_uncounted(&self) -> u64 {
        self.shared.usage.uncounted.load(Ordering::Relaxed)
    }

    /// Writes what was counted until now, and returns how many counters that were.
    ///
    /// # Errors
    /// What the store says; what it did not take is kept for the next time.
    pub async fn flush_usage(&self) -> Result<u64, StoreError> {
        let mut flush = self.shared.usage.flush.lock().await;
        self.shared.usage.drain(&mut flush, self.now());
        let mut written = 0;
        while !flush.pending.is_empty() {
            let batch = flush.pending.iter().take(BATCH_COUNTS_MAX);
            let batch = batch.map(|(slot, count)| (*slot, *count)).collect::<Vec<_>>();
            written += self.write_batch(&mut flush, batch).await?;
        }
        Ok(written)
    }

    /// Writes what was counted for this key until now, and leaves the others to the next flush: a change of a quota
    /// waits for the counters of one key alone.
    async fn write_usage_of(&self, key: KeyId, flush: &mut Flush) -> Result<(), StoreError> {
        self.shared.usage.drain(flush, self.now());
        let own = flush.pending.iter().filter(|(slot, _)| slot.key == key);
        let own = own.map(|(slot, count)| (*slot, *count)).collect::<Vec<_>>();
        for batch in own.chunks(BATCH_COUNTS_MAX) {
            self.write_batch(flush, batch.to_vec()).await?;
        }
        Ok(())
    }

    async fn write_batch(&self, flush: &mut Flush, batch: Vec<(Slot, Count)>) -> Result<u64, StoreError> {
        let at = |slot: &Slot| Timestamp::from_millis(slot.minute * MINUTE_MILLIS);
        let counts = batch.iter().map(|(slot, count)| UsageCount {
            key: slot.key,
            at: at(slot),
            allowed: count.allowed,
            refused: count.refused,
        });
        let uses = batch
            .iter()
            .filter(|(_, count)| count.allowed > 0)
            .map(|(slot, count)| (slot.key, at(slot), count.address));
        let (counts, uses) = (counts.collect(), uses.collect());
        // Not cancelled half way: a batch that was handed in is written, so it must not be kept.
        for (slot, _) in &batch {
            flush.pending.remove(slot);
        }
        let written = batch.len() as u64;
        match self.shared.store.record_usage(counts, uses, FLUSH).await {
            Ok(()) => Ok(written),
            Err(error) => {
                if matches!(error, StoreError::OutcomeUnknown { .. }) {
                    // Rather lost than counted twice: a quota must not be used up by a disk that fails.
                    let uses = batch.iter().map(|(_, count)| count.allowed + count.refused).sum();
                    self.shared.usage.uncounted.fetch_add(uses, Ordering::Relaxed);
                } else {
                    flush.pending.extend(batch);
                }
                Err(error)
            }
        }
    }

    /// Prepares a quota for a key that is in use: from what was written, with everything that was counted so far
    /// for the key written first. To be called before the quota is in force; what is used until then is added by
    /// [`QuotaBegun::end`]. No counter is written in between, so that each use is found in one place.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn begin_quota(&self, key: KeyId, quota: Quota) -> Result<QuotaBegun<'_>, StoreError> {
        let mut flush = self.shared.usage.flush.lock().await;
        self.write_usage_of(key, &mut flush).await?;
        self.shared.usage.forget_late(key, quota.period);
        let began = self.settled_now();
        let used = self.shared.store.usage_totals(vec![(key, quota.period.bounds(began).0)]).await?;
        self.shared.limiter.set_quota(key, quota, used.first().copied().unwrap_or_default(), began);
        Ok(QuotaBegun { authority: self, _flush: flush, key, period: quota.period, began })
    }

    /// How often a key was used, in steps from the one that `from` lies in to the one before `until`; steps
    /// without a use are left out. For those who may read the key (`key:read`), and for the key itself.
    /// Minutes are kept for a day, hours for as long as the settings say; what was counted in the last
    /// second may be missing.
    ///
    /// # Errors
    /// Not found for everyone else; [`Error::Invalid`] if there could be more than 10,000 steps.
    pub async fn usage(
        &self,
        caller: &Caller,
        id: KeyId,
        from: UnixSeconds,
        until: UnixSeconds,
        step: UsageStep,
    ) -> Result<Vec<UsageBucket>> {
        self.accepts(caller, KeyAction::Read.action())?;
        self.key(caller, id).await?;
        let start = UnixSeconds::new(from.get() - from.get() % step.seconds()).unwrap_or(from);
        let steps = until.get().saturating_sub(start.get()).div_ceil(step.seconds());
        if steps == 0 || steps > USAGE_ROWS_MAX {
            let detail = format!(
                "must be after `from`, and at most {USAGE_ROWS_MAX} steps after it; ask for a longer `step` or a shorter time"
            );
            return Err(Error::invalid("to", detail));
        }
        let max = u32::try_from(USAGE_ROWS_MAX).unwrap_or(u32::MAX);
        Ok(self.shared.store.usage(id, start, until, step, max).await?)
    }
}

/// A quota that is being given to a key in use.
pub(crate) struct QuotaBegun<'a> {
    authority: &'a Authority,
    _flush: tokio::sync::MutexGuard<'a, Flush>,
    key: KeyId,
    period: QuotaPeriod,
    began: Timestamp,
}

impl QuotaBegun<'_> {
    /// Adds what the quota did not count, now that it is in force.
    pub(crate) fn end(self) {
        let shared = &self.authority.shared;
        let now = self.authority.now();
        let settled = self.authority.settled(now);
        let minute = |at: Timestamp| at.millis().div_euclid(MINUTE_MILLIS);
        // A use is counted in the minute that it began in, which may be the one before; never one of an earlier
        // period.
        let start = minute(self.period.bounds(settled).0.start()).max(minute(self.began) - 1);
        let uses = shared.usage.uncounted_by(self.key, self.period, start..=minute(now), now);
        if uses > 0 {
            shared.limiter.add_to_quota(self.key, self.period, uses, settled);
        }
    }
}

/// Folds the words of a slot: identifiers of ours are random in their low bits already.
#[derive(Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn total(usage: &Usage, flush: &mut Flush) -> (u64, u64) {
        usage.drain(flush, NOW);
        let sum = |f: fn(&Count) -> u64| flush.pending.values().map(f).sum();
        (sum(|c| c.allowed), sum(|c| c.refused))
    }

    #[test]
    fn nothing_is_lost_among_threads_and_flushes() {
        let (usage, mut flush) = (Usage::default(), Flush::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..50_000_u32 {
                        let count = Count::of(n % 2 == 0, None, None);
                        usage.record(KeyId::from_bits(u128::from(n % 10)), NOW, &count);
                    }
                });
            }
            for _ in 0..100 {
                usage.drain(&mut flush, NOW);
            }
        });
        let uncounted = usage.uncounted.load(Ordering::Relaxed);
        let (allowed, refused) = total(&usage, &mut flush);
        assert_eq!((allowed + refused + uncounted, flush.pending.len()), (200_000, 10));
        assert_eq!(uncounted, 0);
    }

    #[test]
    fn a_late_use_is_found_for_the_quota_that_missed_it_and_for_no_other() {
        let usage = Usage::default();
        let [key, other] = [1, 2].map(KeyId::from_bits);
        let minute = NOW.millis() / MINUTE_MILLIS;
        let give = |key, period, now| usage.uncounted_by(key, period, minute..=minute, now);
        let of = |period| Count::of(true, None, period);
        let (day, month) = (QuotaPeriod::Day, QuotaPeriod::Month);
        assert_eq!(usage.record(key, NOW, &of(None)), None, "no quota was given yet");
        assert_eq!(give(key, day, NOW), 1);
        assert_eq!(usage.record(key, NOW, &of(None)), Some(day));
        assert_eq!(usage.record(key, NOW, &of(Some(day))), None, "counted by the quota itself");
        assert_eq!(usage.record(key, NOW, &Count::of(false, None, None)), None, "refused");
        assert_eq!(usage.record(other, NOW, &of(None)), None);
        // Another period: what was decided under the earlier quota has not been counted by this one.
        usage.forget_late(key, month);
        give(key, month, Timestamp::from_millis(NOW.millis() + 1));
        assert_eq!(usage.record(key, NOW, &of(Some(day))), Some(month));
        assert_eq!(usage.record(key, NOW, &of(None)), Some(month), "the quota of the day is gone");
        usage.forget_late(key, day);
        assert_eq!(usage.record(key, NOW, &of(None)), Some(month));
        let open = || usage.shards.iter().map(|shard| shard.0.lock().unwrap().late.len()).sum::<usize>();
        assert_eq!(open(), SHARDS);
        usage.drain(&mut Flush::default(), Timestamp::from_millis(NOW.millis() + LATE_MILLIS));
        assert_eq!(open(), SHARDS, "counted from the later one");
        usage.drain(&mut Flush::default(), Timestamp::from_millis(NOW.millis() + LATE_MILLIS + 1));
        assert_eq!(open(), 0);
        assert_eq!(usage.record(key, NOW, &of(None)), None);
    }

    #[test]
    fn a_flood_of_keys_is_bounded() {
        let usage = Usage::default();
        let flood = (SHARD_ENTRIES_MAX * SHARD_ATTEMPTS + 5) as u128;
        for n in 0..flood {
            usage.record(KeyId::from_bits(n), NOW, &Count::of(true, None, None));
        }
        assert_eq!(usage.uncounted.load(Ordering::Relaxed), 5);
    }

    /// What this thread has had of the processor: other work on the machine does not count.
    fn processor_nanos() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    #[ignore = "prints how long counting takes; run it with --release"]
    fn how_long_it_takes() {
        let usage = Usage::default();
        let address = "192.0.2.1".parse().ok();
        let keys = (0..10_000_u128)
            .map(|n| KeyId::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c)))
            .collect::<Vec<_>>();
        for count in [1, 100, 10_000] {
            let start = processor_nanos();
            for round in 0..1_000_000 {
                usage.record(keys[round % count], NOW, &Count::of(true, address, None));
            }
            eprintln!("{count} keys: {} ns", (processor_nanos() - start) / 1_000_000);
        }
    }
}
