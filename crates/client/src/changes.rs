//! What became of changes: `/v1/changes`, and what every change answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::page::escaped;
use crate::transport::{Call, Client};

/// What became of a change that takes authority away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revocation {
    /// `complete`: no node accepts any more what was revoked. `revoking`: some node may, for a bounded time.
    pub state: String,
    /// The change, for [`Client::change`]; none where there was nothing left to revoke.
    pub change: Option<String>,
    /// The nodes that said so.
    pub acknowledged_by: Vec<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Revocation {
    /// Whether no node accepts any more what was revoked.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == "complete"
    }
}

/// A record after a change, and what became of the change if it took authority away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Changed<T> {
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// The record.
    #[serde(flatten)]
    pub value: T,
}

/// What is left to say of something that is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Gone {
    /// What it was called: an identifier, or the `type:id` of a resource.
    pub id: String,
    /// Always true.
    pub deleted: bool,
    /// What became of the authority that went with it; none if it had none.
    pub revocation: Option<Revocation>,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Many keys that are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Revoked {
    /// How many.
    pub revoked: u64,
    /// What became of the authority that went with them; none if there was none.
    pub revocation: Option<Revocation>,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Client {
    /// How far a change that takes authority away has come, by [`Revocation::change`].
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 404 `not_found` for a change that is not known.
    pub async fn change(&self, id: &str) -> Result<Revocation> {
        self.ask(Call::get(format!("/v1/changes/{}", escaped(id)))).await
    }
}
