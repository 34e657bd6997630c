//! Counters for the metrics page. Labels are words of ours only: nothing that a client sends becomes one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use claviger_authority::{Authority, ClockState};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    decisions: Family<Decision, Counter>,
    /// The counters of what most decisions come to, found once instead of each time.
    usual: [(&'static str, &'static str, Counter); 2],
    levels: Levels,
}

/// What is read off the authority whenever the page is asked for.
#[derive(Default)]
struct Levels {
    keys: Gauge,
    applied: Gauge,
    limited: Gauge,
    changes_possible: Gauge,
    clock_ahead: Gauge,
    clock_behind: Gauge,
    uncounted: Counter,
    dropped: Counter,
    leaks_dropped: Counter,
    refusals_dropped: Counter,
}

impl Levels {
    fn register(&self, registry: &mut Registry) {
        let Self {
            keys,
            applied,
            limited,
            changes_possible,
            clock_ahead,
            clock_behind,
            uncounted,
            dropped,
            leaks_dropped,
            refusals_dropped,
        } = self;
        registry.register(
            "changes_possible",
            "1 if changes can be made, by the latest attempt; else 0",
            changes_possible.clone(),
        );
        registry.register(
            "clock_ahead_seconds",
            "By how much the clock is implausibly ahead of the latest change; nothing is deleted meanwhile",
            clock_ahead.clone(),
        );
        registry.register(
            "clock_behind_seconds",
            "By how much the clock is behind the latest change",
            clock_behind.clone(),
        );
        registry.register("keys", "Keys in the index, disabled and expired ones included", keys.clone());
        registry.register("changes_applied", "Number of the last change in force", applied.clone());
        registry.register("keys_limited", "Keys whose rate is partly used up", limited.clone());
        registry.register(
            "uses_uncounted",
            "Uses that were not counted, because too many keys were used at once",
            uncounted.clone(),
        );
        registry.register(
            "history_rows_dropped",
            "Rows of the gateway that found no room in the history",
            dropped.clone(),
        );
        registry.register(
            "leak_reports_dropped",
            "Reports of keys that left no row in the history, because it has too many of the same key",
            leaks_dropped.clone(),
        );
        registry.register(
            "refusal_rows_dropped",
            "Refusals with a known key that left no row in the history, because there were too many at once",
            refusals_dropped.clone(),
        );
    }

    fn read(&self, authority: &Authority) {
        let level = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        level(&self.keys, authority.key_count() as u64);
        level(&self.applied, authority.changes_applied());
        level(&self.limited, authority.limited_keys() as u64);
        level(&self.changes_possible, u64::from(authority.obstacle().is_none()));
        let (ahead, behind) = match authority.clock_state() {
            ClockState::Steady => (0, 0),
            ClockState::Ahead { by } => (by.as_secs(), 0),
            ClockState::Behind { by } => (0, by.as_secs()),
        };
        level(&self.clock_ahead, ahead);
        level(&self.clock_behind, behind);
        // Counted elsewhere, where nothing is known of metrics.
        self.uncounted.inner().store(authority.uses_uncounted(), Ordering::Relaxed);
        self.refusals_dropped.inner().store(authority.refusals_dropped(), Ordering::Relaxed);
        self.leaks_dropped.inner().store(authority.leak_reports_dropped(), Ordering::Relaxed);
        self.dropped.inner().store(authority.notes_dropped(), Ordering::Relaxed);
    }
}

/// Most decisions come to these.
const USUAL: [(&str, &str); 2] = [("verify", "valid"), ("gateway", "allowed")];

/// By which door a decision was asked for, and its code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    door: &'static str,
    code: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("claviger");
        let decisions = Family::<Decision, Counter>::default();
        let usual =
            USUAL.map(|(door, code)| (door, code, decisions.get_or_create_owned(&Decision { door, code })));
        registry.register("decisions", "Decisions by door and outcome", decisions.clone());
        let levels = Levels::default();
        levels.register(&mut registry);
        Self(Arc::new(Inner { registry, decisions, usual, levels }))
    }
}

impl Metrics {
    /// Counts a decision at a door (`verify`, `gateway`), by its code: that of the refusal, or `allowed`
    /// (gateway) and `valid` (verify).
    pub fn decided(&self, door: &'static str, code: &'static str) {
        match self.0.usual.iter().find(|usual| (usual.0, usual.1) == (door, code)) {
            Some((_, _, counter)) => counter.inc(),
            None => self.0.decisions.get_or_create(&Decision { door, code }).inc(),
        };
    }

    /// The page, in the text format of OpenMetrics.
    #[must_use]
    pub fn page(&self, authority: &Authority) -> String {
        self.0.levels.read(authority);
        let mut page = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut page, &self.0.registry);
        page
    }
}
