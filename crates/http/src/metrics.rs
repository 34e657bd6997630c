//! Counters for the metrics page. Labels are words of ours only: nothing that a client sends becomes one.

use std::sync::Arc;

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
    keys: Gauge,
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
        let keys = Gauge::default();
        registry.register("keys", "Keys in the index, disabled and expired ones included", keys.clone());
        Self(Arc::new(Inner { registry, decisions, usual, keys }))
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
    pub fn page(&self, keys: usize) -> String {
        self.0.keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
        let mut page = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut page, &self.0.registry);
        page
    }
}
