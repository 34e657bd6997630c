//! The order of changes: groups of writers, what the sink sees, what is loaded.

use std::sync::Arc;

use claviger_core::change::{ChangeId, Sequence};
use claviger_core::id::{AccountId, KeyId, TeamId};
use claviger_core::key::{Digest, KeyRecord};
use claviger_core::lifecycle::Status;
use claviger_core::principal::{ProjectRole, TeamRole};
use claviger_core::resource::ResourceRef;
use claviger_core::subject::Subject;
use claviger_store::{Conflict, StoreError};

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_leave_no_gap_and_are_answered_after_the_sink() {
    let fresh = Arc::new(furnished().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..64_u128 {
        let fresh = Arc::clone(&fresh);
        writers.spawn(async move {
            for n in 0..20 {
                let key = key(writer * 100 + n);
                let committed = fresh.store.create_key(key, 10_000, audit("key:create")).await.unwrap();
                let at = usize::try_from(committed.sequence.0).unwrap() - 1;
                assert_eq!(fresh.seen.changes()[at].id, committed.id, "the sink knew before the answer");
                // Half of them fail, in the same groups.
                let twin = KeyRecord { digest: self::key(writer * 100).digest, ..self::key(9_999_999) };
                let error = fresh.store.create_key(twin, 10_000, audit("key:create")).await.unwrap_err();
                assert!(matches!(error, StoreError::Conflict(Conflict::Digest)), "{error}");
            }
        });
    }
    while let Some(result) = writers.join_next().await {
        result.unwrap();
    }
    let sequences = fresh.seen.changes().iter().map(|change| change.sequence.0).collect::<Vec<_>>();
    assert_eq!(sequences, (1..=4 + 64 * 20).collect::<Vec<_>>());
    let (view, sequence) = fresh.store.load(View::default()).await.unwrap();
    assert_eq!((view, sequence), (fresh.seen.view(), Sequence(4 + 64 * 20)));
}

#[tokio::test]
async fn an_operation_whose_future_is_dropped_completes() {
    let fresh = furnished().await;
    let creation = fresh.store.create_key(key(1), LIMIT, audit("key:create"));
    // One poll hands it in.
    tokio::select! {
        biased;
        _ = creation => panic!("answered within one poll"),
        () = std::future::ready(()) => {}
    }
    // What is handed in later is committed later, or in the same group.
    fresh.store.create_key(key(2), LIMIT, audit("key:create")).await.unwrap();
    assert!(fresh.store.key(KeyId::from_bits(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn changes_are_found_listed_and_pruned() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let created = store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let deleted = store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    assert_eq!(store.sequence().await.unwrap(), deleted.sequence);
    assert_eq!(store.change(created.id).await.unwrap(), Some(created.sequence));
    assert_eq!(store.change(ChangeId([0xee; 16])).await.unwrap(), None);
    let all = store.changes_since(Sequence(0), 100).await.unwrap().unwrap();
    let mut view = View::default();
    all.iter().for_each(|change| view.apply(change));
    assert_eq!(view, fresh.seen.view());
    let names = |changes: &[claviger_core::change::Change]| {
        changes.iter().map(|c| (c.sequence, c.id)).collect::<Vec<_>>()
    };
    assert_eq!(names(&all), names(&fresh.seen.changes()));
    assert!(all[4].items.is_empty(), "the key is told of as it is now: gone, by the next change");
    assert_eq!(store.changes_since(Sequence(1), 2).await.unwrap().unwrap().len(), 2);
    assert_eq!(store.changes_since(deleted.sequence, 2).await.unwrap().unwrap().len(), 0);
    assert!(store.changes_since(Sequence(7), 2).await.unwrap().is_none(), "not in this store's past");
    assert_eq!(store.prune_changes(2, TASK).await.unwrap(), 4);
    assert_eq!(store.prune_changes(2, TASK).await.unwrap(), 0);
    assert!(store.changes_since(Sequence(3), 9).await.unwrap().is_none(), "no longer kept");
    assert_eq!(store.changes_since(Sequence(4), 9).await.unwrap().unwrap().len(), 2);
    assert_eq!(store.prune_changes(0, TASK).await.unwrap(), 1, "the latest stays");
    assert_eq!(store.change(deleted.id).await.unwrap(), Some(deleted.sequence));
    let next = store.create_key(key(2), LIMIT, audit("key:create")).await.unwrap();
    assert_eq!(next.sequence, Sequence(7));
}

/// One random mutation. It may well be refused: then it must leave nothing.
async fn step(fresh: &Fresh, random: &mut Seeded) {
    let store = &fresh.store;
    let mut small = || u128::from(random.below(5)) + 1;
    let (n, m, other) = (small(), small(), small());
    // The text of a deleted key is refused, so each has another.
    let text = random.below(u64::MAX).to_string();
    let texted = |key: KeyRecord| KeyRecord { digest: Digest::of(&text), ..key };
    let reference = format!("notebook:{n}");
    let subject = match m {
        1 => Subject::Account(AccountId::from_bits(n)),
        2 => Subject::Team(TeamId::from_bits(n)),
        _ => resource_subject(&reference),
    };
    let id = KeyId::from_bits(m * 10 + n);
    let _refused_or_not = match random.below(14) {
        0 => store.create_account(account(n), audit("x:y")).await.is_ok(),
        1 => store
            .create_team(team(n, &[(m, TeamRole::Owner), (other, TeamRole::Member)]), 10_000, audit("x:y"))
            .await
            .is_ok(),
        2 => {
            store.create_project(project(n, &[(m, ProjectRole::Viewer)]), 10_000, audit("x:y")).await.is_ok()
        }
        3 => store.put_resource(resource(&reference), None, audit("x:y")).await.is_ok(),
        4 => store.delete_resource(ResourceRef::parse(&reference).unwrap(), None, audit("x:y")).await.is_ok(),
        5 | 6 => store.create_key(texted(key_of(m * 10 + n, subject)), 3, audit("x:y")).await.is_ok(),
        7 => store.delete_key(id, None, audit("x:y")).await.is_ok(),
        8 => store.delete_keys_of(subject.to_string(), audit("x:y")).await.is_ok(),
        9 => match store.key(id).await.unwrap() {
            Some(stored) => {
                let mut next = stored.record;
                next.entry.status = if other > 2 { Status::Active } else { Status::Disabled };
                next.revision += 1;
                let new = texted(key_of(100 + other, next.entry.rights.subject.clone()));
                let expected = next.revision - u64::from(other > 1);
                store.rotate_key(next, expected, new, 5, audit("x:y")).await.is_ok()
            }
            None => false,
        },
        10 => match store.team(TeamId::from_bits(n)).await.unwrap() {
            Some(before) => {
                let mut next = team(n, &[(other, TeamRole::Admin)]);
                next.revision = before.revision + 1;
                next.team.closed = m == 1;
                store.update_team(next, before.revision, audit("x:y")).await.is_ok()
            }
            None => false,
        },
        11 => match store.account(AccountId::from_bits(n)).await.unwrap() {
            Some(mut next) => {
                next.revision += 1;
                next.account.closed = m > 2;
                store.update_account(next.clone(), next.revision - 1, audit("x:y")).await.is_ok()
            }
            None => false,
        },
        12 => match store.resource(ResourceRef::parse(&reference).unwrap()).await.unwrap() {
            Some(mut next) => {
                next.revision += 1;
                next.resource.owner = claviger_core::resource::Owner::Team(TeamId::from_bits(m));
                store.put_resource(next.clone(), Some(next.revision - 1), audit("x:y")).await.is_ok()
            }
            None => false,
        },
        _ => store.purge_expired_keys(seconds(0), 9, TASK, entry("x:y")).await.is_ok(),
    };
}

#[tokio::test]
async fn what_is_loaded_is_what_the_sink_was_told() {
    for seed in 0..4 {
        let fresh = fresh().await;
        let mut random = Seeded(seed);
        for _ in 0..300 {
            step(&fresh, &mut random).await;
        }
        let told = fresh.seen.view();
        assert!(!told.keys.is_empty() && !told.teams.is_empty(), "seed {seed} does too little");
        assert_eq!(fresh.loaded().await, told, "seed {seed}");
        let mut replayed = View::default();
        let changes = fresh.store.changes_since(Sequence(0), u32::MAX).await.unwrap().unwrap();
        changes.iter().for_each(|change| replayed.apply(change));
        assert_eq!(replayed, told, "seed {seed}, from the change rows");
        let sequence = fresh.store.sequence().await.unwrap();
        let again = fresh.reopened().await;
        assert_eq!(
            again.store.load(View::default()).await.unwrap(),
            (told, sequence),
            "seed {seed}, reopened"
        );
        let next = again.store.delete_keys(vec![], audit("x:y")).await.unwrap();
        assert_eq!(next.sequence.0, sequence.0 + 1);
    }
}
