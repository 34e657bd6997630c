//! The authority: the store, the index, and what all use cases share.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::decide::{self, Credential, Policy, Request, Verdict};
use claviger_core::history::HistoryEntry;
use claviger_core::id::{Id, Tag};
use claviger_core::key::{Formats, PresentedKey};
use claviger_core::permit::{Task, TaskPermit};
use claviger_core::scope::Action;
use claviger_store::{ChangeSink, Committed, NotApplied, SqliteOptions, Store, StoreError, WriterHealth};
use tokio_util::task::TaskTracker;

use crate::allowance::Allowances;
use crate::caller::{Caller, CallerCredential};
use crate::decision::Permitted;
use crate::error::{Error, Result};
use crate::imports::Imports;
use crate::index::{Index, Loader, View};
use crate::leaks::RecentReports;
use crate::limiter::Limiter;
use crate::locks::Locks;
use crate::notes::Notes;
use crate::password::Passwords;
use crate::ports::Ports;
use crate::readiness::Trials;
use crate::refusals::RefusalShares;
use crate::settings::{InForce, Settings};
use crate::time::NodeTime;
use crate::usage::Usage;

/// How long closing waits for requests whose clients have gone. Their connections were given longer.
const TASKS_SECONDS_MAX: u64 = 5;

/// Everything a running Claviger knows and does. Clones are the same subject.
#[derive(Clone)]
pub struct Authority {
    pub(crate) shared: Arc<Shared>,
    pub(crate) locks: Arc<Locks>,
}

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) index: Arc<Index>,
    pub(crate) health: WriterHealth,
    pub(crate) ports: Ports,
    pub(crate) time: NodeTime,
    pub(crate) trials: Trials,
    pub(crate) settings: InForce,
    pub(crate) formats: Arc<Formats>,
    pub(crate) passwords: Passwords,
    pub(crate) imports: Imports,
    pub(crate) limiter: Limiter,
    pub(crate) allowances: Allowances,
    pub(crate) notes: Notes,
    pub(crate) refusals: RefusalShares,
    pub(crate) usage: Usage,
    pub(crate) recent_reports: RecentReports,
    /// Held by whoever replaces a whole list of resources: each has two lists of them in memory.
    pub(crate) reconciling: tokio::sync::Mutex<()>,
    /// The day, since 1970, on which the journal was last compacted.
    pub(crate) compacted_on: AtomicI64,
    /// What is carried on without the client that asked for it.
    pub(crate) tasks: TaskTracker,
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
}

impl ChangeSink for IndexSink {
    fn apply(&mut self, change: &Change) -> Result<(), NotApplied> {
        let applied = self.index.apply(change);
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
        let random = ports.random.clone();
        let sink = IndexSink { index: index.clone() };
        let store = Store::open(options, Box::new(move |buffer| random.fill(buffer)), Box::new(sink)).await?;
        let (loader, sequence) = store.load(Loader::new(index.clone())).await?;
        let quotas = loader.finish(sequence).map_err(|error| StoreError::Inconsistent {
            table: "keys",
            row: error.known().to_string(),
            detail: error.to_string(),
        })?;
        let health = store.health().clone();
        let known = store
            .remember_formats(
                settings.formats.iter().map(|(_, format)| format.clone()).collect(),
                TaskPermit::new(Task::FormatRegistration),
            )
            .await?;
        let stale = store.open_imports().await?;
        let time = NodeTime::since(store.latest_time().await?);
        let formats = Arc::new(Formats::new(settings.formats.clone(), known));
        let node = format!("node_{:016x}", u64::from_be_bytes(ports.bytes()));
        let shared = Shared {
            store,
            index,
            health,
            ports,
            time,
            trials: Trials::default(),
            settings: InForce::new(settings),
            formats,
            passwords: Passwords::default(),
            recent_reports: RecentReports::default(),
            reconciling: tokio::sync::Mutex::default(),
            imports: Imports::after(stale),
            limiter: Limiter::default(),
            allowances: Allowances::default(),
            notes: Notes::default(),
            refusals: RefusalShares::default(),
            usage: Usage::default(),
            compacted_on: AtomicI64::new(i64::MIN),
            tasks: TaskTracker::new(),
            node,
        };
        let authority = Self { shared: Arc::new(shared), locks: Arc::default() };
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
        self.shared.tasks.close();
        let tasks = tokio::time::timeout(Duration::from_secs(TASKS_SECONDS_MAX), self.shared.tasks.wait());
        if tasks.await.is_err() {
            tracing::warn!(tasks = self.shared.tasks.len(), "closing before every request was completed");
        }
        self.flush_and_log().await;
        if let Err(error) = self.watch_clock().await {
            tracing::warn!(%error, "how far time has come could not be written");
        }
        self.shared.store.close().await
    }

    /// The same subject as another process would have it: it decides by the same index and writes to the same
    /// store, but shares no locks. For tests of what holds between processes.
    #[doc(hidden)]
    #[must_use]
    pub fn in_another_process(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), locks: Arc::default() }
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

    /// A new identifier.
    pub(crate) fn new_id<T: Tag>(&self) -> Id<T> {
        Id::new(self.now(), self.shared.ports.bytes())
    }

    /// The history row of an action.
    pub(crate) fn entry(
        &self,
        caller: &Caller,
        by: &Permitted,
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
            subject: on.subject.into(),
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

    pub(crate) fn change_made(&self, id: Option<ChangeId>, since: Timestamp, revokes: bool) -> ChangeMade {
        let elapsed = self.now().millis().saturating_sub(since.millis()).max(0);
        ChangeMade {
            id,
            revokes,
            acknowledged_by: vec![self.shared.node.clone()],
            elapsed_millis: elapsed.cast_unsigned(),
        }
    }

    /// Whether verification can be served: the index may be trusted. Whether changes can be made is another matter:
    /// [`Authority::try_changes`].
    ///
    /// # Errors
    /// [`Error::NotFresh`].
    pub fn ready(&self) -> Result<Sequence> {
        self.check_freshness()?;
        Ok(self.shared.index.applied())
    }

    /// The state of an earlier change.
    ///
    /// # Errors
    /// Not found for anything but the name of a change that happened; [`Error::OutcomeUnknown`] as long as nobody
    /// knows.
    pub async fn change(&self, caller: &Caller, id: ChangeId) -> Result<ChangeMade> {
        self.accepts(caller, Action::literal("key", "read"))?;
        // Known to the store is known to the index, as far as a read returns it.
        self.shared.store.change(id).await?.ok_or_else(Error::not_found)?;
        Ok(self.change_made(Some(id), self.now(), true))
    }
}

/// What an action is done to, and under which subject the history lists it.
pub(crate) struct On {
    pub(crate) target: String,
    pub(crate) subject: String,
}

impl On {
    pub(crate) fn new(target: impl ToString, subject: impl ToString) -> Self {
        Self { target: target.to_string(), subject: subject.to_string() }
    }
}
