//! How often keys are used: `/v1/usage`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::page::{query, target};
use crate::transport::{Call, Client};

/// How fine usage is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsageStep {
    /// By the minute; kept for a day.
    Minute,
    /// By the hour.
    #[default]
    Hour,
    /// By the day (UTC).
    Day,
}

/// Which usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this key, `key_…`.
    pub key: String,
    /// From the step that this whole second lies in; a day before `to` if absent.
    pub from: Option<Timestamp>,
    /// Up to the step before this whole second; until now if absent.
    pub to: Option<Timestamp>,
    /// How fine.
    pub step: UsageStep,
}

impl UsageFilter {
    /// The last day of a key, by the hour.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), from: None, to: None, step: UsageStep::default() }
    }
}

/// How often a key was used in one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// When the step begins.
    pub start: Timestamp,
    /// Uses that were let through.
    pub allowed: u64,
    /// Uses that were refused.
    pub refused: u64,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Deserialize)]
struct Steps {
    items: Vec<Usage>,
}

impl Client {
    /// How often a key was used, step by step, the oldest first; steps without a use are left out. For those who may
    /// read the key, and for the key itself. What was counted in the last second may be missing.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 404 `not_found`, 400 `invalid_request` for a span that cannot be.
    pub async fn usage(&self, filter: &UsageFilter) -> Result<Vec<Usage>> {
        let step = match filter.step {
            UsageStep::Minute => "minute",
            UsageStep::Hour => "hour",
            UsageStep::Day => "day",
        };
        let fields = [
            ("key", Some(filter.key.clone())),
            ("from", filter.from.map(|at| at.to_string())),
            ("to", filter.to.map(|at| at.to_string())),
            ("step", Some(step.to_owned())),
        ];
        Ok(self.ask::<Steps>(Call::get(target("/v1/usage", query(fields)))).await?.items)
    }
}
