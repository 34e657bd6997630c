//! Whether a permit is still good when its write comes to its turn.
//!
//! Every change that took subject away from records is remembered here with its place in the order. A
//! permit was made on the state at some sequence; it is stale if one of the records it rests on lost subject
//! in a later change, committed or earlier in the group under way. Changes of other records, and changes that
//! took nothing, never make it stale. A store that has no such memory finds the same in the column `took` of
//! the change rows after the permit's sequence.

use std::collections::{HashMap, VecDeque};

use claviger_core::change::Sequence;
use claviger_core::permit::{RecordRef, WritePermit};

use crate::error::StoreError;

/// Records remembered at most, a few megabytes. Permits live for milliseconds, so the memory has to reach back
/// for the changes of about a second.
const RECORDS_MAX: usize = 65_536;

/// Which records lost subject, and when.
pub(super) struct Losses {
    /// The latest loss of each record.
    latest: HashMap<RecordRef, Sequence>,
    /// Every loss in order, so that the oldest are forgotten first.
    order: VecDeque<(Sequence, RecordRef)>,
    /// Losses at this sequence or before may be forgotten: a permit made before it counts as stale.
    floor: Sequence,
    /// The latest change that is committed, as far as is known here.
    committed: Sequence,
    /// Of the group under way.
    pending: Vec<(Sequence, RecordRef)>,
    records_max: usize,
}

impl Default for Losses {
    fn default() -> Self {
        Self::with_room_for(RECORDS_MAX)
    }
}

impl Losses {
    fn with_room_for(records_max: usize) -> Self {
        Self {
            latest: HashMap::new(),
            order: VecDeque::new(),
            floor: Sequence(0),
            committed: Sequence(0),
            pending: Vec::new(),
            records_max,
        }
    }

    /// A group begins, after this change. If changes came in between that are not known here (at the start, or
    /// when the outcome of a commit was not what it seemed), permits made before them are stale.
    pub(super) fn begin(&mut self, after: Sequence) {
        self.pending.clear();
        if after != self.committed {
            self.latest.clear();
            self.order.clear();
            self.floor = after;
            self.committed = after;
        }
    }

    /// A change of the group under way took subject away from these records.
    pub(super) fn note(&mut self, sequence: Sequence, took: Vec<RecordRef>) {
        self.pending.extend(took.into_iter().map(|record| (sequence, record)));
    }

    /// The group was committed, up to this change.
    pub(super) fn commit(&mut self, latest: Sequence) {
        for (sequence, record) in self.pending.drain(..) {
            self.latest.insert(record.clone(), sequence);
            self.order.push_back((sequence, record));
        }
        self.committed = latest;
        while self.order.len() > self.records_max
            && let Some((sequence, record)) = self.order.pop_front()
        {
            if self.latest.get(&record) == Some(&sequence) {
                self.latest.remove(&record);
            }
            self.floor = self.floor.max(sequence);
        }
    }

    /// Refuses a permit that is stale.
    pub(super) fn check(&self, permit: &WritePermit) -> Result<(), StoreError> {
        let Some((sequence, records)) = permit.rests_on() else { return Ok(()) };
        let lost = |record: &RecordRef| {
            self.latest.get(record).is_some_and(|at| *at > sequence)
                || self.pending.iter().any(|(_, pending)| pending == record)
        };
        if sequence < self.floor || records.iter().any(lost) {
            return Err(StoreError::PermitStale { records: records.iter().cloned().collect() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::decide::{Credential, Place, Snapshot, accept};
    use claviger_core::id::{AccountId, ProjectId, TeamId};
    use claviger_core::permit::{Recorder, SystemTask};
    use claviger_core::principal::{Account, Container, ContainerId, Project, Team};
    use claviger_core::resource::{Resource, ResourceName};
    use claviger_core::time::Timestamp;

    use super::*;

    /// A world of one open account.
    struct World(Account);

    impl Snapshot for World {
        fn account(&self, id: AccountId) -> Option<&Account> {
            Some(&self.0).filter(|account| account.id == id)
        }
        fn team(&self, _: TeamId) -> Option<&Team> {
            None
        }
        fn project(&self, _: ProjectId) -> Option<&Project> {
            None
        }
        fn by_external_id(&self, _: Container, _: &str) -> Option<ContainerId> {
            None
        }

        fn resource(&self, _: ResourceName<'_>) -> Option<&Resource> {
            None
        }
    }

    /// A permit of this account, made on the state at this sequence.
    fn permit(account: u128, sequence: u64) -> WritePermit {
        let id = AccountId::from_bits(account);
        let world = World(Account { id, external_id: None, closed: false });
        let recorder = Recorder::new(&world, Sequence(sequence));
        let now = Timestamp::from_millis(0);
        let proof = accept(&recorder, Credential::SignedIn(id), Place::default(), now).unwrap();
        recorder.permit(&proof)
    }

    fn account(bits: u128) -> RecordRef {
        RecordRef::Account(AccountId::from_bits(bits))
    }

    fn good(losses: &Losses, permit: &WritePermit) -> bool {
        losses.check(permit).is_ok()
    }

    #[test]
    fn a_loss_makes_earlier_permits_of_that_record_stale_and_no_others() {
        let mut losses = Losses::default();
        losses.begin(Sequence(0));
        losses.note(Sequence(1), vec![account(1)]);
        assert!(!good(&losses, &permit(1, 0)), "earlier in the same group");
        assert!(good(&losses, &permit(2, 0)), "another record");
        losses.commit(Sequence(1));
        losses.begin(Sequence(1));
        assert!(!good(&losses, &permit(1, 0)), "committed since");
        assert!(good(&losses, &permit(1, 1)), "decided after the loss");
        assert!(good(&losses, &permit(2, 0)), "another record");
        assert!(good(&losses, &WritePermit::system(SystemTask::Purge)));
        let both = permit(1, 0).and(permit(2, 1));
        assert!(!good(&losses, &both), "as old as the older of two decisions");
    }

    #[test]
    fn a_group_that_was_not_committed_took_nothing() {
        let mut losses = Losses::default();
        losses.begin(Sequence(0));
        losses.note(Sequence(1), vec![account(1)]);
        losses.begin(Sequence(0));
        assert!(good(&losses, &permit(1, 0)));
    }

    #[test]
    fn what_is_not_known_any_more_counts_as_lost() {
        let mut losses = Losses::with_room_for(2);
        for change in 1..=3 {
            losses.begin(Sequence(change - 1));
            losses.note(Sequence(change), vec![account(change.into())]);
            losses.commit(Sequence(change));
        }
        assert!(!good(&losses, &permit(9, 0)), "the first loss is forgotten, and might be of this record");
        assert!(good(&losses, &permit(9, 1)));
        assert!(!good(&losses, &permit(2, 1)) && good(&losses, &permit(2, 2)));
        // A start, or a commit whose outcome was not what it seemed.
        losses.begin(Sequence(7));
        assert!(!good(&losses, &permit(9, 6)));
        assert!(good(&losses, &permit(9, 7)));
        assert_eq!(losses.order.len(), 0);
    }

    #[test]
    fn the_latest_loss_of_a_record_outlives_its_earlier_ones() {
        let mut losses = Losses::with_room_for(2);
        for change in 1..=5 {
            losses.begin(Sequence(change - 1));
            losses.note(Sequence(change), vec![account(1)]);
            losses.commit(Sequence(change));
        }
        assert!(!good(&losses, &permit(1, 4)) && good(&losses, &permit(1, 5)));
    }
}
