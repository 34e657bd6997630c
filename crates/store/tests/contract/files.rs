//! What is particular to a store in a file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use claviger_core::id::KeyId;
use claviger_store::{ChangeSink, StoreError};

use super::support::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[tokio::test]
async fn the_files_belong_to_their_owner() {
    let fresh = furnished().await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&beside(&fresh.path(), suffix)), 0o600, "{suffix}");
    }
    fresh.store.close().await.unwrap();
    assert!(!beside(&fresh.path(), "-wal").exists(), "all is in the one file");
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_has_closed() {
    let fresh = furnished().await;
    let error = open(fresh.path()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(!error.public().contains("lock"));
    fresh.store.close().await.unwrap();
    let (again, _) = open(fresh.path()).await.unwrap();
    assert_eq!(again.sequence().await.unwrap().0, 4);
}

#[tokio::test]
async fn closing_completes_what_was_handed_in_and_refuses_the_rest() {
    let fresh = furnished().await;
    let clone = fresh.store.clone();
    let pending = (1..50).map(|n| {
        let store = fresh.store.clone();
        tokio::spawn(async move { store.create_key(key(n), LIMIT, audit("key:create")).await.map(|_| ()) })
    });
    let pending = pending.collect::<Vec<_>>();
    tokio::task::yield_now().await;
    fresh.store.close().await.unwrap();
    fresh.store.close().await.unwrap();
    let mut done = 0;
    for task in pending {
        done += usize::from(task.await.unwrap().is_ok());
    }
    let refused = [clone.sequence().await.map(|_| ()), clone.append_history(vec![], PERMIT).await];
    assert!(refused.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))));
    let (again, _) = open(fresh.path()).await.unwrap();
    assert_eq!(again.load(View::default()).await.unwrap().0.keys.len(), done);
}

#[tokio::test]
async fn a_foreign_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |name: &str, make: &dyn Fn(&Path)| {
        let path = folder.path().join(name);
        make(&path);
        let before = std::fs::read(&path).unwrap();
        let error = open(path.clone()).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, StoreError::ForeignFile { .. }), "{name}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{name}");
    };
    check("text", &|path| std::fs::write(path, "dear diary, ".repeat(500)).unwrap()).await;
    let make = |path: &Path, sql: &str| rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    check("tables", &|path| make(path, "CREATE TABLE accounts (id)")).await;
    check("named", &|path| make(path, "PRAGMA application_id = 7")).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fresh = furnished().await;
    fresh.store.close().await.unwrap();
    let conn = rusqlite::Connection::open(fresh.path()).unwrap();
    conn.execute_batch("INSERT INTO schema_migrations VALUES (99, 'later')").unwrap();
    drop(conn);
    let error = open(fresh.path()).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_start_that_was_interrupted_is_made_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.db");
    // As after a crash between turning on the write-ahead log and the first migration.
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
    let (store, _) = open(path).await.unwrap();
    store.create_account(account(1), audit("account:create")).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path().join("none/claviger.db")).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_backup_is_a_store() {
    let fresh = furnished().await;
    fresh.store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let copy = beside(&fresh.path(), ".backup");
    fresh.store.backup_to(&copy).await.unwrap();
    assert_eq!(mode(&copy), 0o600);
    let before = fresh.seen.view();
    fresh.store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    let again = fresh.store.backup_to(&copy).await.unwrap_err();
    assert!(matches!(again, StoreError::Unavailable(_)), "nothing is overwritten: {again}");
    let (store, _) = open(copy).await.unwrap();
    assert_eq!(store.load(View::default()).await.unwrap().0, before);
    store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_dies_is_an_error_and_not_a_silence() {
    struct Fragile;
    impl ChangeSink for Fragile {
        fn apply(&mut self, _: &claviger_core::change::Change) -> Result<(), claviger_store::NotApplied> {
            std::panic::resume_unwind(Box::new("the index is broken"));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let options = claviger_store::SqliteOptions::at(folder.path().join("claviger.db"));
    let store = claviger_store::Store::open(options, random(), Box::new(Fragile)).await.unwrap();
    for n in 1..3 {
        let answer = store.create_account(account(n), audit("account:create")).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))));
        assert!(!store.health().is_healthy(), "known by the time that anybody gets an answer");
    }
    // What was committed stays, but nothing is read that the sink does not know of.
    assert!(matches!(store.sequence().await, Err(StoreError::Unavailable(_))));
    store.close().await.unwrap();
    let (again, _) = open(folder.path().join("claviger.db")).await.unwrap();
    assert_eq!(again.sequence().await.unwrap().0, 1);
}
