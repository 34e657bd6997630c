//! Imports: nothing is seen before the commit, everything after it.

use claviger_core::change::{ChangeItem, Sequence};
use claviger_core::id::KeyId;
use claviger_core::key::{Actor, Digest, KeyRecord};
use claviger_core::resource::ResourceRef;
use claviger_store::{Conflict, KeyFilter, Page, Staged, Store, StoreError, Taken};

use super::support::*;

async fn opened(store: &Store) -> u64 {
    store.open_import(NOW, Actor::System, PERMIT).await.unwrap()
}

async fn stage(store: &Store, import: u64, rows: Vec<KeyRecord>) -> Vec<Staged> {
    store.stage_keys(import, rows, None, PERMIT).await.unwrap()
}

#[tokio::test]
async fn nothing_is_seen_before_the_commit_and_everything_after_it() {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let before = (fresh.loaded().await, fresh.seen.changes().len());
    let import = opened(store).await;
    assert_eq!(stage(store, import, vec![key(2), key(3)]).await, [Staged::Staged; 2]);
    let twin = KeyRecord { digest: key(1).digest, ..key(4) };
    let foreign = key_of(5, resource_subject("notebook:none"));
    let rows = vec![twin, KeyRecord { digest: key(2).digest, ..key(6) }, foreign, key(7)];
    let outcomes = stage(store, import, rows).await;
    assert_eq!(outcomes, [Staged::Duplicate, Staged::Duplicate, Staged::Missing, Staged::Staged]);

    assert_eq!((fresh.loaded().await, fresh.seen.changes().len()), before);
    assert_eq!(store.key(KeyId::from_bits(2)).await.unwrap(), None);
    assert_eq!(store.key_by_digest(key(2).digest).await.unwrap(), None);
    assert_eq!(store.keys(KeyFilter::default(), Page::first(9)).await.unwrap().len(), 1);
    assert_eq!(store.keys_by_ids(vec![KeyId::from_bits(2)]).await.unwrap(), []);
    let taken = store.digests_taken(vec![key(1).digest, key(2).digest, Digest::of("free")]).await.unwrap();
    assert_eq!(taken, [Some(Taken::Key), Some(Taken::Key), None]);

    let committed = store.commit_import(import, audit("key:import")).await.unwrap();
    assert_eq!(committed.value, 3);
    assert_eq!(fresh.seen.last().id, committed.id);
    assert_eq!(fresh.seen.last().items.len(), 3);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
    assert_eq!(store.key(KeyId::from_bits(2)).await.unwrap().unwrap().record, key(2));
    let changes = store.changes_since(Sequence(committed.sequence.0 - 1), 9).await.unwrap().unwrap();
    assert_eq!(changes, [fresh.seen.last()], "the row names the import, and so all its keys");
    // What was imported is a key like any other.
    let twin = KeyRecord { digest: key(2).digest, ..key(8) };
    let again = store.create_key(twin, LIMIT, audit("key:create")).await.unwrap_err();
    assert!(matches!(again, StoreError::Conflict(Conflict::Digest)), "{again}");
    store.delete_key(KeyId::from_bits(2), None, audit("key:delete")).await.unwrap();
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

#[tokio::test]
async fn an_import_ends_once() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let (one, two) = (opened(store).await, opened(store).await);
    assert_eq!(store.open_imports().await.unwrap(), [one, two]);
    stage(store, one, vec![key(1)]).await;
    stage(store, two, (2..7).map(key).collect()).await;
    assert_eq!(store.commit_import(one, audit("key:import")).await.unwrap().value, 1);
    let missed = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::NotFound)));
    missed(store.commit_import(one, audit("key:import")).await.map(|_| ()));
    missed(store.stage_keys(one, vec![key(9)], None, PERMIT).await.map(|_| ()));
    assert!(store.abandon_import(one, 10, PERMIT).await.unwrap(), "too late, and nothing is lost");
    assert_eq!(fresh.loaded().await.keys.len(), 1);

    assert!(!store.abandon_import(two, 2, PERMIT).await.unwrap());
    missed(store.stage_keys(two, vec![key(9)], None, PERMIT).await.map(|_| ()));
    let fresh = fresh.reopened().await;
    let store = &fresh.store;
    assert_eq!(fresh.loaded().await.keys.len(), 1, "a restart shows nothing of it");
    assert!(!store.abandon_import(two, 2, PERMIT).await.unwrap());
    assert!(store.abandon_import(two, 2, PERMIT).await.unwrap());
    assert!(store.open_imports().await.unwrap().is_empty());
    assert!(opened(store).await > two, "a number is never given twice");
    store.create_key(key(2), LIMIT, audit("key:create")).await.unwrap();
}

#[tokio::test]
async fn what_vanishes_meanwhile_is_not_imported() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let import = opened(store).await;
    stage(store, import, vec![key_of(1, resource_subject("notebook:a")), key(2)]).await;
    store
        .delete_resource(ResourceRef::parse("notebook:a").unwrap(), None, audit("resource:delete"))
        .await
        .unwrap();
    let committed = store.commit_import(import, audit("key:import")).await.unwrap();
    assert_eq!(committed.value, 1);
    assert_eq!(fresh.seen.last().items, [ChangeItem::Key(key(2).digest, key(2).entry)]);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

#[tokio::test]
async fn a_limit_counts_what_is_staged() {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let import = opened(store).await;
    let rows = vec![key(2), key(3)];
    let outcomes = store.stage_keys(import, rows, Some(2), PERMIT).await.unwrap();
    assert_eq!(outcomes, [Staged::Staged, Staged::Limit]);
}

/// Beyond some ten thousand keys several threads read them, and show them as one would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_are_loaded_in_their_order_even_while_others_come() {
    const ROWS: u128 = 21_000;
    let fresh = furnished().await;
    let store = &fresh.store;
    let import = opened(store).await;
    for from in (0..ROWS).step_by(3_000) {
        stage(store, import, (from..from + 3_000).map(key).collect()).await;
    }
    store.commit_import(import, audit("key:import")).await.unwrap();
    let hidden = opened(store).await;
    stage(store, hidden, (ROWS..ROWS + 100).map(key).collect()).await;
    let view = fresh.loaded().await;
    assert_eq!(view.keys.len() as u128, ROWS);
    assert_eq!(view, fresh.seen.view());
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for n in ROWS + 100..ROWS + 150 {
            writer.create_key(key(n), 1_000_000, audit("key:create")).await.unwrap();
        }
    });
    while !writing.is_finished() {
        let (view, sequence) = store.load(View::default()).await.unwrap();
        let made = sequence.0 - fresh.seen.changes()[4].sequence.0;
        assert_eq!(view.keys.len() as u128, ROWS + u128::from(made), "all of one instant");
    }
    writing.await.unwrap();
}
