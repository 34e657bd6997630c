//! What is counted and recorded of a request that was judged.

use claviger_core::decide::{Context, Credential, Permit, Refusal};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::Actor;
use claviger_core::quota::Metered;
use claviger_core::resource::Holder;
use claviger_core::scope::Action;
use http::Method;

use super::route::Route;
use crate::client::Client;
use crate::problem::Problem;
use crate::rate;
use crate::request_id::RequestId;
use crate::state::AppState;

/// What the history records of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Every request.
    All,
    /// What changes something: by the action of the route, or, where it has none, by the method.
    Writes,
    /// Nothing.
    Off,
}

impl Recorded {
    /// Reads the word of the configuration.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        match word {
            "all" => Some(Self::All),
            "writes" => Some(Self::Writes),
            "off" => Some(Self::Off),
            _ => None,
        }
    }

    /// Whether a request of this kind is recorded.
    fn takes(self, action: Option<Action<'_>>, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Off => false,
            Self::Writes => match action {
                Some(action) => !action.is_read(),
                None => !method.is_safe(),
            },
        }
    }
}

/// A request on its route, with whatever it was presented with.
pub(super) struct Passage<'p> {
    pub(super) state: &'p AppState,
    pub(super) route: &'p Route,
    pub(super) method: &'p Method,
    pub(super) target: Option<&'p str>,
    pub(super) credential: Credential<'p>,
    pub(super) client: Client,
    pub(super) id: &'p RequestId,
}

impl Passage<'_> {
    /// A refusal: it is counted, for a known key as well, and recorded.
    pub(super) fn refused(&self, refusal: Refusal, action: &str) -> Problem {
        self.used(false, None);
        self.turned_away(refusal.code());
        Problem::refused(refusal, action)
    }

    /// Counts a use that was permitted against the rate of the key, if it has one.
    pub(super) fn within_rate(&self) -> Result<Option<Metered>, Problem> {
        let Credential::Key(key) = self.credential else { return Ok(None) };
        let rate = self.state.authority.check_rate(key, self.state.authority.now());
        let refusal = rate::refusal(rate.as_ref());
        self.used(refusal.is_none(), rate.as_ref());
        match refusal {
            None => Ok(rate),
            Some(problem) => {
                self.turned_away(problem.code);
                Err(problem)
            }
        }
    }

    /// A request that passes.
    pub(super) fn allowed(&self, permit: &Permit<'_>) {
        self.state.metrics.decided("gateway", "allowed");
        if !self.route.recorded.takes(self.route.action(), self.method) {
            return;
        }
        let target = self.target.unwrap_or_default();
        let container = matches!(target.split_once(':'), Some(("account" | "team" | "project", _)));
        let listed = match permit.resource().map(|resource| resource.holder) {
            Some(Holder::Account(id)) => format!("account:{id}"),
            Some(Holder::Team(id)) => format!("team:{id}"),
            Some(Holder::Project(id)) => format!("project:{id}"),
            None if container => target.to_owned(),
            None => self.own(),
        };
        self.note(permit.actor().unwrap_or(Actor::Anonymous), listed, "done");
    }

    fn turned_away(&self, code: &'static str) {
        self.state.metrics.decided("gateway", code);
        if self.route.recorded.takes(self.route.action(), self.method) {
            let actor = match self.credential {
                Credential::Key(key) => Actor::Key(key.id),
                Credential::SignedIn(id) => Actor::Account(id),
                Credential::Anonymous | Credential::Unknown => Actor::Anonymous,
            };
            // Under whoever asked: what it asked for need not exist.
            self.note(actor, self.own(), code);
        }
    }

    /// What the credential stands for.
    fn own(&self) -> String {
        match self.credential {
            Credential::Key(key) => key.rights.authority.to_string(),
            Credential::SignedIn(id) => format!("account:{id}"),
            Credential::Anonymous | Credential::Unknown => "operator".to_owned(),
        }
    }

    fn note(&self, actor: Actor, listed: String, outcome: &str) {
        let action = match self.route.action() {
            Some(action) => action.to_string(),
            None => format!("request:{}", self.method.as_str().to_ascii_lowercase()),
        };
        let entry = HistoryEntry {
            at: self.state.authority.now(),
            actor,
            key: match self.credential {
                Credential::Key(key) => Some(key.id),
                Credential::SignedIn(_) | Credential::Anonymous | Credential::Unknown => None,
            },
            action: action.into(),
            target: self.target.unwrap_or("operator").into(),
            authority: listed.into(),
            origin: if self.route.context == Context::Embed { Origin::Embed } else { Origin::Api },
            address: self.client.address,
            request_id: Some(self.id.to_string().into()),
            outcome: outcome.into(),
            detail: format!("{} through the gateway", self.method).into(),
        };
        // Where there is no room it is dropped, and counted as such: traffic does not wait for its record.
        self.state.authority.note(entry);
    }

    /// Counts a use of a known key.
    fn used(&self, allowed: bool, metered: Option<&Metered>) {
        if let Credential::Key(key) = self.credential {
            let authority = &self.state.authority;
            authority.record_use(key.id, self.client.address, authority.now(), allowed, metered);
        }
    }
}
