//! What has to be done from time to time: writing what was counted, forgetting what is old.

use std::sync::atomic::Ordering;
use std::time::Duration;

use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::Actor;
use claviger_core::limit::{IDEMPOTENCY_SECONDS, USAGE_MINUTES_RETENTION_HOURS};
use claviger_core::permit::{SystemTask, WritePermit};
use claviger_core::{Timestamp, UnixSeconds};
use claviger_store::Audit;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::error::Result;

/// Between two writings of what was counted: what a crash loses.
const FLUSH_MILLIS: u64 = 1_000;
/// Between two rounds of forgetting.
const JOBS_SECONDS: u64 = 60;
/// Rows of one transaction.
const BATCH_ROWS: u32 = 500;
/// Batches of one round and kind: what is left over waits for the next, so that no round lasts for hours.
const BATCHES_MAX: u32 = 200;
const DAY_SECONDS: u64 = 86_400;
const PRUNING: WritePermit = WritePermit::system(SystemTask::Pruning);

/// What a round of jobs has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobsDone {
    /// Keys that expired long ago, and are gone now.
    pub keys_purged: u64,
    /// Change rows forgotten.
    pub changes_pruned: u64,
    /// History rows forgotten.
    pub history_pruned: u64,
    /// Counters forgotten.
    pub usage_pruned: u64,
    /// Requests forgotten that were to be carried out once.
    pub requests_pruned: u64,
    /// Imports abandoned that nobody went on with.
    pub imports_abandoned: u64,
    /// Changes that the journal of revocations has forgotten.
    pub journal_compacted: u64,
    /// Rates dropped that were not used any more.
    pub rates_dropped: u64,
}

impl Authority {
    /// Does once what the background task does every minute: purges keys that expired as long ago as the
    /// settings say, and forgets old change rows, history, counters, requests, imports and rates. Each in
    /// small batches, so that no mutation waits for long.
    ///
    /// # Errors
    /// What the store says; what was done until then is done.
    pub async fn run_jobs_once(&self, now: Timestamp) -> Result<JobsDone> {
        let settings = self.settings();
        let mut done = JobsDone { keys_purged: self.purge_keys(now).await?, ..JobsDone::default() };
        done.changes_pruned = self.shared.store.prune_changes(settings.change_rows_kept, PRUNING).await?;
        let store = &self.shared.store;
        if let Some(days) = settings.history_retention_days {
            let before = seconds_before(now, u64::from(days) * DAY_SECONDS).start();
            let mut batches = Batches::default();
            while batches.more(store.prune_history(before, BATCH_ROWS, PRUNING).await?) {}
            done.history_pruned = batches.total;
        }
        let minutes = seconds_before(now, u64::from(USAGE_MINUTES_RETENTION_HOURS) * 3_600);
        let hours = seconds_before(now, u64::from(settings.usage_retention_days) * DAY_SECONDS);
        let mut batches = Batches::default();
        while batches.more(store.prune_usage(minutes, hours, BATCH_ROWS, PRUNING).await?) {}
        done.usage_pruned = batches.total;
        let until = Timestamp::from_millis(now.millis() - (IDEMPOTENCY_SECONDS * 1_000).cast_signed());
        let mut batches = Batches::default();
        while batches.more(store.prune_once(until, BATCH_ROWS, PRUNING).await?) {}
        done.requests_pruned = batches.total;
        for import in self.shared.imports.idle(now) {
            done.imports_abandoned += u64::from(self.abandon_idle(import).await?);
        }
        done.journal_compacted = self.compact_journal(now).await?;
        done.rates_dropped = self.shared.limiter.sweep(now) as u64;
        Ok(done)
    }

    /// Has the journal of revocations forget what is too old, once a day: all of it is read for that.
    async fn compact_journal(&self, now: Timestamp) -> Result<u64> {
        let day = now.millis() / (DAY_SECONDS * 1_000).cast_signed();
        let last = self.shared.compacted_on.swap(day, Ordering::Relaxed);
        let Some(days) = self.settings().journal_retention_days.filter(|_| last != day) else { return Ok(0) };
        let before = seconds_before(now, u64::from(days) * DAY_SECONDS).start();
        Ok(self
            .shared
            .store
            .compact_journal(before, WritePermit::system(SystemTask::JournalCompaction))
            .await?)
    }

    async fn purge_keys(&self, now: Timestamp) -> Result<u64> {
        let retention = u64::from(self.settings().expired_key_retention_days) * DAY_SECONDS;
        // The store purges what expired before a second; one that expired exactly that long ago is due, too.
        let before = seconds_before(now, retention).plus(1);
        if now.seconds().get() < retention {
            return Ok(0);
        }
        let entry = HistoryEntry {
            at: now,
            actor: Actor::System,
            key: None,
            action: "key:purge".into(),
            target: "operator".into(),
            authority: "operator".into(),
            origin: Origin::Cli,
            address: None,
            request_id: None,
            outcome: "done".into(),
            detail: format!("keys that expired before {}", before.get()).into(),
        };
        let mut batches = Batches::default();
        loop {
            let audit = Audit::new(WritePermit::system(SystemTask::Purge), entry.clone());
            let purged = self.shared.store.purge_expired_keys(before, BATCH_ROWS, audit).await?;
            if !batches.more(purged.value) {
                return Ok(batches.total);
            }
        }
    }

    /// Starts the task that writes usage and traffic rows about every second, and runs the jobs every
    /// minute, until it is cancelled; then it writes what is left. Failures are logged and tried again.
    /// Needs a running Tokio.
    #[must_use = "wait for it after cancelling, before the authority is closed"]
    pub fn spawn_jobs(&self, cancel: CancellationToken) -> JoinHandle<()> {
        let authority = self.clone();
        tokio::spawn(async move {
            let mut flush = tokio::time::interval(Duration::from_millis(FLUSH_MILLIS));
            flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut jobs = tokio::time::interval(Duration::from_secs(JOBS_SECONDS));
            jobs.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break,
                    _ = flush.tick() => authority.flush_and_log().await,
                    () = authority.shared.notes.filling.notified() => authority.flush_and_log().await,
                    _ = jobs.tick() => match authority.run_jobs_once(authority.now()).await {
                        Ok(done) if done != JobsDone::default() => tracing::debug!(?done, "jobs"),
                        Ok(_) => {}
                        Err(error) => tracing::warn!(%error, "jobs failed; they are tried again in a minute"),
                    },
                }
            }
            authority.flush_and_log().await;
        })
    }

    /// Writes what was counted and noted.
    pub(crate) async fn flush_and_log(&self) {
        if let Err(error) = self.flush_usage().await {
            tracing::warn!(%error, "usage could not be written; it is tried again");
        }
        if let Err(error) = self.flush_notes().await {
            tracing::warn!(%error, "rows of the history could not be written and are lost");
        }
    }
}

/// Goes on while there is more, within reason.
#[derive(Default)]
struct Batches {
    total: u64,
    made: u32,
}

impl Batches {
    /// Whether there may be more after a batch of this size.
    fn more(&mut self, done: u64) -> bool {
        self.total += done;
        self.made += 1;
        done >= u64::from(BATCH_ROWS) && self.made < BATCHES_MAX
    }
}

fn seconds_before(now: Timestamp, seconds: u64) -> UnixSeconds {
    UnixSeconds::new(now.seconds().get().saturating_sub(seconds)).unwrap_or(UnixSeconds::MAX)
}
