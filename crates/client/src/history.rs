//! The history: `/v1/history`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::page::{Pages, query};
use crate::transport::{Call, Client};
use crate::verify::Reason;

/// One row of the history: who did what, with which key, from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryRow {
    /// When.
    pub at: Timestamp,
    /// Who: `account:acct_…`, `key:key_…` or `system`.
    pub actor: String,
    /// With which key, if with one.
    #[serde(default)]
    pub key: Option<String>,
    /// What: a full action, such as `key:create`.
    pub action: String,
    /// To what.
    pub target: String,
    /// The subject concerned, under which it is listed.
    pub subject: String,
    /// By which way: `site`, `api`, `embed` or `cli`.
    pub origin: String,
    /// From which address.
    #[serde(default)]
    pub address: Option<String>,
    /// The request, as it stands in the logs.
    #[serde(default)]
    pub request_id: Option<String>,
    /// How it ended: `done`, or the code of the refusal.
    pub outcome: String,
    /// What changed, in words without secrets.
    pub detail: String,
    /// What led to a refusal, step by step; empty for what was done.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// What a later authority says that this version of the client does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Those of this subject: `account:acct_…`, `operator`, …
    pub subject: Option<String>,
    /// Done by: `account:acct_…`, `key:key_…` or `system`.
    pub actor: Option<String>,
    /// Done with this key.
    pub key: Option<String>,
    /// Done to this, such as `key:key_…`.
    pub target: Option<String>,
    /// This action, such as `key:create`.
    pub action: Option<String>,
    /// Those that came this way: `site`, `api`, `embed` or `cli`.
    pub origin: Option<String>,
    /// Those of this request, by the `X-Request-Id` of its answer.
    pub request_id: Option<String>,
    /// Those not before.
    pub since: Option<Timestamp>,
    /// Those before.
    pub until: Option<Timestamp>,
}

/// What a host's own site did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewHistoryRow {
    /// To what, such as `notebook:5e1f…`.
    pub target: String,
    /// What: an action of the host's own, such as `run:create`.
    pub action: String,
    /// In words without secrets, on one line.
    pub detail: String,
    /// Which account did it, `account:acct_…`; the site itself if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

#[derive(Serialize)]
struct Entries<'r> {
    entries: &'r [NewHistoryRow],
}

#[derive(Deserialize)]
struct Recorded {
    recorded: u64,
}

/// Calls about the history: [`Client::history`].
#[derive(Debug, Clone, Copy)]
pub struct History<'c>(&'c Client);

impl Client {
    /// Calls about the history.
    #[must_use]
    pub fn history(&self) -> History<'_> {
        History(self)
    }
}

impl History<'_> {
    /// Rows, the newest first.
    #[must_use]
    pub fn list(&self, filter: &HistoryFilter) -> Pages<HistoryRow> {
        let fields = [
            ("subject", filter.subject.clone()),
            ("actor", filter.actor.clone()),
            ("key", filter.key.clone()),
            ("target", filter.target.clone()),
            ("action", filter.action.clone()),
            ("origin", filter.origin.clone()),
            ("request_id", filter.request_id.clone()),
            ("since", filter.since.map(|at| at.to_string())),
            ("until", filter.until.map(|at| at.to_string())),
        ];
        Pages::new(self.0.clone(), "/v1/history", query(fields))
    }

    /// Records what the host's own site did, up to 1,000 rows, all of them or none; their origin is `site`.
    /// Returns how many there were. The client's key needs `history:create`.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn record(&self, entries: &[NewHistoryRow]) -> Result<u64> {
        Ok(self.0.ask::<Recorded>(Call::post("/v1/history", &Entries { entries })?).await?.recorded)
    }
}
