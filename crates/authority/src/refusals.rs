//! What the history says of requests that were judged: those that a route records, and every refusal with a
//! known key, so that the `X-Request-Id` of an answer leads to its reasons.
//!
//! Nobody can fill the store with refusals. Those without a known key leave no row; those with one leave as
//! many as its share allows, and all together no more than the queue takes. What is beyond is dropped and counted.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::decide::{Credential, Permit, Reasons};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::{Actor, KeyView};
use claviger_core::rate::RateState;
use claviger_core::resource::Owner;
use claviger_core::restriction::Rate;
use claviger_core::scope::Action;
use claviger_core::{KeyId, Timestamp};

use crate::admit::Answer;
use crate::authority::Authority;
use crate::caller::CallerCredential;
use crate::limiter::States;
use crate::read::NotFresh;

/// Refusals of one key that leave a row: a burst while somebody tries things out, then one every two seconds.
const KEY_RATE: Rate = Rate { limit: 60, period_seconds: 120 };
/// Refusals of all keys together that leave a row: 50 a second at an even pace, about a gigabyte a day at most.
const NODE_RATE: Rate = Rate { limit: 3_000, period_seconds: 60 };

/// What the history may say of a request.
#[derive(Clone, Copy)]
pub struct RequestRecord<'q> {
    /// The action asked for; none where only the method says what it is.
    pub action: Option<Action<'q>>,
    /// The method.
    pub method: &'q str,
    /// The reference of what it is about, if it is about one thing.
    pub target: Option<&'q str>,
    /// By which way.
    pub origin: Origin,
    /// Its name, as the answer has it.
    pub request_id: &'q (dyn Display + Sync),
    /// Where it came in, in words: `through the gateway`.
    pub entrance: &'q str,
    /// Whether it is recorded when it is allowed. Refusals with a known key are, in any case.
    pub if_allowed: bool,
}

impl fmt::Debug for RequestRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRecord").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The shares of refusals that leave a row.
#[derive(Default)]
pub(crate) struct RefusalShares {
    keys: States,
    node: AtomicU64,
    dropped: AtomicU64,
}

impl RefusalShares {
    /// Whether one more refusal of this key leaves a row.
    fn take(&self, key: KeyId, uptime: Duration) -> bool {
        let step = |rate: Rate, state: u64| {
            let (next, decision) = rate.admit(RateState(state), uptime);
            (next.0, decision.allowed)
        };
        let mut taken = self.keys.admit(key, |state| step(KEY_RATE, state));
        if taken {
            let mut seen = self.node.load(Ordering::Relaxed);
            loop {
                let (next, allowed) = step(NODE_RATE, seen);
                taken = allowed;
                match self.node.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(other) => seen = other,
                }
            }
        }
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Drops what says no more than nothing would.
    pub(crate) fn sweep(&self, uptime: Duration) -> usize {
        self.keys.sweep(|state| RateState(state).is_idle(uptime))
    }
}

impl Authority {
    /// Records a request that was judged, as its route says.
    pub(crate) fn record_request(
        &self,
        answer: &Answer<'_, Permit<'_>>,
        record: &RequestRecord<'_>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) {
        match &answer.outcome {
            Ok(_) if !record.if_allowed => {}
            Ok(permit) => {
                let listed = listed_under(permit, record.target, answer.credential);
                let actor = permit.actor().unwrap_or(Actor::Anonymous);
                let key = match answer.credential {
                    Credential::Key(key) => Some(key.id),
                    Credential::Anonymous | Credential::Unknown | Credential::SignedIn(_) => None,
                };
                let target = record.target.unwrap_or("operator");
                let place = Listed { actor, key, target, subject: listed };
                self.note(entry(record, place, "done", Reasons::default(), address, now));
            }
            Err(denial) => {
                if let Credential::Key(key) = answer.credential {
                    self.record_refusal(key, record, denial.code(), answer.reasons, address, now);
                }
            }
        }
    }

    /// Records a refusal of a request that was accepted before and refused by a use case. One without a known
    /// key leaves no row.
    ///
    /// # Errors
    /// [`NotFresh`]: nothing is recorded.
    pub fn record_refused_call(
        &self,
        credential: CallerCredential,
        record: &RequestRecord<'_>,
        code: &str,
        reasons: Reasons,
        address: Option<IpAddr>,
    ) -> Result<(), NotFresh> {
        let view = self.shared.index.view();
        if let Credential::Key(key) = credential.look_up(&view) {
            self.check_freshness()?;
            self.record_refusal(key, record, code, reasons, address, self.now());
        }
        Ok(())
    }

    fn record_refusal(
        &self,
        key: KeyView<'_>,
        record: &RequestRecord<'_>,
        code: &str,
        reasons: Reasons,
        address: Option<IpAddr>,
        now: Timestamp,
    ) {
        if !self.shared.refusals.take(key.id, self.shared.ports.clock.uptime()) {
            return;
        }
        let own = format!("key:{}", key.id);
        // Under the caller: what it asked for need not exist.
        let listed = Listed {
            actor: Actor::Key(key.id),
            key: Some(key.id),
            target: record.target.unwrap_or(&own),
            subject: key.rights.subject.to_string(),
        };
        self.note(entry(record, listed, code, reasons, address, now));
    }

    /// Refusals with a known key that left no row since the start, because there were too many at once.
    #[must_use]
    pub fn refusals_dropped(&self) -> u64 {
        self.shared.refusals.dropped.load(Ordering::Relaxed)
    }
}

/// Whose row it is.
struct Listed<'t> {
    actor: Actor,
    key: Option<KeyId>,
    target: &'t str,
    subject: String,
}

fn entry(
    record: &RequestRecord<'_>,
    listed: Listed<'_>,
    outcome: &str,
    reasons: Reasons,
    address: Option<IpAddr>,
    now: Timestamp,
) -> HistoryEntry {
    let action = match record.action {
        Some(action) => action.to_string(),
        None => format!("request:{}", record.method.to_ascii_lowercase()),
    };
    HistoryEntry {
        at: now,
        actor: listed.actor,
        key: listed.key,
        action: action.into(),
        target: listed.target.into(),
        subject: listed.subject.into(),
        origin: record.origin,
        address,
        request_id: Some(record.request_id.to_string().into()),
        outcome: outcome.into(),
        detail: format!("{} {}", record.method, record.entrance).into(),
        reasons,
    }
}

/// Under whom an allowed request is listed: the owner of the resource, the container, or the caller.
fn listed_under(permit: &Permit<'_>, target: Option<&str>, credential: Credential<'_>) -> String {
    let container =
        target.filter(|target| matches!(target.split_once(':'), Some(("account" | "team" | "project", _))));
    match (permit.resource().map(|resource| resource.owner), container, credential) {
        (Some(Owner::Account(id)), _, _) => format!("account:{id}"),
        (Some(Owner::Team(id)), _, _) => format!("team:{id}"),
        (Some(Owner::Project(id)), _, _) => format!("project:{id}"),
        (None, Some(container), _) => container.to_owned(),
        (None, None, Credential::Key(key)) => key.rights.subject.to_string(),
        (None, None, Credential::SignedIn(id)) => format!("account:{id}"),
        (None, None, Credential::Anonymous | Credential::Unknown) => "operator".to_owned(),
    }
}
