//! What goes with a mutation: the history it leaves, the change it makes, and who is told of it.

use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::history::HistoryEntry;
use claviger_core::key::{Digest, KeyEntry};
use claviger_core::limit::IDEMPOTENCY_SECONDS;
use claviger_core::permit::{TaskPermit, WritePermit};
use claviger_core::principal::{Account, Project, Team};
use claviger_core::resource::Resource;
use claviger_core::time::Timestamp;

/// Overwrites a buffer with random bytes, as often as it is asked. Names of changes are made of it.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What goes with a mutation: the permit to make it; what the history will say of it, at least one row, written
/// in the same transaction; and, where it must not be made twice, the name of the request.
#[derive(Debug, Clone)]
pub struct Audit {
    permit: Permit,
    entries: Vec<HistoryEntry>,
    request: Option<Box<Once>>,
}

/// What a write is allowed by.
#[derive(Debug, Clone)]
pub(crate) enum Permit {
    /// A decision, which may be stale by the time of the write.
    Decided(WritePermit),
    /// A task of Claviger's own, which is never stale.
    Task,
}

impl From<WritePermit> for Permit {
    fn from(permit: WritePermit) -> Self {
        Self::Decided(permit)
    }
}

impl From<TaskPermit> for Permit {
    fn from(_: TaskPermit) -> Self {
        Self::Task
    }
}

/// A request that is carried out once: a repeat within a day is told what the first one made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// SHA-256 of whoever asks and of the name that it gave the request.
    pub name: [u8; 32],
    /// SHA-256 of the request: another one under the same name is a mistake.
    pub fingerprint: [u8; 32],
    /// What it makes: an identifier, which a repeat is told.
    pub reference: String,
    /// When.
    pub at: Timestamp,
}

impl Once {
    /// Requests of earlier instants are forgotten.
    pub(crate) fn valid_since(&self) -> Timestamp {
        let kept = i64::try_from(IDEMPOTENCY_SECONDS * 1_000).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.at.millis().saturating_sub(kept))
    }
}

impl Audit {
    /// The permit and one row.
    #[must_use]
    pub fn new(permit: WritePermit, entry: HistoryEntry) -> Self {
        Self { permit: permit.into(), entries: vec![entry], request: None }
    }

    /// The permit of a task, and one row.
    pub(crate) fn of_task(permit: TaskPermit, entry: HistoryEntry) -> Self {
        Self { permit: permit.into(), entries: vec![entry], request: None }
    }

    /// One more row.
    #[must_use]
    pub fn and(mut self, entry: HistoryEntry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Has the mutation made only if this request was not carried out before; it is remembered in the same
    /// transaction. Otherwise [`StoreError::Replayed`](crate::StoreError::Replayed) or
    /// [`StoreError::NameReused`](crate::StoreError::NameReused).
    #[must_use]
    pub fn once(mut self, request: Option<Once>) -> Self {
        self.request = request.map(Box::new);
        self
    }

    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }

    pub(crate) fn request(&self) -> Option<&Once> {
        self.request.as_deref()
    }

    /// When it happened.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.entries.first().map(|entry| entry.at)
    }

    pub(crate) fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }
}

/// A mutation that was committed, and that the sink knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    /// Its place in the order of all changes. Where there was nothing to do, that of the latest change: who
    /// waits for it also waits for the one that left nothing to do.
    pub sequence: Sequence,
    /// Its random name.
    pub id: ChangeId,
    /// What it came to.
    pub value: T,
}

/// A committed change that a sink could not take in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("change {} was committed and could not be applied: {reason}", sequence.0)]
pub struct NotApplied {
    /// Which change.
    pub sequence: Sequence,
    /// What is in the way.
    pub reason: String,
}

/// Whom the store tells of each committed change: after the commit, before the answer, in order, without
/// a gap. Runs on the store's writer thread, so it has to be quick; everything it holds is dropped there.
pub trait ChangeSink: Send {
    /// Takes note of a change.
    ///
    /// # Errors
    /// It could not be taken in. Then what the sink holds differs from the store, and the
    /// [`WriterHealth`](crate::WriterHealth) is lost.
    fn apply(&mut self, change: &Change) -> Result<(), NotApplied>;
}

impl<S: ChangeSink + ?Sized> ChangeSink for Box<S> {
    fn apply(&mut self, change: &Change) -> Result<(), NotApplied> {
        (**self).apply(change)
    }
}

/// Whom the store shows everything that verification reads, all of one instant: accounts, teams, projects
/// and resources, each ordered by identifier, then the keys, ordered by digest.
pub trait LoadVisitor {
    /// How many keys will follow, for those who make room beforehand.
    fn key_count(&mut self, count: u64) {
        let _ = count;
    }
    /// An account.
    fn account(&mut self, account: Account);
    /// A team with its members.
    fn team(&mut self, team: Team);
    /// A project with its members.
    fn project(&mut self, project: Project);
    /// A resource with what it references.
    fn resource(&mut self, resource: Resource);
    /// A key.
    fn key(&mut self, digest: Digest, entry: KeyEntry);
}

impl<V: LoadVisitor + ?Sized> LoadVisitor for Box<V> {
    fn key_count(&mut self, count: u64) {
        (**self).key_count(count);
    }
    fn account(&mut self, account: Account) {
        (**self).account(account);
    }
    fn team(&mut self, team: Team) {
        (**self).team(team);
    }
    fn project(&mut self, project: Project) {
        (**self).project(project);
    }
    fn resource(&mut self, resource: Resource) {
        (**self).resource(resource);
    }
    fn key(&mut self, digest: Digest, entry: KeyEntry) {
        (**self).key(digest, entry);
    }
}
