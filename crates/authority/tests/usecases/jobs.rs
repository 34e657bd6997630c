//! What is done from time to time.

use std::time::Duration;

use claviger_authority::settings::Settings;
use claviger_authority::{JobsDone, UsageStep};
use claviger_core::KeyId;
use claviger_core::Subject;
use tokio_util::sync::CancellationToken;

use super::support::*;

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn expired_keys_stay_for_a_while_and_are_purged_then() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.expires_at = Some(house.seconds_from_now(10));
    let id = house.authority.create_key(&house.ada(), new).await.unwrap().value.key.record.entry.id;
    let purge = async || house.authority.run_jobs_once(house.authority.now()).await.unwrap().keys_purged;
    let due = house.seconds_from_now(10).start().millis() + 30 * DAY;
    house.pass(due - 1 - START);
    assert_eq!(purge().await, 0);
    assert!(house.exists(id).await);
    house.pass(1);
    assert_eq!((purge().await, purge().await), (1, 0));
    assert!(!house.exists(id).await);
    assert_eq!(house.history("key:purge").await.len(), 1);
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let settings = Settings { change_rows_kept: 2, history_retention_days: Some(400), ..Settings::default() };
    let house = House::with(settings).await;
    let id: KeyId = house.key(Subject::Account(house.ada), "a:read").await.key.record.entry.id;
    house.authority.record_use(id, None, house.authority.now(), true, None);
    house.authority.flush_usage().await.unwrap();
    let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!((done.history_pruned, done.usage_pruned), (0, 0));
    assert!(done.changes_pruned > 0);
    house.pass(2 * DAY);
    assert_eq!(
        house.authority.run_jobs_once(house.authority.now()).await.unwrap().usage_pruned,
        1,
        "the minute"
    );
    house.pass(399 * DAY);
    let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(done.usage_pruned, 1, "the hour");
    assert!(done.history_pruned > 5);
    assert_eq!(house.authority.run_jobs_once(house.authority.now()).await.unwrap(), JobsDone::default());
}

#[tokio::test]
async fn the_journal_forgets_once_a_day_what_no_backup_needs() {
    let house = House::with(Settings { journal_retention_days: Some(7), ..Settings::default() }).await;
    let compacted =
        async || house.authority.run_jobs_once(house.authority.now()).await.unwrap().journal_compacted;
    assert_eq!(compacted().await, 0);
    house.pass(8 * DAY);
    house.key(house.of_ada(), "a:read").await;
    // All but the latest of what is old.
    let forgotten = compacted().await;
    assert!(forgotten > 3, "{forgotten}");
    house.pass(DAY / 2);
    house.key(house.of_ada(), "a:read").await;
    house.pass(7 * DAY);
    assert_eq!((compacted().await, compacted().await), (1, 0), "the line that was kept then");
    let house = house.reopened().await;
    house.key(house.of_ada(), "a:read").await;
}

#[tokio::test]
async fn the_background_task_writes_and_ends_when_told() {
    let house = House::build().await;
    let id = house.key(house.of_ada(), "a:read").await.key.record.entry.id;
    let cancel = CancellationToken::new();
    let task = house.authority.spawn_jobs(cancel.clone());
    let used = async || {
        let from = house.authority.now().seconds();
        let by = house.ada();
        let usage = house.authority.usage(&by, id, from, from.plus(60), UsageStep::Hour);
        usage.await.unwrap().iter().map(|bucket| bucket.allowed).sum::<u64>()
    };
    house.authority.record_use(id, None, house.authority.now(), true, None);
    for _ in 0..100 {
        if used().await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(used().await, 1);
    house.authority.record_use(id, None, house.authority.now(), true, None);
    cancel.cancel();
    task.await.unwrap();
    assert_eq!(used().await, 2);
}
