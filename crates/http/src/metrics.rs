//! Counters for the metrics page. Labels are words of ours only: nothing that a client sends becomes one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use claviger_authority::Authority;
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
    uncounted: Counter,
    dropped: Counter,
}

impl Levels {
    fn register(&self, registry: &mut Registry) {
        let Self { keys, applied, limited, uncounted, dropped } = self;
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
    }

    fn read(&self, authority: &Authority) {
        let level = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        level(&self.keys, authority.key_count() as u64);
        level(&self.applied, authority.changes_applied());
        level(&self.limited, authority.limited_keys() as u64);
        // Counted elsewhere, where nothing is known of metrics.
        self.uncounted.inner().store(authority.uses_uncounted(), Ordering::Relaxed);
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
