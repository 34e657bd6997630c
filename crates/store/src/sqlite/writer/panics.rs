//! What becomes of a panic in an operation, and of a change that cannot be applied.

use std::sync::Arc;

use super::tests::{Seen, TASK, desk, mutation};
use super::*;
use crate::commit::NotApplied;

#[test]
fn a_panic_in_an_operation_fails_it_alone() {
    let (reply, mut answer) = oneshot::channel::<Result<()>>();
    let operation = |conn: &Connection| {
        conn.execute_batch("INSERT INTO settings VALUES ('a', 'b')")?;
        std::panic::resume_unwind(Box::new("on purpose"));
    };
    let mut conn = Connection::open_in_memory().unwrap();
    schema::migrate(&mut conn, true).unwrap();
    let seen = Arc::default();
    let mut sink = Seen(Arc::clone(&seen));
    let mut count = 0;
    let fill = move |buffer: &mut [u8]| {
        count += 1;
        buffer.fill(count);
    };
    let mut desk = desk(Box::new(fill));
    let (first, mut first_answer) = mutation();
    let panics: WriteJob = Box::new(Plain::new(operation, TASK.into(), reply));
    let (last, mut last_answer) = mutation();
    commit_group(&conn, &mut desk, &mut sink, vec![first, panics, last]);
    assert!(answer.try_recv().unwrap().is_err());
    let sequences = [&mut first_answer, &mut last_answer].map(|a| a.try_recv().unwrap().unwrap().sequence.0);
    assert_eq!((sequences, seen.lock().unwrap().clone()), ([1, 2], vec![1, 2]));
    let rows = conn.query_row("SELECT count(*) FROM settings", params![], |row| row.get::<_, i64>(0));
    assert_eq!(rows.unwrap(), 0, "what it had written is undone");
    assert!(desk.health.is_healthy());
}

#[test]
fn a_change_that_cannot_be_applied_ends_the_writer_before_anybody_is_answered() {
    struct Refuses(WriterHealth);
    impl ChangeSink for Refuses {
        fn apply(&mut self, change: &Change) -> std::result::Result<(), NotApplied> {
            assert!(self.0.is_healthy());
            Err(NotApplied { sequence: change.sequence, reason: "no room".to_owned() })
        }
    }
    let mut conn = Connection::open_in_memory().unwrap();
    schema::migrate(&mut conn, true).unwrap();
    let mut desk = desk(Box::new(|buffer| buffer.fill(7)));
    let health = desk.health.clone();
    let (job, _answer) = mutation();
    commit_group(&conn, &mut desk, &mut Refuses(health.clone()), vec![job]);
    assert!(!health.is_healthy());
    let reason = format!("{:?}", health.lost());
    assert!(reason.contains("change 1") && reason.contains("no room"), "{reason}");
}
