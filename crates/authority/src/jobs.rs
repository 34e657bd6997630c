//! What has to be done from time to time: writing what was counted, forgetting what is old.

use std::sync::atomic::Ordering;
use std::time::Duration;

use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::Actor;
use claviger_core::limit::{IDEMPOTENCY_SECONDS, USAGE_MINUTES_RETENTION_HOURS};
use claviger_core::permit::{Task, TaskPermit};
use claviger_core::{Timestamp, UnixSeconds};
use claviger_store::Obstacle;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::error::{Error, Result};
use crate::time::ClockState;

/// Between two writings of what was counted: what a crash loses.
const FLUSH_MILLIS: u64 = 1_000;
/// Between two rounds of forgetting.
const JOBS_SECONDS: u64 = 60;
/// Rows of one transaction.
const BATCH_ROWS: u32 = 500;
/// Batches of one round and kind: what is left over waits for the next, so that no round lasts for hours.
const BATCHES_MAX: u32 = 200;
const DAY_SECONDS: u64 = 86_400;
/// A warning about the clock is repeated each hour.
const ROUNDS_BETWEEN_REMINDERS: u32 = 60;
const PRUNING: TaskPermit = TaskPermit::new(Task::Pruning);

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
    /// Imports abandoned that nobody went on with, or whose caller is no longer accepted.
    pub imports_abandoned: u64,
    /// Changes that the journal of revocations has forgotten.
    pub journal_compacted: u64,
    /// Rates dropped that were not used any more.
    pub rates_dropped: u64,
    /// Whether nothing was deleted for its age, because the clock is implausibly far ahead.
    pub deletions_wait: bool,
}

/// The steps of a round: each is carried out, whatever became of the others.
#[derive(Default)]
struct Round {
    done: JobsDone,
    failure: Option<Error>,
}

impl Round {
    /// What a step has done; nothing, if it failed.
    fn step(&mut self, name: &'static str, outcome: Result<u64>) -> u64 {
        outcome.unwrap_or_else(|error| {
            tracing::warn!(step = name, %error, "a step of the jobs failed; it is tried again in a minute");
            self.failure.get_or_insert(error);
            0
        })
    }
}

impl Authority {
    /// Does once what the background task does every minute: purges keys that expired as long ago as the
    /// settings say, and forgets old change rows, history, counters, requests, imports and rates. Each in
    /// small batches, so that no mutation waits for long. Nothing is deleted for its age while the clock is
    /// implausibly far ahead ([`ClockState::Ahead`](crate::ClockState)).
    ///
    /// # Errors
    /// What the store says of the first step that failed; the others are carried out all the same.
    pub async fn run_jobs_once(&self, now: Timestamp) -> Result<JobsDone> {
        let mut round = Round::default();
        let pruned = self.shared.store.prune_changes(self.settings().change_rows_kept, PRUNING).await;
        round.done.changes_pruned = round.step("changes", pruned.map_err(Error::from));
        if matches!(self.clock_state(), ClockState::Ahead { .. }) {
            round.done.deletions_wait = true;
        } else {
            self.delete_what_is_old(now, &mut round).await;
        }
        let uptime = self.shared.ports.clock.uptime();
        round.done.rates_dropped = self.shared.limiter.sweep(self.settled(now), uptime) as u64;
        self.shared.refusals.sweep(uptime);
        self.shared.allowances.sweep(uptime);
        let Round { done, failure } = round;
        failure.map_or(Ok(done), Err)
    }

    async fn delete_what_is_old(&self, now: Timestamp, round: &mut Round) {
        let purged = self.purge_keys(now).await;
        round.done.keys_purged = round.step("expired keys", purged);
        let pruned = self.prune_history(now).await;
        round.done.history_pruned = round.step("history", pruned);
        let pruned = self.prune_usage(now).await;
        round.done.usage_pruned = round.step("usage", pruned);
        let pruned = self.prune_requests(now).await;
        round.done.requests_pruned = round.step("requests", pruned);
        for import in self.shared.imports.idle(now) {
            let cleared = self.abandon_idle(import).await.map(u64::from);
            round.done.imports_abandoned += round.step("imports", cleared);
        }
        let cleared = self.abandon_imports_of_nobody().await;
        round.done.imports_abandoned += round.step("imports of those who lost their access", cleared);
        let compacted = self.compact_journal(now).await;
        round.done.journal_compacted = round.step("journal", compacted);
    }

    async fn prune_history(&self, now: Timestamp) -> Result<u64> {
        let Some(days) = self.settings().history_retention_days else { return Ok(0) };
        let before = seconds_before(now, u64::from(days) * DAY_SECONDS).start();
        let mut batches = Batches::default();
        while batches.more(self.shared.store.prune_history(before, BATCH_ROWS, PRUNING).await?) {}
        Ok(batches.total)
    }

    async fn prune_usage(&self, now: Timestamp) -> Result<u64> {
        let minutes = seconds_before(now, u64::from(USAGE_MINUTES_RETENTION_HOURS) * 3_600);
        let hours = seconds_before(now, u64::from(self.settings().usage_retention_days) * DAY_SECONDS);
        let mut batches = Batches::default();
        while batches.more(self.shared.store.prune_usage(minutes, hours, BATCH_ROWS, PRUNING).await?) {}
        Ok(batches.total)
    }

    async fn prune_requests(&self, now: Timestamp) -> Result<u64> {
        let until = Timestamp::from_millis(now.millis() - (IDEMPOTENCY_SECONDS * 1_000).cast_signed());
        let mut batches = Batches::default();
        while batches.more(self.shared.store.prune_once(until, BATCH_ROWS, PRUNING).await?) {}
        Ok(batches.total)
    }

    /// Has the journal of revocations forget what is too old, once a day: all of it is read for that.
    async fn compact_journal(&self, now: Timestamp) -> Result<u64> {
        let day = now.millis() / (DAY_SECONDS * 1_000).cast_signed();
        let Some(days) = self.settings().journal_retention_days else { return Ok(0) };
        if self.shared.compacted_on.load(Ordering::Relaxed) == day {
            return Ok(0);
        }
        let before = seconds_before(now, u64::from(days) * DAY_SECONDS).start();
        let permit = TaskPermit::new(Task::JournalCompaction);
        let compacted = self.shared.store.compact_journal(before, permit).await?;
        // Only now: one that failed is tried again in a minute.
        self.shared.compacted_on.store(day, Ordering::Relaxed);
        Ok(compacted)
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
            subject: "operator".into(),
            origin: Origin::Cli,
            address: None,
            request_id: None,
            outcome: "done".into(),
            detail: format!("keys that expired before {}", before.get()).into(),
            reasons: Default::default(),
        };
        let mut batches = Batches::default();
        loop {
            let (permit, entry) = (TaskPermit::new(Task::Purge), entry.clone());
            let purged = self.shared.store.purge_expired_keys(before, BATCH_ROWS, permit, entry).await?;
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
            let mut reported = Reported::default();
            loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break,
                    _ = flush.tick() => authority.flush_and_log().await,
                    () = authority.shared.notes.filling.notified() => authority.flush_and_log().await,
                    _ = jobs.tick() => authority.run_jobs_and_log(&mut reported).await,
                }
                reported.obstacle(authority.obstacle());
            }
            authority.flush_and_log().await;
        })
    }

    async fn run_jobs_and_log(&self, reported: &mut Reported) {
        if let Err(error) = self.watch_clock().await {
            tracing::warn!(%error, "how far time has come could not be written; it is tried again in a minute");
        }
        reported.clock(self.clock_state());
        match self.run_jobs_once(self.now()).await {
            Ok(done) if done != JobsDone::default() => tracing::debug!(?done, "jobs"),
            // Each step that failed has its line already.
            Ok(_) | Err(_) => {}
        }
    }

    /// Writes what was counted and noted, and how far time has come if a key was refused for that.
    pub(crate) async fn flush_and_log(&self) {
        if let Err(error) = self.note_expiry().await {
            tracing::warn!(%error, "how far time has come could not be written; it is tried again");
        }
        if let Err(error) = self.flush_usage().await {
            tracing::warn!(%error, "usage could not be written; it is tried again");
        }
        if let Err(error) = self.flush_notes().await {
            tracing::warn!(%error, "rows of the history could not be written and are lost");
        }
    }
}

/// What the log has of the state that the node is in: a line for each turn, and one each hour that it lasts.
#[derive(Default)]
struct Reported {
    obstacle: Option<Obstacle>,
    clock: Option<&'static str>,
    rounds: u32,
}

impl Reported {
    fn obstacle(&mut self, obstacle: Option<Obstacle>) {
        if self.obstacle == obstacle {
            return;
        }
        match &obstacle {
            Some(obstacle) => tracing::error!(%obstacle, "no change can be made; verification goes on"),
            None => tracing::info!("changes can be made again"),
        }
        self.obstacle = obstacle;
    }

    fn clock(&mut self, state: ClockState) {
        self.rounds += 1;
        let turn = self.clock.replace(state.as_str()) != Some(state.as_str());
        if !turn && self.rounds < ROUNDS_BETWEEN_REMINDERS {
            return;
        }
        self.rounds = 0;
        match state {
            ClockState::Steady => {}
            ClockState::Ahead { by } => tracing::warn!(
                seconds = by.as_secs(),
                "the clock is implausibly far ahead of the latest change; nothing is deleted for its age until it is set right, or has stayed there for a day"
            ),
            ClockState::Behind { by } => tracing::warn!(
                seconds = by.as_secs(),
                "the clock is behind the latest change; until it has caught up, time stands still here: keys that expired stay so"
            ),
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
