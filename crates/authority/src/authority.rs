//! The authority: the store, the index, and what all use cases share.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use claviger_core::Timestamp;
use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::decide::{self, Credential, Permit, Policy, Refusal, Request, Target, Verdict};
use claviger_core::history::HistoryEntry;
use claviger_core::id::{Id, KeyId, Tag};
use claviger_core::key::{Actor, Formats, PresentedKey};
use claviger_core::scope::Action;
use claviger_store::{
    Audit, ChangeSink, Committed, NotApplied, SqliteOptions, Store, StoreError, WriterHealth,
};
use tokio::sync::watch;

use crate::caller::{Caller, CallerCredential};
use crate::error::{Error, Result};
use crate::imports::Imports;
use crate::index::{Index, Loader, View};
use crate::leaks::Told;
use crate::limiter::Limiter;
use crate::notes::Notes;
use crate::password::Passwords;
use crate::ports::Ports;
use crate::read::NotFresh;
use crate::refusals::RefusalShares;
use crate::settings::{InForce, Settings};
use crate::usage::Usage;

/// Everything a running Claviger knows and does. Clones are the same authority.
#[derive(Clone)]
pub struct Authority {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) index: Arc<Index>,
    pub(crate) health: WriterHealth,
    pub(crate) ports: Ports,
    pub(crate) settings: InForce,
    pub(crate) formats: Arc<Formats>,
    pub(crate) passwords: Passwords,
    pub(crate) imports: Imports,
    pub(crate) limiter: Limiter,
    pub(crate) notes: Notes,
    pub(crate) refusals: RefusalShares,
    pub(crate) usage: Usage,
    pub(crate) told: Told,
    /// Held by whoever replaces a whole list of resources: each has two lists of them in memory.
    pub(crate) reconciling: tokio::sync::Mutex<()>,
    /// The day, since 1970, on which the journal was last compacted.
    pub(crate) compacted_on: AtomicI64,
    applied: watch::Receiver<Sequence>,
    node: String,
}

/// A change that was made, and what came of it.
#[derive(Debug, Clone)]
pub struct Changed<T> {
    /// What came of it.
    pub value: T,
    /// The change, and whether it took authority away.
    pub change: ChangeMade,
}

/// What became of a change by the time it is answered.
#[derive(Debug, Clone)]
pub struct ChangeMade {
    /// Its name; none where there was nothing to change.
    pub id: Option<ChangeId>,
    /// Whether it took authority away.
    pub revokes: bool,
    /// The nodes that refuse by now what it took away.
    pub acknowledged_by: Vec<String>,
    /// From the request for the change until every node knew it.
    pub elapsed_millis: u64,
}

/// Hands the store's changes to the index, in order.
struct IndexSink {
    index: Arc<Index>,
    applied: watch::Sender<Sequence>,
}

impl ChangeSink for IndexSink {
    fn apply(&mut self, change: &Change) -> Result<(), NotApplied> {
        let applied = self.index.apply(change);
        self.applied.send_replace(change.sequence);
        applied.map_err(|error| NotApplied { sequence: change.sequence, reason: error.to_string() })
    }
}

impl Authority {
    /// Opens the store and fills the index. When this returns, every decision can be made.
    ///
    /// # Errors
    /// What keeps the store from being opened or read.
    pub async fn open(options: SqliteOptions, settings: Settings, ports: Ports) -> Result<Self, StoreError> {
        let index = Arc::new(Index::default());
        let (sender, applied) = watch::channel(Sequence(0));
        let random = ports.random.clone();
        let sink = IndexSink { index: index.clone(), applied: sender };
        let store = Store::open(options, Box::new(move |buffer| random.fill(buffer)), Box::new(sink)).await?;
        let (loader, sequence) = store.load(Loader::new(index.clone())).await?;
        let quotas = loader.finish(sequence).map_err(|error| StoreError::Inconsistent {
            table: "keys",
            row: error.known().to_string(),
            detail: error.to_string(),
        })?;
        let health = store.health().clone();
        let known = store
            .remember_formats(settings.formats.iter().map(|(_, format)| format.clone()).collect())
            .await?;
        let stale = store.open_imports().await?;
        let formats = Arc::new(Formats::new(settings.formats.clone(), known));
        let node = format!("node_{:016x}", u64::from_be_bytes(ports.bytes()));
        let shared = Shared {
            store,
            index,
            health,
            ports,
            settings: InForce::new(settings),
            formats,
            passwords: Passwords::default(),
            told: Told::default(),
            reconciling: tokio::sync::Mutex::default(),
            imports: Imports::after(stale),
            limiter: Limiter::default(),
            notes: Notes::default(),
            refusals: RefusalShares::default(),
            usage: Usage::default(),
            compacted_on: AtomicI64::new(i64::MIN),
            applied,
            node,
        };
        let authority = Self { shared: Arc::new(shared) };
        authority.seed_quotas(&quotas).await?;
        authority.clear_stale_imports_meanwhile();
        Ok(authority)
    }

    /// Writes what was counted and noted, completes what was handed in and closes the store. The task of
    /// [`Authority::spawn_jobs`] is to be cancelled before.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.flush_and_log().await;
        self.shared.store.close().await
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.ports.clock.now()
    }

    /// Clock and randomness.
    #[must_use]
    pub fn ports(&self) -> &Ports {
        &self.shared.ports
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.shared.settings.all()
    }

    /// What decisions depend on.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.shared.settings.policy()
    }

    /// The key formats, now and earlier.
    #[must_use]
    pub fn formats(&self) -> Arc<Formats> {
        self.shared.formats.clone()
    }

    /// Turns a presented text into what a caller has: the digest to look up, or the knowledge that no key
    /// of ours looks like this.
    #[must_use]
    pub fn identify(&self, presented: Option<PresentedKey<'_>>) -> CallerCredential {
        match presented {
            None => CallerCredential::Anonymous,
            Some(key) if self.shared.formats.refuse(key.expose()) => CallerCredential::Unknown,
            Some(key) => CallerCredential::Key(key.digest()),
        }
    }

    /// Decides about a request in a view of the index. Nothing is written, nothing is waited for.
    #[must_use]
    pub(crate) fn decide<'v>(
        &self,
        view: &'v View<'_>,
        credential: Credential<'v>,
        request: &Request<'_>,
    ) -> Verdict<'v> {
        decide::decide(view, self.policy(), credential, request, self.now())
    }

    /// What a caller may do to Claviger's own records: decides, and tells who acts.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn permit(
        &self,
        caller: &Caller,
        action: Action<'_>,
        target: Target<'_>,
    ) -> Result<Permitted> {
        let request = Request { place: caller.place(), ..Request::new(action, target) };
        self.read(|view| {
            let Verdict { outcome, reasons } = self.decide(view, caller.credential(view), &request);
            let permit = outcome.map_err(|refusal| Error::denied(refusal, action, reasons))?;
            Permitted::of(&permit).ok_or_else(|| Error::refused(Refusal::CredentialsRequired, action))
        })?
    }

    /// Whether the caller's credential is accepted at all.
    ///
    /// # Errors
    /// The refusal.
    pub fn accepts(&self, caller: &Caller, action: Action<'_>) -> Result<()> {
        let now = self.now();
        let mut reasons = decide::Reasons::default();
        let accepted = self.read(|view| {
            let credential = caller.credential(view);
            if matches!(credential, Credential::Anonymous) {
                return Err(Refusal::CredentialsRequired);
            }
            decide::authenticate(view, credential, caller.place(), now, &mut reasons)
        })?;
        accepted.map_err(|refusal| Error::denied(refusal, action, reasons))
    }

    /// Who the caller is, if it is anybody; whether it may do something is not asked.
    pub(crate) fn acting(&self, caller: &Caller) -> Result<Option<Permitted>, NotFresh> {
        self.read(|view| match caller.credential(view) {
            Credential::SignedIn(id) => Some(Permitted { actor: Actor::Account(id), key: None }),
            Credential::Key(key) => Some(Permitted { actor: Actor::Key(key.id), key: Some(key.id) }),
            Credential::Anonymous | Credential::Unknown => None,
        })
    }

    /// A new identifier.
    pub(crate) fn new_id<T: Tag>(&self) -> Id<T> {
        Id::new(self.now(), self.shared.ports.bytes())
    }

    /// The history row of an action.
    pub(crate) fn audit(
        &self,
        caller: &Caller,
        by: Permitted,
        what: Action<'_>,
        on: On,
        detail: String,
    ) -> Audit {
        Audit::new(self.entry(caller, by, what, on, detail))
    }

    /// One such row.
    pub(crate) fn entry(
        &self,
        caller: &Caller,
        by: Permitted,
        what: Action<'_>,
        on: On,
        detail: String,
    ) -> HistoryEntry {
        HistoryEntry {
            at: self.now(),
            actor: by.actor,
            key: by.key,
            action: what.to_string().into(),
            target: on.target.into(),
            authority: on.authority.into(),
            origin: caller.origin,
            address: caller.address,
            request_id: caller.request_id.clone(),
            outcome: "done".into(),
            detail: detail.into(),
            reasons: Default::default(),
        }
    }

    /// What to answer for a mutation that the index knows of by now.
    pub(crate) fn made<T>(&self, committed: Committed<T>, since: Timestamp, revokes: bool) -> Changed<T> {
        let change = self.change_made(Some(committed.id), since, revokes);
        Changed { value: committed.value, change }
    }

    fn change_made(&self, id: Option<ChangeId>, since: Timestamp, revokes: bool) -> ChangeMade {
        let elapsed = self.now().millis().saturating_sub(since.millis()).max(0);
        ChangeMade {
            id,
            revokes,
            acknowledged_by: vec![self.shared.node.clone()],
            elapsed_millis: elapsed.cast_unsigned(),
        }
    }

    /// What to answer where there was nothing to change: as soon as the index knows whatever the store had
    /// committed by now. Otherwise a second caller could hear "done" while the first one's change is still
    /// on its way to the index.
    pub(crate) async fn nothing_to_do<T>(
        &self,
        value: T,
        since: Timestamp,
        revokes: bool,
    ) -> Result<Changed<T>> {
        self.settle().await?;
        Ok(Changed { value, change: self.change_made(None, since, revokes) })
    }

    /// Waits until the index knows whatever the store had committed when this was called.
    pub(crate) async fn settle(&self) -> Result<()> {
        let committed = self.shared.store.sequence().await?;
        if self.shared.index.applied() < committed {
            let mut applied = self.shared.applied.clone();
            // The sender lives in the writer: if it is gone, the change never arrives.
            applied.wait_for(|applied| *applied >= committed).await.map_err(|_| NotFresh)?;
        }
        Ok(self.check_freshness()?)
    }

    /// Whether verification can be served: the index may be trusted, and the store answers.
    ///
    /// # Errors
    /// [`Error::NotFresh`], or what the store says.
    pub async fn ready(&self) -> Result<Sequence> {
        self.check_freshness()?;
        Ok(self.shared.store.sequence().await?)
    }

    /// The state of an earlier change.
    ///
    /// # Errors
    /// Not found for anything but the name of a change.
    pub async fn change(&self, caller: &Caller, id: ChangeId) -> Result<ChangeMade> {
        self.accepts(caller, Action::literal("key", "read"))?;
        let sequence = self.shared.store.change(id).await?.ok_or_else(Error::not_found)?;
        if self.shared.index.applied() < sequence {
            self.settle().await?;
        }
        Ok(self.change_made(Some(id), self.now(), true))
    }
}

/// Who acts, after a permit was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permitted {
    pub(crate) actor: Actor,
    pub(crate) key: Option<KeyId>,
}

impl Permitted {
    fn of(permit: &Permit<'_>) -> Option<Self> {
        permit.actor().map(|actor| Self { actor, key: permit.key_id() })
    }
}

/// What an action is done to, and under which authority the history lists it.
pub(crate) struct On {
    pub(crate) target: String,
    pub(crate) authority: String,
}

impl On {
    pub(crate) fn new(target: impl ToString, authority: impl ToString) -> Self {
        Self { target: target.to_string(), authority: authority.to_string() }
    }
}
