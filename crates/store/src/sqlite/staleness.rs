//! Whether a permit is still good when its write comes to its turn.
//!
//! Every change that took subject away from records is remembered here with its place in the order. A
//! permit was made on the state at some sequence; it is stale if one of the records it rests on lost subject
//! in a later change, committed or earlier in the group under way. Changes of other records, and changes that
//! took nothing, never make it stale. A store that has no such memory finds the same in the column `took` of
//! the change rows after the permit's sequence.

use std::collections::{HashMap, VecDeque};

use claviger_core::change::Sequence;
use claviger_core::permit::{Known, RecordRef, WritePermit};

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
    /// Of the group under way: the latest loss of each record.
    pending: HashMap<RecordRef, Sequence>,
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
            pending: HashMap::new(),
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
        self.pending.extend(took.into_iter().map(|record| (record, sequence)));
    }

    /// The group was committed, up to this change.
    pub(super) fn commit(&mut self, latest: Sequence) {
        // Taken, not drained: a map that was large once takes long to clear.
        let mut pending = std::mem::take(&mut self.pending).into_iter().collect::<Vec<_>>();
        pending.sort_unstable_by_key(|(_, sequence)| *sequence);
        for (record, sequence) in pending {
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

    /// Refuses a permit that is stale, and names the records that lost something since. It names none if the
    /// permit is older than this memory.
    pub(super) fn check(&self, permit: &WritePermit) -> Result<(), StoreError> {
        let Some((Known { sequence, .. }, records)) = permit.rests_on() else { return Ok(()) };
        let lost = |record: &&RecordRef| {
            self.latest.get(*record).is_some_and(|at| *at > sequence) || self.pending.contains_key(*record)
        };
        let lost = records.iter().filter(lost).cloned().collect::<Vec<_>>();
        if lost.is_empty() && sequence >= self.floor {
            return Ok(());
        }
        Err(StoreError::PermitStale { records: lost.into() })
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::decide::{Credential, Place, Refusal, Snapshot, accept};
    use claviger_core::id::{AccountId, ProjectId, TeamId};
    use claviger_core::permit::{PolicyVersion, Recorder, Undecided};
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
        let known = Known { sequence: Sequence(sequence), policy: PolicyVersion(0) };
        let now = Timestamp::from_millis(0);
        let accepted = Recorder::decide(&world, known, |recorder| {
            Ok(((), accept(recorder, Credential::SignedIn(id), Place::default(), now)?))
        });
        let ((), _, permit) = accepted.map_err(|refusal: Refusal| refusal.code()).unwrap();
        permit
    }

    fn account(bits: u128) -> RecordRef {
        RecordRef::Account(AccountId::from_bits(bits))
    }

    fn good(losses: &Losses, permit: &WritePermit) -> bool {
        losses.check(permit).is_ok()
    }

    /// The records that a stale permit is refused for.
    fn lost(losses: &Losses, permit: &WritePermit) -> Vec<RecordRef> {
        match losses.check(permit) {
            Err(StoreError::PermitStale { records }) => records.to_vec(),
            other => panic!("{other:?}"),
        }
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
        assert!(good(&losses, &WritePermit::without_decision(Undecided::LeakIntake)));
        let both = permit(1, 0).and(permit(2, 1));
        assert!(!good(&losses, &both), "as old as the older of two decisions");
    }

    #[test]
    fn a_stale_permit_names_what_was_lost_and_nothing_else() {
        let mut losses = Losses::with_room_for(3);
        losses.begin(Sequence(0));
        losses.note(Sequence(1), vec![account(1), account(4), account(1)]);
        losses.commit(Sequence(1));
        losses.begin(Sequence(1));
        losses.note(Sequence(2), vec![account(2), account(1)]);
        let permit_of_three = permit(1, 0).and(permit(2, 0)).and(permit(3, 0));
        assert_eq!(lost(&losses, &permit_of_three), [account(1), account(2)]);
        losses.commit(Sequence(2));
        losses.begin(Sequence(2));
        // A record that lost something twice is remembered by its latest loss.
        assert_eq!(lost(&losses, &permit(1, 1)), [account(1)]);
        losses.begin(Sequence(7));
        assert_eq!(lost(&losses, &permit(9, 6)), [], "what was lost is not known any more");
    }

    #[test]
    fn a_large_permit_is_checked_against_a_large_group_at_once() {
        let mut losses = Losses::default();
        losses.begin(Sequence(0));
        losses.note(Sequence(1), (1_000_000..1_100_000).map(account).collect());
        let permit = (1..=1_000).map(|bits| permit(bits, 0)).reduce(WritePermit::and).unwrap();
        let start = std::time::Instant::now();
        for _ in 0..100 {
            assert!(good(&losses, &permit));
        }
        // Each record against each loss would be 10,000,000,000 comparisons.
        assert!(start.elapsed() < std::time::Duration::from_secs(2), "{:?}", start.elapsed());
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
