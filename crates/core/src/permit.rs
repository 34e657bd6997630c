//! What a write rests on: a decision about named records, or a task of Claviger's own.
//!
//! Between a decision and the write that follows from it, a revocation may be committed. So a write needs a
//! [`WritePermit`], which carries the sequence of the state that was decided on and every record that the
//! decision looked at. The store refuses it if a later change took subject away from one of these records;
//! then nothing is written, and the use case decides again.
//!
//! Nobody lists these records by hand: a [`Recorder`] makes the decision, stands in for the snapshot meanwhile, and
//! notes what is looked up.
//!
//! What Claviger does for itself, such as pruning, takes a [`TaskPermit`]. It is another type, so that it cannot be
//! handed in with a change of a key or any other record that somebody has to decide about.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::change::Sequence;
use crate::decide::{ManagePermit, Snapshot};
use crate::id::{AccountId, KeyId, ProjectId, TeamId};
use crate::principal::{Account, Container, ContainerId, Project, Team};
use crate::resource::{Resource, ResourceName, ResourceRef};

/// A record that a decision can rest on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordRef {
    /// A key.
    Key(KeyId),
    /// An account.
    Account(AccountId),
    /// A team with its members.
    Team(TeamId),
    /// A project with its members.
    Project(ProjectId),
    /// A resource.
    Resource(ResourceRef),
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Team(id) => write!(f, "team:{id}"),
            Self::Project(id) => write!(f, "project:{id}"),
            Self::Resource(reference) => write!(f, "resource:{reference}"),
        }
    }
}

/// The text does not name a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record is named by its type and its identifier, such as `team:team_…` or `resource:notebook:a`")]
pub struct RecordRefError;

impl FromStr for RecordRef {
    type Err = RecordRefError;

    /// Reads the text that Display writes.
    fn from_str(text: &str) -> Result<Self, RecordRefError> {
        let (kind, name) = text.split_once(':').ok_or(RecordRefError)?;
        let record = match kind {
            "key" => name.parse().ok().map(Self::Key),
            "account" => name.parse().ok().map(Self::Account),
            "team" => name.parse().ok().map(Self::Team),
            "project" => name.parse().ok().map(Self::Project),
            "resource" => ResourceRef::parse(name).ok().map(Self::Resource),
            _ => None,
        };
        record.ok_or(RecordRefError)
    }
}

/// What Claviger does for itself. It changes no record that anyone decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Keys that expired long ago are deleted.
    Purge,
    /// Old change rows, history rows, counters and request names are deleted.
    Pruning,
    /// Counters and last uses are written.
    UsageFlush,
    /// Traffic rows of the history are written.
    HistoryFlush,
    /// The key formats of the configuration are remembered.
    FormatRegistration,
    /// The journal of revocations drops what is too old.
    JournalCompaction,
    /// Rows of an import that nobody commits are deleted.
    ImportCleanup,
    /// How far time has come is remembered.
    TimeKeeping,
}

/// The right to do what a task does. It never gets stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskPermit(Task);

impl TaskPermit {
    /// The permit of a task.
    #[must_use]
    pub const fn new(task: Task) -> Self {
        Self(task)
    }

    /// The task that it is for.
    #[must_use]
    pub const fn task(self) -> Task {
        self.0
    }
}

/// A change of records that is made without a decision about a caller. There are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undecided {
    /// The first operator key of an installation.
    FirstStart,
    /// Another operator key after the loss of the first, on a stopped store.
    OperatorReset,
    /// A backup takes the place of the database.
    Restore,
    /// The clock is taken for right, on a stopped store.
    ClockReset,
    /// A report of a leaked key: the possession of the key is all that it needs.
    LeakIntake,
}

/// Which policy a decision was made under: counted up each time another one is put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PolicyVersion(pub u64);

/// What a decision knows of, at least: read *before* anything is looked up, so that its permit never claims to
/// know of a change that the decision has missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The latest change.
    pub sequence: Sequence,
    /// The policy.
    pub policy: PolicyVersion,
}

impl Known {
    /// What two decisions both know of.
    fn and(self, other: Self) -> Self {
        Self { sequence: self.sequence.min(other.sequence), policy: self.policy.min(other.policy) }
    }
}

/// The right to write. The store asks for one with every mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritePermit(Basis);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Basis {
    /// Made on this state or a later one, from these records.
    Decided(Known, BTreeSet<RecordRef>),
    Undecided(Undecided),
}

impl WritePermit {
    /// The permit of a change that nobody decides about. It never gets stale.
    #[must_use]
    pub const fn without_decision(why: Undecided) -> Self {
        Self(Basis::Undecided(why))
    }

    /// The permit of a use case that needs both: the earlier state, and the records of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Basis::Decided(mine, mut records), Basis::Decided(theirs, others)) => {
                records.extend(others);
                Self(Basis::Decided(mine.and(theirs), records))
            }
            // A decision is the narrower of the two.
            (decided @ Basis::Decided(..), Basis::Undecided(_)) | (Basis::Undecided(_), decided) => {
                Self(decided)
            }
        }
    }

    fn decided(known: Known, records: impl IntoIterator<Item = RecordRef>) -> Self {
        Self(Basis::Decided(known, records.into_iter().collect()))
    }

    /// The state that it was made on and the records it rests on; none where nobody decided.
    #[must_use]
    pub fn rests_on(&self) -> Option<(Known, &BTreeSet<RecordRef>)> {
        match &self.0 {
            Basis::Decided(known, records) => Some((*known, records)),
            Basis::Undecided(_) => None,
        }
    }
}

/// A snapshot that notes every record that a decision looks up, found or not.
#[derive(Debug)]
pub struct Recorder<'s, S> {
    snapshot: &'s S,
    records: RefCell<BTreeSet<RecordRef>>,
}

impl<'s, S: Snapshot> Recorder<'s, S> {
    /// Makes a decision on a snapshot that has at least what is `known`. Returns its value and its proof, and the
    /// permit that follows from it, which rests on every record that was looked up for it.
    ///
    /// # Errors
    /// Those of the decision.
    pub fn decide<T, E>(
        snapshot: &'s S,
        known: Known,
        decision: impl FnOnce(&Self) -> Result<(T, ManagePermit), E>,
    ) -> Result<(T, ManagePermit, WritePermit), E> {
        let recorder = Self { snapshot, records: RefCell::default() };
        let (value, proof) = decision(&recorder)?;
        Ok((value, proof, WritePermit::decided(known, recorder.records.into_inner())))
    }

    fn note(&self, record: RecordRef) {
        self.records.borrow_mut().insert(record);
    }
}

impl<S: Snapshot> Snapshot for Recorder<'_, S> {
    fn account(&self, id: AccountId) -> Option<&Account> {
        self.note(RecordRef::Account(id));
        self.snapshot.account(id)
    }

    fn team(&self, id: TeamId) -> Option<&Team> {
        self.note(RecordRef::Team(id));
        self.snapshot.team(id)
    }

    fn project(&self, id: ProjectId) -> Option<&Project> {
        self.note(RecordRef::Project(id));
        self.snapshot.project(id)
    }

    fn resource(&self, name: ResourceName<'_>) -> Option<&Resource> {
        self.note(RecordRef::Resource(name.to_ref()));
        self.snapshot.resource(name)
    }

    fn by_external_id(&self, container: Container, external_id: &str) -> Option<ContainerId> {
        let found = self.snapshot.by_external_id(container, external_id);
        match found {
            Some(ContainerId::Account(id)) => self.note(RecordRef::Account(id)),
            Some(ContainerId::Team(id)) => self.note(RecordRef::Team(id)),
            Some(ContainerId::Project(id)) => self.note(RecordRef::Project(id)),
            None => {}
        }
        found
    }

    fn rests_on_key(&self, id: KeyId) {
        self.note(RecordRef::Key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(sequence: u64, keys: &[u128]) -> WritePermit {
        under(9, sequence, keys)
    }

    fn under(policy: u64, sequence: u64, keys: &[u128]) -> WritePermit {
        let records = keys.iter().map(|key| RecordRef::Key(KeyId::from_bits(*key)));
        let known = Known { sequence: Sequence(sequence), policy: PolicyVersion(policy) };
        WritePermit::decided(known, records)
    }

    #[test]
    fn two_permits_are_as_old_as_the_older_and_rest_on_the_records_of_both() {
        assert_eq!(decided(7, &[2, 1]).and(decided(5, &[3, 1])), decided(5, &[1, 2, 3]));
        assert_eq!(decided(5, &[2, 1]).and(decided(7, &[1])), decided(5, &[1, 2]));
        assert_eq!(under(2, 5, &[1]).and(under(3, 4, &[1])), under(2, 4, &[1]));
        let leak = WritePermit::without_decision(Undecided::LeakIntake);
        assert_eq!(leak.clone().and(decided(1, &[1])), decided(1, &[1]));
        assert_eq!(decided(1, &[1]).and(leak.clone()), decided(1, &[1]));
        assert_eq!(leak.clone().and(leak.clone()), leak);
    }

    #[test]
    fn names_of_records_are_read_back() {
        for record in [
            RecordRef::Key(KeyId::from_bits(1)),
            RecordRef::Account(AccountId::from_bits(1)),
            RecordRef::Team(TeamId::from_bits(1)),
            RecordRef::Project(ProjectId::from_bits(1)),
            RecordRef::Resource(ResourceRef::parse("notebook:a").unwrap()),
        ] {
            assert_eq!(record.to_string().parse(), Ok(record));
        }
        for wrong in ["", "key", "key:1", "else:1", "resource:a"] {
            assert_eq!(wrong.parse::<RecordRef>(), Err(RecordRefError), "{wrong:?}");
        }
    }
}
