//! Time never runs backwards, and a clock that is wrong for a moment decides nothing for good.

use std::time::Duration;

use claviger_authority::idempotency::Idempotency;
use claviger_authority::settings::Settings;
use claviger_authority::{Answer, ClockState, Counting, Question, UsageStep};
use claviger_core::decide::{Permit, Request, Target};
use claviger_core::restriction::{Quota, QuotaPeriod};
use claviger_core::scope::Action;
use tokio_util::sync::CancellationToken;

use super::support::*;

const DAY: i64 = 86_400_000;
/// 2030-01-01
const FAR: i64 = 1_893_456_000_000;

#[tokio::test]
async fn an_expired_key_stays_so_when_the_clock_is_set_back_and_after_a_restart() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.expires_at = Some(house.seconds_from_now(10));
    let created = house.authority.create_key(&house.ada(), new).await.unwrap().value;
    let text = created.secret.expose().to_owned();
    assert_eq!(house.whoami(&text).await, "ok");
    house.pass(10_000);
    assert_eq!(house.whoami(&text).await, "key_expired");
    for back in [2_000, 3_600_000, 90 * DAY] {
        house.set_clock(START + 10_000 - back);
        assert_eq!(house.whoami(&text).await, "key_expired", "set back by {back}");
    }
    assert!(matches!(house.authority.clock_state(), ClockState::Behind { .. }));
    let house = house.reopened().await;
    assert_eq!(house.whoami(&text).await, "key_expired", "started with a clock that is behind");
}

#[tokio::test]
async fn what_was_replaced_stays_so_when_the_clock_is_set_back() {
    let house = House::build().await;
    let old = house.key(house.of_ada(), "a:read").await;
    let text = old.secret.expose().to_owned();
    let id = old.key.record.entry.id;
    house.authority.rotate_key(&house.ada(), id, 0, None, None).await.unwrap();
    assert_ne!(house.whoami(&text).await, "ok");
    house.set_clock(START - 2_000);
    assert_ne!(house.whoami(&text).await, "ok");
    let house = house.reopened().await;
    assert_ne!(house.whoami(&text).await, "ok");
}

/// The files as they are at this moment, opened again with a clock that is behind.
async fn after_a_crash(house: &House, clock: i64) -> House {
    house.set_clock(clock);
    house.copied().await
}

#[tokio::test]
async fn a_key_that_was_refused_as_expired_stays_so_after_a_crash_with_a_clock_that_is_behind() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.expires_at = Some(house.seconds_from_now(10));
    let created = house.authority.create_key(&house.ada(), new).await.unwrap().value;
    let text = created.secret.expose().to_owned();
    let stop = CancellationToken::new();
    let jobs = house.authority.spawn_jobs(stop.clone());
    // The first round, which writes the time in any case.
    tokio::time::sleep(Duration::from_millis(200)).await;
    house.pass(10_000);
    assert_eq!(house.whoami(&text).await, "key_expired");
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let crashed = after_a_crash(&house, START).await;
    assert_eq!(crashed.whoami(&text).await, "key_expired");
    stop.cancel();
    jobs.await.unwrap();
}

#[tokio::test]
async fn a_wrong_clock_gives_no_quota_back() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.restrictions.quota = Some(Quota { limit: 2, period: QuotaPeriod::Month });
    let created = house.authority.create_key(&house.ada(), new).await.unwrap().value;
    let text = created.secret.expose();
    let use_once = || {
        let request = Request::new(Action::literal("a", "read"), Target::Account(house.ada));
        let (counting, credential) = (Counting::Count, house.with_key(text).credential);
        let question = Question { credential, request, counting, record: None };
        let code = |answer: Answer<'_, Permit<'_>>| match answer.outcome {
            Ok(_) => "ok",
            Err(denial) => denial.code(),
        };
        house.authority.admit(&question, code).unwrap()
    };
    assert_eq!([use_once(), use_once(), use_once()], ["ok", "ok", "quota_exceeded"]);
    house.set_clock(FAR);
    assert!(matches!(house.authority.clock_state(), ClockState::Ahead { .. }));
    assert_eq!(use_once(), "quota_exceeded");
    house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    house.set_clock(START + 200);
    assert_eq!(use_once(), "quota_exceeded");
    house.pass(31 * DAY);
    assert_eq!(use_once(), "ok", "the next month");
}

#[tokio::test]
async fn four_seconds_in_2030_delete_nothing_and_are_forgotten() {
    let settings = Settings {
        history_retention_days: Some(400),
        journal_retention_days: Some(7),
        ..Settings::default()
    };
    let house = House::with(settings).await;
    let mut new = house.new_key(house.of_ada(), "a:read");
    new.expires_at = Some(house.seconds_from_now(10 * 86_400));
    let once = Idempotency::new("once", &[b"x"]).unwrap();
    let by = house.operator();
    let created = house.authority.create_key(&by, new).await.unwrap().value;
    let new = house.new_key(house.of_ada(), "a:read");
    house.authority.create_key_once(&by, new.clone(), Some(once.clone())).await.unwrap();
    let (id, text) = (created.key.record.entry.id, created.secret.expose().to_owned());
    house.authority.record_use(id, None, house.authority.now(), true, None);
    house.authority.flush_usage().await.unwrap();
    let rows = house.history("key:create").await.len();
    let journal = std::fs::read_to_string(claviger_authority::journal_file(&house.path())).unwrap();

    house.set_clock(FAR);
    assert_eq!(house.whoami(&text).await, "key_expired", "it may be right");
    for _ in 0..2 {
        let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
        let deleted = done.keys_purged + done.history_pruned + done.usage_pruned + done.requests_pruned;
        assert_eq!((deleted, done.journal_compacted, done.deletions_wait), (0, 0, true), "{done:?}");
        assert!(matches!(house.authority.clock_state(), ClockState::Ahead { .. }));
        let repeat = house.authority.create_key_once(&by, new.clone(), Some(once.clone())).await;
        assert_eq!(code(repeat), "idempotency_replayed");
        // A change that is made meanwhile does not make the time any better.
        house.key(house.of_ada(), "a:read").await;
    }

    house.set_clock(START + 4_000);
    assert_eq!(house.whoami(&text).await, "ok");
    let house = house.reopened().await;
    assert_eq!(house.authority.clock_state(), ClockState::Steady);
    assert_eq!(house.authority.now().millis(), START + 4_000);
    let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert!(!done.deletions_wait);
    assert_eq!(house.whoami(&text).await, "ok");
    let repeat = house.authority.create_key_once(&by, new.clone(), Some(once.clone())).await;
    assert_eq!(code(repeat), "idempotency_replayed");
    assert_eq!(house.history("key:create").await.len(), rows + 2);
    let from = claviger_core::Timestamp::from_millis(START).seconds();
    let used = house.authority.usage(&by, id, from, from.plus(60), UsageStep::Hour).await.unwrap();
    assert_eq!(used.len(), 1);
    let after = std::fs::read_to_string(claviger_authority::journal_file(&house.path())).unwrap();
    assert!(after.starts_with(&journal), "no line is gone");
}
