//! A backup that is restored brings nothing back to life.

use std::path::{Path, PathBuf};

use claviger_core::id::{AccountId, KeyId, TeamId};
use claviger_core::key::{KeyPatch, KeyRecord};
use claviger_core::lifecycle::Status;
use claviger_core::principal::TeamRole;
use claviger_core::resource::{ResourceRef, Visibility};
use claviger_core::scope::ScopeSet;
use claviger_core::subject::Subject;
use claviger_store::{Conflict, Restored, Store, StoreError};

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
    let on_notebook = key_of(6, resource_subject("notebook:a"));
    store.create_key(on_notebook, LIMIT, audit("key:create")).await.unwrap();
    store.put_resource(resource("notebook:b"), None, audit("resource:create")).await.unwrap();
    store
        .create_team(team(2, &[(1, TeamRole::Owner), (2, TeamRole::Member)]), LIMIT, audit("x:y"))
        .await
        .unwrap();
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
    store.create_key(key(8), LIMIT, audit("key:create")).await.unwrap();
    store.delete_key(KeyId::from_bits(8), None, audit("key:delete")).await.unwrap();
    (fresh, backup)
}

#[tokio::test]
async fn what_was_taken_away_since_stays_away() {
    let (fresh, backup) = revoked_since().await;
    let (view, before) = fresh.store.load(View::default()).await.unwrap();
    assert!(matches!(restore(&backup, &fresh.path(), false).await, Err(StoreError::Locked { .. })));
    fresh.store.close().await.unwrap();
    let restored = restore(&backup, &fresh.path(), false).await.unwrap();
    assert_eq!(restored, Restored { applied: 10, vouched: true, disabled: Vec::new() });
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
    // The texts of keys that were deleted since, or made and deleted since, never become keys again.
    let again = |n: u128| KeyRecord { digest: key(n).digest, ..key(n + 100) };
    for n in [1, 6, 8] {
        let error = store.create_key(again(n), LIMIT, audit("key:create")).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(Conflict::DeletedKey)), "{n}: {error}");
    }
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
    assert_eq!(std::fs::read_to_string(journal(&fresh)).unwrap(), text);
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
}

#[tokio::test]
async fn a_database_that_is_gone_or_emptied_beside_a_journal_is_a_loss_and_no_first_start() {
    for emptied in [false, true] {
        let (fresh, backup) = revoked_since().await;
        fresh.store.close().await.unwrap();
        match emptied {
            true => std::fs::write(fresh.path(), "").unwrap(),
            false => std::fs::remove_file(fresh.path()).unwrap(),
        }
        // Each time, and nothing is created meanwhile that a later start could take for a database.
        for _ in 0..2 {
            let error = open(fresh.path()).await.map(|_| ()).unwrap_err();
            assert!(matches!(error, StoreError::Lost { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("claviger restore") && text.contains("mv "), "{text}");
            assert!(!error.public().contains('/'));
            assert_eq!(std::fs::metadata(fresh.path()).map_or(0, |found| found.len()), 0);
        }
        assert!(restore(&backup, &fresh.path(), false).await.unwrap().vouched);
        open(fresh.path()).await.unwrap();
    }
}

#[tokio::test]
async fn a_loss_that_is_intended_is_a_first_start_once_the_journal_is_moved_away() {
    let (fresh, _) = revoked_since().await;
    fresh.store.close().await.unwrap();
    std::fs::remove_file(fresh.path()).unwrap();
    std::fs::rename(journal(&fresh), beside(&journal(&fresh), ".old")).unwrap();
    let (store, _) = open(fresh.path()).await.unwrap();
    assert_eq!(store.sequence().await.unwrap().0, 0);
}

#[tokio::test]
async fn a_start_that_ends_before_its_first_change_is_followed_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    for _ in 0..3 {
        open(path.clone()).await.unwrap().0.close().await.unwrap();
    }
    let (store, _) = open(path.clone()).await.unwrap();
    store.create_account(account(1), audit("account:create")).await.unwrap();
    store.close().await.unwrap();
    open(path).await.unwrap();
}

#[tokio::test]
async fn a_log_without_its_database_is_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    std::fs::write(beside(&path, "-wal"), "something").unwrap();
    let error = open(path).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
}

/// Copies the files as they are, as a machine that stops leaves them.
fn copied(from: &Path, to: &Path) {
    for suffix in ["", "-wal", ".revocations.jsonl"] {
        let (from, to) = (beside(from, suffix), beside(to, suffix));
        if from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

#[tokio::test]
async fn each_restoration_keeps_what_it_replaces_with_its_own_log() {
    let (fresh, backup) = revoked_since().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    copied(&fresh.path(), &path);
    let crashed = fresh.loaded().await;
    assert!(std::fs::metadata(beside(&path, "-wal")).unwrap().len() > 0, "there is a log");
    restore(&backup, &path, false).await.unwrap();
    assert!(!beside(&path, "-wal").exists(), "not beside what took its place");
    let (store, _) = open(path.clone()).await.unwrap();
    store.delete_key(KeyId::from_bits(5), None, audit("key:delete")).await.unwrap();
    let restored = store.load(View::default()).await.unwrap().0;
    store.close().await.unwrap();
    restore(&backup, &path, false).await.unwrap();
    restore(&backup, &path, false).await.unwrap();
    for (aside, expect) in [(".before-restore", &crashed), (".before-restore-2", &restored)] {
        let aside = beside(&path, aside);
        let (store, _) = open(aside.clone()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(&store.load(View::default()).await.unwrap().0, expect, "{}", aside.display());
    }
    assert!(beside(&path, ".before-restore-3").exists());
}

#[tokio::test]
async fn a_restoration_keeps_owner_and_mode_of_the_files() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (fresh, backup) = revoked_since().await;
    fresh.store.close().await.unwrap();
    let files = [fresh.path(), journal(&fresh), beside(&fresh.path(), ".lock")];
    let is_root = std::fs::metadata(fresh.path()).unwrap().uid() == 0;
    std::fs::set_permissions(fresh.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let owner = if is_root { 65_534 } else { std::fs::metadata(fresh.path()).unwrap().uid() };
    if is_root {
        // As root restores what a service has written.
        let folder = fresh.path().parent().unwrap().to_owned();
        for file in files.iter().chain([&folder]) {
            std::os::unix::fs::chown(file, Some(owner), Some(owner)).unwrap();
        }
    }
    for round in 0..2 {
        restore(&backup, &fresh.path(), false).await.unwrap();
        let found = std::fs::metadata(fresh.path()).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o777), (owner, 0o640));
        for file in &files {
            assert_eq!(std::fs::metadata(file).unwrap().uid(), owner, "{round}: {}", file.display());
        }
        // What is created anew belongs to whom the folder belongs to.
        std::fs::remove_file(journal(&fresh)).unwrap();
        std::fs::remove_file(beside(&fresh.path(), ".lock")).unwrap();
    }
}

#[tokio::test]
async fn what_went_to_somebody_who_is_not_in_the_backup_is_shut() {
    let fresh = furnished().await;
    let backup = backed_up(&fresh).await;
    let store = &fresh.store;
    store.create_account(account(9), audit("account:create")).await.unwrap();
    store.create_team(team(9, &[(9, TeamRole::Owner)]), LIMIT, audit("x:y")).await.unwrap();
    let mut moved = resource("notebook:a");
    moved.resource.owner = claviger_core::resource::Owner::Account(AccountId::from_bits(9));
    moved.revision = 2;
    store.put_resource(moved, Some(1), audit("x:y")).await.unwrap();
    let mut given = project(1, &[]);
    given.project.owner = claviger_core::principal::ProjectOwner::Team(TeamId::from_bits(9));
    given.revision = 2;
    store.update_project(given, 1, audit("x:y")).await.unwrap();
    store.close().await.unwrap();
    assert!(restore(&backup, &fresh.path(), false).await.unwrap().vouched);
    let (store, _) = open(fresh.path()).await.unwrap();
    let view = store.load(View::default()).await.unwrap().0;
    assert!(view.resources.is_empty());
    assert!(view.projects.values().all(|project| project.closed));
    let gone = Subject::Team(TeamId::from_bits(9));
    let error = store.create_key(key_of(1, gone), LIMIT, audit("key:create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing(_)));
}
