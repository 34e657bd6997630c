//! The writer alone, on a database in memory.

use claviger_core::permit::{Task, TaskPermit, Undecided, WritePermit};

use super::*;
use crate::commit::{Audit, Committed};
use std::sync::{Arc, Mutex};

const PERMIT: WritePermit = WritePermit::without_decision(Undecided::FirstStart);
pub(super) const TASK: TaskPermit = TaskPermit::new(Task::Pruning);

pub(super) struct Seen(pub(super) Arc<Mutex<Vec<u64>>>);

impl ChangeSink for Seen {
    fn apply(&mut self, change: &Change) -> std::result::Result<(), NotApplied> {
        self.0.lock().unwrap().push(change.sequence.0);
        Ok(())
    }
}

pub(super) type Answer<T> = oneshot::Receiver<Result<T>>;

pub(super) fn mutation() -> (WriteJob, Answer<Committed<()>>) {
    let entry = claviger_core::history::HistoryEntry {
        at: claviger_core::Timestamp::from_millis(0),
        actor: claviger_core::key::Actor::System,
        key: None,
        action: "a:b".into(),
        target: "operator".into(),
        subject: "operator".into(),
        origin: claviger_core::history::Origin::Cli,
        address: None,
        request_id: None,
        outcome: "done".into(),
        detail: "".into(),
        reasons: Default::default(),
    };
    let (reply, answer) = oneshot::channel();
    let name = ChangeName::default();
    let audit = Audit::new(PERMIT, entry);
    (Box::new(Mutation::new(|_: &mut Write<'_>| Ok(()), audit, name, reply)), answer)
}

pub(super) fn desk(random: Random) -> Desk {
    Desk::new(random, 0, None, Reports { state: WriterState::default(), health: WriterHealth::default() })
}

fn plain(sql: &'static str, succeeds: bool) -> (WriteJob, Answer<()>) {
    let (reply, answer) = oneshot::channel();
    let operation = move |conn: &Connection| {
        conn.execute_batch(sql)?;
        if succeeds { Ok(()) } else { Err(StoreError::NotFound) }
    };
    (Box::new(Plain::new(operation, TASK.into(), reply)), answer)
}

/// Runs a group of a mutation, an operation and another mutation; whether each succeeded, and what the
/// sink and the database hold then.
fn run(sql: &'static str, succeeds: bool) -> ([bool; 3], Vec<u64>, u64) {
    let mut conn = Connection::open_in_memory().unwrap();
    schema::migrate(&mut conn, true).unwrap();
    conn.pragma_update(None, "foreign_keys", true).unwrap();
    let seen = Arc::default();
    let mut sink = Seen(Arc::clone(&seen));
    let mut count = 0;
    let fill = move |buffer: &mut [u8]| {
        count += 1;
        buffer.fill(count);
    };
    let mut desk = desk(Box::new(fill));
    let (first, mut first_answer) = mutation();
    let (middle, mut middle_answer) = plain(sql, succeeds);
    let (last, mut last_answer) = mutation();
    commit_group(&conn, &mut desk, &mut sink, vec![first, middle, last]);
    let answers = [
        first_answer.try_recv().unwrap().is_ok(),
        middle_answer.try_recv().unwrap().is_ok(),
        last_answer.try_recv().unwrap().is_ok(),
    ];
    let sequence = changes::sequence(&conn).unwrap().0;
    // Whatever happened, the writer goes on.
    let (next, mut next_answer) = mutation();
    commit_group(&conn, &mut desk, &mut sink, vec![next]);
    assert_eq!(next_answer.try_recv().unwrap().unwrap().sequence.0, sequence + 1);
    let mut seen = seen.lock().unwrap().clone();
    assert_eq!(seen.pop(), Some(sequence + 1));
    (answers, seen, sequence)
}

#[test]
fn one_failure_leaves_the_others() {
    let insert = "INSERT INTO settings VALUES ('a', 'b')";
    assert_eq!(run(insert, true), ([true, true, true], vec![1, 2], 2));
    assert_eq!(run(insert, false), ([true, false, true], vec![1, 2], 2));
}

#[test]
fn a_commit_that_fails_fails_everybody_and_nothing_is_told() {
    let deferred = "PRAGMA defer_foreign_keys = ON;
        INSERT INTO team_members (team, account, role) VALUES (zeroblob(16), zeroblob(16), 'owner')";
    assert_eq!(run(deferred, true), ([false; 3], vec![], 0));
}

#[test]
fn a_transaction_that_was_undone_under_way_fails_everybody() {
    assert_eq!(run("ROLLBACK", false), ([false; 3], vec![], 0));
    assert_eq!(run("ROLLBACK", true), ([false; 3], vec![], 0), "even if the operation took no notice");
}

#[test]
fn a_group_has_an_end() {
    let (sender, mut jobs) = mpsc::channel(GROUP_JOBS_MAX + 5);
    for _ in 0..GROUP_JOBS_MAX + 5 {
        sender.try_send(mutation().0).ok().unwrap();
    }
    drop(sender);
    let mut groups = std::iter::from_fn(|| next_group(&mut jobs, 0).map(|group| group.len()));
    assert_eq!((groups.next(), groups.next(), groups.next()), (Some(GROUP_JOBS_MAX), Some(5), None));
}
