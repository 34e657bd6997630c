//! Keys that were found where they should not be: `/v1/leaks`.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::secret::{self, Secret};
use crate::transport::{Call, Client};

/// A key that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Leak {
    /// The key.
    #[serde(serialize_with = "secret::exposed")]
    pub key: Secret,
    /// Where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the reporter calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Leak {
    /// A key that was found somewhere.
    pub fn new(key: impl Into<Secret>) -> Self {
        Self { key: key.into(), url: None, source: None }
    }
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LeakOutcome {
    /// The key was disabled.
    Disabled,
    /// Its managers are told, in the history.
    Told,
    /// The history has as many reports of the key as it takes in a day, and not this one.
    #[serde(rename = "already_reported")]
    AlreadyReported,
    /// It was refused already.
    Ended,
    /// It is not one of this authority's.
    Unknown,
    /// An outcome that this version of the client does not know.
    #[serde(untagged)]
    Other(String),
}

#[derive(Serialize)]
struct Report<'l> {
    leaks: &'l [Leak],
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<LeakOutcome>,
}

impl Client {
    /// Reports up to 1,000 keys that were found, and says what became of each, in their order. Whoever reports a key
    /// holds it, so the client needs no key of its own for this.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 413 `too_large` for more.
    pub async fn report_leaks(&self, leaks: &[Leak]) -> Result<Vec<LeakOutcome>> {
        Ok(self.ask::<Outcomes>(Call::post("/v1/leaks", &Report { leaks })?).await?.outcomes)
    }
}
