//! The journal of revocations forgets what is old, and nothing else, whatever happens meanwhile.

use std::path::{Path, PathBuf};

use claviger_core::history::HistoryEntry;
use claviger_core::id::KeyId;
use claviger_core::lifecycle::Status;
use claviger_core::time::Timestamp;
use claviger_store::{Audit, Restored, Store, StoreError};

use super::support::*;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn journal(fresh: &Fresh) -> PathBuf {
    beside(&fresh.path(), ".revocations.jsonl")
}

fn after(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + millis)
}

async fn delete(store: &Store, n: u128, millis: i64) {
    let audit = Audit::new(PERMIT, HistoryEntry { at: after(millis), ..entry("key:delete") });
    store.delete_key(KeyId::from_bits(n), None, audit).await.unwrap();
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap().lines().count()
}

async fn restored(fresh: &Fresh, backup: &Path) -> (Restored, usize) {
    let done =
        Store::restore(backup, fresh.path(), false, random(), audit("operator:restore")).await.unwrap();
    let (store, _) = open(fresh.path()).await.unwrap();
    let view = store.load(View::default()).await.unwrap().0;
    store.close().await.unwrap();
    (done, view.keys.values().filter(|key| key.status == Status::Active).count())
}

/// Six keys, a backup of them, one key less, a second backup, one key less.
async fn with_backups() -> (Fresh, PathBuf, PathBuf) {
    let fresh = furnished().await;
    for n in 1..=6 {
        fresh.store.create_key(key(n), LIMIT, audit("key:create")).await.unwrap();
    }
    let (old, new) = (beside(&fresh.path(), ".old"), beside(&fresh.path(), ".new"));
    fresh.store.backup_to(&old).await.unwrap();
    delete(&fresh.store, 1, 1_000).await;
    fresh.store.backup_to(&new).await.unwrap();
    delete(&fresh.store, 2, 2_000).await;
    (fresh, old, new)
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_the_rest_vouches_as_before() {
    let (fresh, old, new) = with_backups().await;
    assert_eq!(lines(&journal(&fresh)), 12);
    assert_eq!(fresh.store.compact_journal(after(0), TASK).await.unwrap(), 0);
    // The second backup was made between the two: the line that it begins with stays.
    assert_eq!(fresh.store.compact_journal(after(1_500), TASK).await.unwrap(), 10);
    assert_eq!(lines(&journal(&fresh)), 2);
    assert_eq!(fresh.store.compact_journal(after(1_500), TASK).await.unwrap(), 0, "once");
    // The journal goes on in the new file.
    delete(&fresh.store, 3, 3_000).await;
    assert_eq!(lines(&journal(&fresh)), 3);
    let fresh = fresh.reopened().await;
    delete(&fresh.store, 4, 4_000).await;
    fresh.store.close().await.unwrap();
    let (done, active) = restored(&fresh, &new).await;
    assert_eq!((done, active), (Restored { applied: 3, vouched: true, disabled: Vec::new() }, 2));
    let (done, active) = restored(&fresh, &old).await;
    assert!(!done.vouched && !done.disabled.is_empty() && active == 0, "{done:?}");
}

#[tokio::test]
async fn everything_may_be_old() {
    let (fresh, _, _) = with_backups().await;
    assert_eq!(fresh.store.compact_journal(after(9_000), TASK).await.unwrap(), 11);
    let latest = beside(&fresh.path(), ".latest");
    fresh.store.backup_to(&latest).await.unwrap();
    let fresh = fresh.reopened().await;
    delete(&fresh.store, 3, 10_000).await;
    fresh.store.close().await.unwrap();
    let (done, active) = restored(&fresh, &latest).await;
    assert_eq!((done, active), (Restored { applied: 1, vouched: true, disabled: Vec::new() }, 3));
}

/// What the disk holds when the process dies: before anything, with a part of the copy, with all of it, with what
/// came meanwhile added to it, and after the copy was put in the journal's place.
#[tokio::test]
async fn a_process_that_dies_meanwhile_leaves_one_whole_journal() {
    for step in 0..5 {
        let (fresh, _, new) = with_backups().await;
        let (path, copy) = (journal(&fresh), beside(&journal(&fresh), ".compacting"));
        let before = std::fs::read(&path).unwrap();
        fresh.store.compact_journal(after(1_500), TASK).await.unwrap();
        let compacted = std::fs::read(&path).unwrap();
        delete(&fresh.store, 3, 3_000).await;
        fresh.store.close().await.unwrap();
        let whole = std::fs::read(&path).unwrap();
        let meanwhile = &whole[compacted.len()..];
        let copied = match step {
            0 | 4 => None,
            1 => Some(compacted[..compacted.len() / 2].to_vec()),
            2 => Some(compacted.clone()),
            _ => Some(whole.clone()),
        };
        if step < 4 {
            std::fs::write(&path, [&before, meanwhile].concat()).unwrap();
        }
        if let Some(copied) = copied {
            std::fs::write(&copy, copied).unwrap();
        }
        let fresh = fresh.started().await;
        assert!(!copy.exists(), "step {step}");
        assert_eq!(lines(&path), if step < 4 { 13 } else { 3 }, "step {step}");
        // And the next time it succeeds.
        delete(&fresh.store, 4, 4_000).await;
        fresh.store.compact_journal(after(1_500), TASK).await.unwrap();
        assert_eq!(lines(&path), 4, "step {step}");
        fresh.store.close().await.unwrap();
        let (done, active) = restored(&fresh, &new).await;
        assert_eq!((done.applied, done.vouched, active), (3, true, 2), "step {step}");
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_leaves_the_journal_as_it_is() {
    let (fresh, _, new) = with_backups().await;
    let (path, copy) = (journal(&fresh), beside(&journal(&fresh), ".compacting"));
    // Something is in its way.
    std::fs::create_dir(&copy).unwrap();
    let failed = fresh.store.compact_journal(after(1_500), TASK).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert_eq!(lines(&path), 12);
    std::fs::remove_dir(&copy).unwrap();
    delete(&fresh.store, 3, 3_000).await;
    assert_eq!(fresh.store.compact_journal(after(1_500), TASK).await.unwrap(), 10);
    fresh.store.close().await.unwrap();
    let (done, active) = restored(&fresh, &new).await;
    assert_eq!((done.applied, done.vouched, active), (2, true, 3));
}

/// Changes go on while the journal is copied again and again, and none of them is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_go_on_meanwhile() {
    let fresh = furnished().await;
    let backup = beside(&fresh.path(), ".backup");
    for n in 1..=80 {
        fresh.store.create_key(key(n), LIMIT, audit("key:create")).await.unwrap();
    }
    delete(&fresh.store, 1, 1).await;
    fresh.store.backup_to(&backup).await.unwrap();
    let store = fresh.store.clone();
    let deleting = tokio::spawn(async move {
        for n in 2..=70 {
            delete(&store, n, n as i64).await;
        }
    });
    let mut dropped = 0;
    while !deleting.is_finished() {
        // Always up to the backup, and once there is nothing to drop, nothing is.
        dropped += fresh.store.compact_journal(after(2), TASK).await.unwrap();
    }
    deleting.await.unwrap();
    assert_eq!((dropped, lines(&journal(&fresh))), (84, 70));
    fresh.store.close().await.unwrap();
    let (done, active) = restored(&fresh, &backup).await;
    assert_eq!((done.applied, done.vouched, active), (69, true, 10));
}
