//! A backup that is restored brings nothing back to life.

use std::path::{Path, PathBuf};

use claviger_core::authority::Authority;
use claviger_core::id::{AccountId, KeyId, TeamId};
use claviger_core::key::{KeyPatch, KeyRecord};
use claviger_core::lifecycle::Status;
use claviger_core::resource::{ResourceRef, Visibility};
use claviger_core::scope::ScopeSet;
use claviger_core::subject::TeamRole;
use claviger_store::{Restored, Store, StoreError};

use super::support::*;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn journal(fresh: &Fresh) -> PathBuf {
    beside(&fresh.path(), ".revocations.jsonl")
}

async fn backed_up(fresh: &Fresh) -> PathBuf {
    let to = beside(&fresh.path(), ".backup");
    fresh.store.backup_to(&to).await.unwrap();
    to
}

async fn restore(backup: &Path, to: &Path, trust: bool) -> Result<Restored, StoreError> {
    Store::restore(backup, to, trust, random(), audit("operator:restore")).await
}

async fn patched(fresh: &Fresh, n: u128, patch: KeyPatch) {
    let before = fresh.store.key(KeyId::from_bits(n)).await.unwrap().unwrap().record;
    let (next, _) = before.patched(patch, NOW).unwrap();
    fresh.store.update_key(next, before.revision, audit("key:update")).await.unwrap();
}

/// A store with keys and a team, a backup of it, and everything taken away since that can be.
async fn revoked_since() -> (Fresh, PathBuf) {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_account(account(2), audit("account:create")).await.unwrap();
    store.create_account(account(3), audit("account:create")).await.unwrap();
    for n in 1..=5 {
        store.create_key(key(n), LIMIT, audit("key:create")).await.unwrap();
    }
    let on_notebook = key_of(6, resource_authority("notebook:a"));
    store.create_key(on_notebook, LIMIT, audit("key:create")).await.unwrap();
    store.put_resource(resource("notebook:b"), None, audit("resource:create")).await.unwrap();
    store.create_team(team(2, &[(1, TeamRole::Owner), (2, TeamRole::Member)]), audit("x:y")).await.unwrap();
    let backup = backed_up(&fresh).await;

    store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    patched(&fresh, 2, KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() }).await;
    patched(&fresh, 3, KeyPatch { scopes: Some(ScopeSet::default()), ..KeyPatch::default() }).await;
    let old = store.key(KeyId::from_bits(4)).await.unwrap().unwrap().record;
    let mut ended = KeyRecord { revision: 2, ..old };
    ended.entry.status = Status::Retired;
    store.rotate_key(ended, 1, key(7), LIMIT, audit("key:rotate")).await.unwrap();
    store.delete_resource(ResourceRef::parse("notebook:a").unwrap(), None, audit("x:y")).await.unwrap();
    let mut hidden = resource("notebook:b");
    (hidden.resource.visibility, hidden.revision) = (Visibility::Shared, 2);
    store.put_resource(hidden, Some(1), audit("x:y")).await.unwrap();
    let mut smaller = team(2, &[(1, TeamRole::Owner)]);
    smaller.revision = 2;
    store.update_team(smaller, 1, audit("x:y")).await.unwrap();
    let mut closed = account(3);
    (closed.account.closed, closed.revision) = (true, 2);
    store.update_account(closed, 1, audit("x:y")).await.unwrap();
    (fresh, backup)
}

#[tokio::test]
async fn what_was_taken_away_since_stays_away() {
    let (fresh, backup) = revoked_since().await;
    let (view, before) = fresh.store.load(View::default()).await.unwrap();
    assert!(matches!(restore(&backup, &fresh.path(), false).await, Err(StoreError::Locked { .. })));
    fresh.store.close().await.unwrap();
    let restored = restore(&backup, &fresh.path(), false).await.unwrap();
    assert_eq!(restored, Restored { applied: 8, vouched: true, disabled: Vec::new() });
    let (store, _) = open(fresh.path()).await.unwrap();
    let (after, sequence) = store.load(View::default()).await.unwrap();
    // All but the key that came into being since: nobody has its record any more.
    let mut expect = view.clone();
    expect.keys.remove(&key(7).digest);
    assert_eq!(after, expect);
    assert_eq!(sequence.0, before.0 + 1, "no change of the lost history is taken for one of this");
    assert!(store.changes_since(before, 9).await.unwrap().is_some());
    assert!(store.changes_since(claviger_core::change::Sequence(before.0 - 1), 9).await.unwrap().is_none());
    assert!(store.epoch().await.unwrap().is_some());
    assert!(beside(&fresh.path(), ".before-restore").exists());
    // And again, from the same backup, after more has been taken away.
    store.delete_key(KeyId::from_bits(5), None, audit("key:delete")).await.unwrap();
    store.close().await.unwrap();
    assert!(restore(&backup, &fresh.path(), false).await.unwrap().vouched);
    let (store, _) = open(fresh.path()).await.unwrap();
    expect.keys.remove(&key(5).digest);
    assert_eq!(store.load(View::default()).await.unwrap().0, expect);
}

#[tokio::test]
async fn without_the_journal_no_key_works_unless_told_otherwise() {
    for trust in [false, true] {
        let (fresh, backup) = revoked_since().await;
        fresh.store.close().await.unwrap();
        std::fs::remove_file(journal(&fresh)).unwrap();
        let restored = restore(&backup, &fresh.path(), trust).await.unwrap();
        assert_eq!((restored.vouched, restored.disabled.len()), (false, if trust { 0 } else { 6 }));
        let (store, _) = open(fresh.path()).await.unwrap();
        let view = store.load(View::default()).await.unwrap().0;
        let active = view.keys.values().filter(|key| key.status == Status::Active).count();
        assert_eq!(active, if trust { 6 } else { 0 });
    }
}

#[tokio::test]
async fn a_journal_with_a_gap_vouches_for_nothing() {
    let (fresh, backup) = revoked_since().await;
    fresh.store.close().await.unwrap();
    let text = std::fs::read_to_string(journal(&fresh)).unwrap();
    let lines = text.lines().collect::<Vec<_>>();
    let gap = [&lines[..lines.len() - 4], &lines[lines.len() - 3..]].concat().join("\n");
    std::fs::write(journal(&fresh), gap + "\n").unwrap();
    let restored = restore(&backup, &fresh.path(), false).await.unwrap();
    assert!(!restored.vouched && !restored.disabled.is_empty(), "{restored:?}");
}

#[tokio::test]
async fn the_journal_is_made_good_at_the_start() {
    let fresh = furnished().await;
    let one = fresh.store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let backup = backed_up(&fresh).await;
    fresh.store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    fresh.store.close().await.unwrap();
    // As if the machine had stopped in the middle of writing the last line.
    let text = std::fs::read_to_string(journal(&fresh)).unwrap();
    assert_eq!(text.lines().count() as u64, one.sequence.0 + 1);
    std::fs::write(journal(&fresh), &text[..text.len() - 9]).unwrap();
    let (store, _) = open(fresh.path()).await.unwrap();
    store.close().await.unwrap();
    // All but the instant, which a change row does not tell.
    let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
    let last = last.replace(&format!("\"at\":{},", NOW.millis()), "");
    assert_eq!(std::fs::read_to_string(journal(&fresh)).unwrap(), format!("{before}\n{last}\n"));
    let restored = restore(&backup, &fresh.path(), false).await.unwrap();
    assert!(restored.vouched);
    let (store, _) = open(fresh.path()).await.unwrap();
    assert!(store.load(View::default()).await.unwrap().0.keys.is_empty());
}

#[tokio::test]
async fn a_copy_put_in_place_by_hand_is_refused() {
    let (fresh, backup) = revoked_since().await;
    fresh.store.close().await.unwrap();
    std::fs::copy(&backup, fresh.path()).unwrap();
    let error = open(fresh.path()).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("claviger restore"), "{error}");
    // A new database in the place of one that is gone is another matter; it goes on counting.
    std::fs::remove_file(fresh.path()).unwrap();
    let (store, _) = open(fresh.path()).await.unwrap();
    let created = store.create_account(account(1), audit("account:create")).await.unwrap();
    assert!(created.sequence.0 > 10);
}

#[tokio::test]
async fn what_went_to_somebody_who_is_not_in_the_backup_is_shut() {
    let fresh = furnished().await;
    let backup = backed_up(&fresh).await;
    let store = &fresh.store;
    store.create_account(account(9), audit("account:create")).await.unwrap();
    store.create_team(team(9, &[(9, TeamRole::Owner)]), audit("x:y")).await.unwrap();
    let mut moved = resource("notebook:a");
    moved.resource.holder = claviger_core::resource::Holder::Account(AccountId::from_bits(9));
    moved.revision = 2;
    store.put_resource(moved, Some(1), audit("x:y")).await.unwrap();
    let mut given = project(1, &[]);
    given.project.holder = claviger_core::subject::ProjectHolder::Team(TeamId::from_bits(9));
    given.revision = 2;
    store.update_project(given, 1, audit("x:y")).await.unwrap();
    store.close().await.unwrap();
    assert!(restore(&backup, &fresh.path(), false).await.unwrap().vouched);
    let (store, _) = open(fresh.path()).await.unwrap();
    let view = store.load(View::default()).await.unwrap().0;
    assert!(view.resources.is_empty());
    assert!(view.projects.values().all(|project| project.closed));
    let gone = Authority::Team(TeamId::from_bits(9));
    let error = store.create_key(key_of(1, gone), LIMIT, audit("key:create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing(_)));
}
