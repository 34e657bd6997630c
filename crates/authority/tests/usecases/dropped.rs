//! The caller goes away in the middle: a use case whose future is dropped after any number of polls is carried
//! out whole, or not at all.

use std::pin::pin;
use std::task::Poll;

use claviger_authority::imports::{ImportId, ImportKey, ImportOptions, ImportOutcome, ImportRow};
use claviger_authority::keys::{KeyQuery, Revocation};
use claviger_authority::leaks::{LeakOutcome, LeakReport, LeakSource};
use claviger_authority::reconcile::WholeList;
use claviger_authority::resources::{Audience, ResourceDescription};
use claviger_authority::{CallerCredential, Page};
use claviger_core::key::{Digest, KeyPatch};
use claviger_core::lifecycle::Status;
use claviger_core::resource::{Owner, ResourceRef};
use claviger_core::restriction::Restrictions;
use claviger_core::selector::Version;

use super::support::*;

/// More polls than any use case here takes.
const POLLS_MAX: usize = 100;

/// Polls a future so many times, each time that it wakes up, and drops it; what it came to if it got there.
async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn text(race: usize, row: usize) -> String {
    let random = Digest::of(&format!("{race} {row}")).as_bytes().map(|byte| format!("{byte:02x}")).concat();
    format!("old-{random}")
}

fn rows(house: &House, race: usize) -> Vec<ImportRow> {
    let row = |row| ImportRow {
        key: ImportKey::Text(text(race, row).into()),
        name: "Imported".to_owned(),
        subject: format!("account:{}", house.ada),
        scopes: Some(vec!["a:read".to_owned()]),
        versions: None,
        grants: None,
        expires_at: None,
        created_at: None,
        preview: None,
        metadata: Vec::new(),
        restrictions: Restrictions::default(),
        status: None,
    };
    (0..3).map(row).collect()
}

async fn begun(house: &House) -> ImportId {
    house.authority.begin_import(&house.operator(), ImportOptions::default()).await.unwrap()
}

/// An import with three rows.
async fn staged(house: &House, race: usize) -> ImportId {
    let import = begun(house).await;
    let outcomes = house.authority.stage_rows(&house.operator(), import, rows(house, race)).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, ImportOutcome::Imported(_))), "{outcomes:?}");
    import
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_was_begun_for_nobody_is_known_and_abandoned() {
    let house = House::build().await;
    for polls in 1..POLLS_MAX {
        let operator = house.operator();
        let done = polled(polls, house.authority.begin_import(&operator, ImportOptions::default())).await;
        // The next one is begun after it, so it is there by now or will never be.
        let import = begun(&house).await;
        house.authority.abandon_import(&operator, import).await.unwrap();
        house.pass(24 * 60 * 60 * 1_000);
        let jobs = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
        assert_eq!(jobs.imports_abandoned, 1, "{polls} polls");
        if done.is_some() {
            return;
        }
    }
    panic!("it takes more polls than there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_staged_for_nobody_are_counted() {
    let house = House::build().await;
    for polls in 1..POLLS_MAX {
        let (operator, import) = (house.operator(), begun(&house).await);
        let done = polled(polls, house.authority.stage_rows(&operator, import, rows(&house, polls))).await;
        let progress = async || house.authority.import_progress(&operator, import).unwrap();
        eventually(async || progress().await.staged == 3).await;
        let committed = house.authority.commit_import(&operator, import).await.unwrap();
        assert_eq!(committed.value.staged, 3, "{polls} polls");
        assert_eq!(&*house.history("key:import").await[0].detail, "keys: 3", "{polls} polls");
        if done.is_some() {
            return;
        }
    }
    panic!("it takes more polls than there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_committed_for_nobody_is_committed() {
    let house = House::build().await;
    for polls in 1..POLLS_MAX {
        let (operator, import) = (house.operator(), staged(&house, polls).await);
        let done = polled(polls, house.authority.commit_import(&operator, import)).await;
        // Whichever of the two has its turn first, the other waits for it.
        let again = code(house.authority.commit_import(&operator, import).await);
        assert!(["ok", "import_closed"].contains(&again), "{again}");
        for row in 0..3 {
            assert_eq!(house.whoami(&text(polls, row)).await, "ok", "{polls} polls");
        }
        assert_eq!(house.history("key:import").await.len(), polls);
        if done.is_some() {
            return;
        }
    }
    panic!("it takes more polls than there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_abandoned_for_nobody_blocks_nothing() {
    let house = House::build().await;
    for polls in 1..POLLS_MAX {
        let (operator, import) = (house.operator(), staged(&house, polls).await);
        let done = polled(polls, house.authority.abandon_import(&operator, import)).await;
        let again = code(house.authority.abandon_import(&operator, import).await);
        assert!(["ok", "import_closed"].contains(&again), "{again}");
        let again = staged(&house, polls).await;
        house.authority.abandon_import(&operator, again).await.unwrap();
        if done.is_some() {
            return;
        }
    }
    panic!("it takes more polls than there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaks_that_were_reported_by_nobody_are_all_taken_in() {
    let house = House::build().await;
    let nobody = caller(CallerCredential::Anonymous);
    for polls in 1..POLLS_MAX {
        let mut reports = Vec::new();
        for _ in 0..3 {
            let key = house.key(house.of_ada(), "a:read").await;
            let digest = Digest::of(key.secret.expose());
            reports.push(LeakReport {
                digest,
                source: LeakSource::Unconfirmed(None),
                place: "here".to_owned(),
            });
        }
        let done = polled(polls, house.authority.report_leaks(&nobody, reports.clone())).await;
        let house = &house;
        eventually(async || house.history("key:leaked").await.len() == 3 * polls).await;
        let again = house.authority.report_leaks(&nobody, reports).await.unwrap();
        assert_eq!(again, [LeakOutcome::Ended; 3], "{polls} polls");
        if done.is_some() {
            return;
        }
    }
    panic!("it takes more polls than there are");
}

/// Waits until something holds that was handed in before.
async fn eventually(holds: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it never holds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_was_replaced_for_nobody_was_replaced_whole_or_not_at_all() {
    let house = House::build().await;
    let list = |count: usize| WholeList {
        kind: "sheet".to_owned(),
        resources: (0..count)
            .map(|n| ResourceDescription {
                reference: ResourceRef::parse(&format!("sheet:{n}")).unwrap(),
                owner: Owner::Account(house.ada),
                creator: None,
                audience: Audience::Private,
                latest: Version::FIRST,
                references: Vec::new(),
            })
            .collect(),
        dry_run: false,
        allow_empty: true,
    };
    for polls in 1..POLLS_MAX {
        let operator = house.operator();
        let done = polled(polls, house.authority.reconcile_resources(&operator, list(5))).await;
        // Nobody holds it up, and it finds all five or none.
        let emptied = house.authority.reconcile_resources(&operator, list(0)).await.unwrap().value;
        assert!([0, 5].contains(&emptied.deleted), "{polls} polls: {emptied:?}");
        if done.is_some() {
            assert_eq!(emptied.deleted, 5);
            return;
        }
        // What was handed in and not written then.
        house.authority.reconcile_resources(&operator, list(0)).await.unwrap();
    }
    panic!("it takes more polls than there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_changed_for_nobody_was_changed_whole_or_not_at_all() {
    let house = House::build().await;
    let operator = house.operator();
    for polls in 1..POLLS_MAX {
        let (old, other) =
            (house.key(house.of_ada(), "a:read").await, house.key(house.of_ada(), "a:read").await);
        let (old_id, other_id) = (old.key.record.entry.id, other.key.record.entry.id);
        let rotated = polled(polls, house.authority.rotate_key(&operator, old_id, 0, None, None)).await;
        let patch = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
        let disabled = polled(polls, house.authority.update_key(&operator, other_id, patch, None)).await;
        // In the order of the writes: what was handed in before is written by the time of this answer.
        let query = KeyQuery { subject: Some(house.of_ada()), ..KeyQuery::default() };
        house.key(house.of_ada(), "a:read").await;
        let keys = house.authority.keys(&operator, query, Page::first(10)).await.unwrap();
        let replaced = keys.iter().any(|key| key.record.replaces == Some(old_id));
        assert_eq!(house.whoami(old.secret.expose()).await != "ok", replaced, "{polls} polls");
        let which = Revocation::Subject(house.of_ada());
        let done = polled(polls, house.authority.revoke_keys(&operator, which.clone())).await;
        house.authority.revoke_keys(&operator, which).await.unwrap();
        assert_eq!(house.whoami(other.secret.expose()).await, "invalid_key");
        if rotated.is_some() && disabled.is_some() && done.is_some() {
            return;
        }
    }
    panic!("it takes more polls than there are");
}
