//! The history: who did what, with which key, from where.

use std::fmt;
use std::net::IpAddr;

use crate::decide::Reasons;
use crate::id::KeyId;
use crate::key::Actor;
use crate::time::Timestamp;

/// Where an action came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The console, or the host's own site.
    Site,
    /// The REST API or the gateway.
    Api,
    /// An embed.
    Embed,
    /// The command line.
    Cli,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Self; 4] = [Self::Site, Self::Api, Self::Embed, Self::Cli];

    /// The word used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Api => "api",
            Self::Embed => "embed",
            Self::Cli => "cli",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == word)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of the history. Rows are only ever added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// With which key, if with one.
    pub key: Option<KeyId>,
    /// What: a full action, such as `key:create`.
    pub action: Box<str>,
    /// To what: a reference, such as `key:key_…` or `notebook:5e1f…`.
    pub target: Box<str>,
    /// The subject concerned, under which it is listed: `account:acct_…`, `team:…`, `operator`.
    pub subject: Box<str>,
    /// By which way.
    pub origin: Origin,
    /// From which address.
    pub address: Option<IpAddr>,
    /// The request, as it stands in the logs.
    pub request_id: Option<Box<str>>,
    /// How it ended: `done`, or the code of the refusal.
    pub outcome: Box<str>,
    /// What changed, in words without secrets: `status: active -> disabled`.
    pub detail: Box<str>,
    /// What led to a refusal, in order; empty for what was done.
    pub reasons: Reasons,
}
