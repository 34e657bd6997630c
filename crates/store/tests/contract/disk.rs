//! A disk that fails: at each write, sync and rename of journal, backup, compaction and restore in turn, and at
//! COMMIT itself. Whatever fails, what was answered is true afterwards: in the process that goes on, after a crash,
//! and after the loss of whatever had not been synced.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use claviger_core::id::KeyId;
use claviger_core::key::KeyPatch;
use claviger_core::lifecycle::Status;
use claviger_store::{Disk, DiskFaults, DiskOperation, SqliteOptions, Store, StoreError};

use super::support::*;

/// Which operations fail: the nth, or it and all that follow.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Once(usize),
    From(usize),
}

impl Fault {
    fn hits(self, count: usize) -> bool {
        match self {
            Self::Once(n) => count == n,
            Self::From(n) => count >= n,
        }
    }
}

/// A disk with a fault, which knows what would survive the loss of power.
#[derive(Clone, Default)]
struct Simulated(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    operations: Vec<DiskOperation>,
    failed: usize,
    /// What each file, by its inode, had in it when it was last synced.
    synced: HashMap<u64, Vec<u8>>,
    /// Which file each name led to when its folder was last synced.
    names: HashMap<PathBuf, u64>,
}

impl DiskFaults for Simulated {
    fn before(&self, operation: DiskOperation, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let count = state.operations.len();
        state.operations.push(operation);
        if state.fault.is_some_and(|fault| fault.hits(count)) {
            state.failed += 1;
            return Err(io::Error::other("the simulated disk fails"));
        }
        match operation {
            DiskOperation::Sync => {
                let inode = std::fs::metadata(path)?.ino();
                state.synced.insert(inode, std::fs::read(path)?);
            }
            DiskOperation::SyncFolder => {
                state.names.retain(|name, _| name.parent() != Some(path));
                for entry in std::fs::read_dir(path)? {
                    let entry = entry?;
                    let inode = entry.metadata()?.ino();
                    state.names.insert(entry.path(), inode);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Simulated {
    fn new(fault: Option<Fault>) -> Self {
        let simulated = Self::default();
        simulated.0.lock().unwrap().fault = fault;
        simulated
    }

    fn disk(&self) -> Disk {
        Disk::with_faults(self.clone())
    }

    fn heal(&self) {
        self.0.lock().unwrap().fault = None;
    }

    fn failed(&self) -> usize {
        self.0.lock().unwrap().failed
    }

    /// What a file would have in it after the loss of power.
    fn surviving(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.names.get(path).map(|inode| state.synced.get(inode).cloned().unwrap_or_default())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Active,
    Disabled,
    Absent,
}

/// What may be true of each key by the answers that came.
#[derive(Debug, Clone, Default)]
struct Answers {
    keys: BTreeMap<u128, Vec<Known>>,
    /// Those that nobody may see active again.
    revoked: Vec<u128>,
    unknown: Vec<(claviger_core::change::ChangeId, u128, Known)>,
    backups: Vec<PathBuf>,
}

impl Answers {
    /// Notes the answer to a change that was to make a key so.
    fn take<T>(&mut self, n: u128, to: Known, answer: Result<T, StoreError>) {
        let states = self.keys.entry(n).or_insert_with(|| vec![Known::Absent]);
        match answer {
            Ok(_) => {
                *states = vec![to];
                if to != Known::Active {
                    self.revoked.push(n);
                }
            }
            Err(StoreError::OutcomeUnknown { change, .. }) => {
                states.push(to);
                self.unknown.push((change.unwrap(), n, to));
            }
            // Certain not to have happened: by a disk that fails, or because an earlier one did not happen.
            Err(StoreError::Unavailable(_) | StoreError::NotFound) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Holds a store against them.
    async fn check(&self, store: &Store, what: &str) {
        let view = store.load(View::default()).await.unwrap().0;
        for (n, states) in &self.keys {
            let found = match view.keys.get(&key(*n).digest).map(|entry| entry.status) {
                Some(Status::Active) => Known::Active,
                Some(_) => Known::Disabled,
                None => Known::Absent,
            };
            assert!(states.contains(&found), "{what}: key {n} is {found:?}, answered: {self:?}");
        }
        for (change, n, to) in &self.unknown {
            let happened = store.change(*change).await.unwrap().is_some();
            let possible = self.keys[n].contains(to);
            assert!(!happened || possible, "{what}: {change} of key {n}");
        }
    }
}

async fn disabled(store: &Store, n: u128) -> Result<(), StoreError> {
    let Some(stored) = store.key(KeyId::from_bits(n)).await? else { return Err(StoreError::NotFound) };
    let revision = stored.record.revision;
    let patch = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
    let (next, _) = stored.record.patched(patch, NOW).unwrap();
    store.update_key(next, revision, audit("key:update")).await.map(|_| ())
}

/// Creations, revocations, a backup, a compaction and an upkeep of the journal, each answered.
async fn work(store: &Store, path: &Path, answers: &mut Answers) {
    for n in 1..=4 {
        let made = store.create_key(key(n), LIMIT, audit("key:create")).await;
        answers.take(n, Known::Active, made);
    }
    for round in 0..2 {
        let to = beside(path, &format!(".backup-{round}"));
        match store.backup_to(&to).await {
            Ok(()) => answers.backups.push(to),
            // Half a backup is none.
            Err(_) => assert!(!to.exists() || rusqlite::Connection::open(&to).is_ok()),
        }
        let n = 1 + 2 * round;
        let gone = store.delete_key(KeyId::from_bits(n), None, audit("key:delete")).await;
        answers.take(n, Known::Absent, gone);
        let off = disabled(store, n + 1).await;
        answers.take(n + 1, Known::Disabled, off);
        // Whether it is compacted does not matter, only that nothing is lost by it.
        let _maybe = store.compact_journal(NOW, TASK).await;
        let _maybe = store.try_writing().await;
    }
    let made = store.create_key(key(5), LIMIT, audit("key:create")).await;
    answers.take(5, Known::Active, made);
}

/// The files as a crash leaves them, the journal perhaps only as far as it was synced.
fn image(path: &Path, simulated: Option<&Simulated>) -> (tempfile::TempDir, PathBuf) {
    let folder = quick_folder();
    let to = folder.path().join("claviger.db");
    for suffix in ["", "-wal"] {
        let from = beside(path, suffix);
        if from.exists() {
            std::fs::copy(from, beside(&to, suffix)).unwrap();
        }
    }
    let journal = beside(path, ".revocations.jsonl");
    let content = match simulated {
        Some(simulated) => simulated.surviving(&journal),
        None => std::fs::read(&journal).ok(),
    };
    if let Some(content) = content {
        std::fs::write(beside(&to, ".revocations.jsonl"), content).unwrap();
    }
    (folder, to)
}

/// While the line of an acknowledged revocation cannot be written, a database that is lost as well takes the knowledge
/// with it. As long as it can be read, it is what a restoration learns from.
#[tokio::test]
async fn a_restoration_learns_from_the_database_what_the_journal_could_not_be_told() {
    let fresh = furnished_quickly().await;
    fresh.store.close().await.unwrap();
    let simulated = Simulated::new(None);
    let options = SqliteOptions { disk: simulated.disk(), ..SqliteOptions::at(fresh.path()) };
    let store = Store::open(options, random(), Box::new(Recorder::default())).await.unwrap();
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let backup = beside(&fresh.path(), ".backup");
    store.backup_to(&backup).await.unwrap();
    {
        let mut state = simulated.0.lock().unwrap();
        state.fault = Some(Fault::From(state.operations.len() + 2));
    }
    store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    let (_folder, path) = image(&fresh.path(), None);
    let restored = Store::restore(&backup, &path, false, random(), audit("x:y")).await.unwrap();
    assert_eq!((restored.applied, restored.vouched), (1, true));
    let (store, _) = open(path).await.unwrap();
    assert!(store.load(View::default()).await.unwrap().0.keys.is_empty());
}

/// After a crash: what was answered is true, and no restored backup brings back what was revoked.
async fn check_crash(path: &Path, simulated: Option<&Simulated>, answers: &Answers, what: &str) {
    let (_folder, to) = image(path, simulated);
    let (store, _) = open(to.clone()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    answers.check(&store, what).await;
    store.close().await.unwrap();
    for backup in &answers.backups {
        let restored = Store::restore(backup, &to, false, random(), audit("operator:restore")).await;
        let restored = restored.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (store, _) = open(to.clone()).await.unwrap();
        let view = store.load(View::default()).await.unwrap().0;
        for n in &answers.revoked {
            let entry = view.keys.get(&key(*n).digest);
            let active = entry.is_some_and(|entry| entry.status == Status::Active);
            assert!(!active, "{what}: key {n} lives again, {restored:?}");
        }
        store.close().await.unwrap();
    }
}

/// One run with one fault. Returns whether there was any.
async fn run(fault: Fault) -> bool {
    let what = format!("{fault:?}");
    let fresh = furnished_quickly().await;
    fresh.store.close().await.unwrap();
    let path = fresh.path();
    let simulated = Simulated::new(Some(fault));
    let options = SqliteOptions { disk: simulated.disk(), ..SqliteOptions::at(&path) };
    let seen = Recorder::default();
    let mut answers = Answers::default();
    match Store::open(options, random(), Box::new(seen.clone())).await {
        Ok(store) => {
            work(&store, &path, &mut answers).await;
            check_crash(&path, None, &answers, &format!("{what}, crash")).await;
            check_crash(&path, Some(&simulated), &answers, &format!("{what}, loss of power")).await;
            simulated.heal();
            // And it goes on, by itself.
            let made = store.create_key(key(9), LIMIT, audit("key:create")).await;
            made.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(store.obstacle(), None, "{what}");
            store.try_writing().await.unwrap();
            answers.check(&store, &format!("{what}, going on")).await;
            for (change, _, _) in &answers.unknown {
                store.change(*change).await.unwrap();
            }
            // The index knows of what was committed, and of nothing else.
            let mut told = fresh.seen.view();
            seen.changes().iter().for_each(|change| told.apply(change));
            assert_eq!(told, store.load(View::default()).await.unwrap().0, "{what}");
            store.close().await.unwrap();
        }
        Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{what}: {error}"),
    }
    let (store, _) = open(path.clone()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    answers.check(&store, &format!("{what}, next start")).await;
    store.close().await.unwrap();
    simulated.failed() > 0
}

#[tokio::test]
async fn what_was_answered_is_true_whichever_operation_of_the_disk_fails() {
    let mut runs = 0;
    for n in 0.. {
        if !run(Fault::Once(n)).await {
            break;
        }
        run(Fault::From(n)).await;
        runs += 1;
    }
    assert!(runs > 60, "the work has that many operations: {runs}");
}

#[tokio::test]
async fn every_kind_of_operation_is_among_those_that_fail() {
    let fresh = furnished_quickly().await;
    fresh.store.close().await.unwrap();
    let simulated = Simulated::new(None);
    let options = SqliteOptions { disk: simulated.disk(), ..SqliteOptions::at(fresh.path()) };
    let store = Store::open(options, random(), Box::new(Recorder::default())).await.unwrap();
    work(&store, &fresh.path(), &mut Answers::default()).await;
    let seen = simulated.0.lock().unwrap().operations.clone();
    for operation in [
        DiskOperation::Open,
        DiskOperation::Write,
        DiskOperation::SetLength,
        DiskOperation::Sync,
        DiskOperation::SyncFolder,
        DiskOperation::Rename,
        DiskOperation::Remove,
        DiskOperation::Commit,
        DiskOperation::Committed,
    ] {
        assert!(seen.contains(&operation), "{operation:?}");
    }
}

#[tokio::test]
async fn a_restoration_that_fails_anywhere_can_be_repeated_and_brings_nothing_back() {
    let mut runs = 0;
    for n in 0.. {
        let simulated = Simulated::new(Some(Fault::Once(n)));
        let fresh = furnished_quickly().await;
        let mut answers = Answers::default();
        work(&fresh.store, &fresh.path(), &mut answers).await;
        // As a machine that stops leaves it, with a log.
        let (_folder, path) = image(&fresh.path(), None);
        let backup = answers.backups[0].clone();
        let first = Store::restore_on(simulated.disk(), &backup, &path, false, random(), audit("x:y")).await;
        let what = format!("operation {n}: {first:?}");
        if let Err(error) = &first {
            assert!(matches!(error, StoreError::Unavailable(_)), "{what}");
        }
        // Started at this point, it is either refused or has nothing active that was revoked.
        let (_copy, started) = image(&path, None);
        if let Ok((store, _)) = open(started).await {
            let view = store.load(View::default()).await.unwrap().0;
            for revoked in &answers.revoked {
                let entry = view.keys.get(&key(*revoked).digest);
                assert!(entry.is_none_or(|entry| entry.status != Status::Active), "{what}: {revoked}");
            }
        }
        let second = Store::restore(&backup, &path, false, random(), audit("x:y")).await;
        assert!(second.unwrap_or_else(|error| panic!("{what}: {error}")).vouched, "{what}");
        let (store, _) = open(path).await.unwrap();
        let view = store.load(View::default()).await.unwrap().0;
        let active = view.keys.values().filter(|entry| entry.status == Status::Active).count();
        assert_eq!(active, 0, "{what}: all but key 5, which is not in the backup, were revoked");
        if simulated.failed() == 0 {
            break;
        }
        runs += 1;
    }
    assert!(runs > 20, "a restoration has that many operations: {runs}");
}

/// Fails at COMMIT, and at the write that would settle whether it happened.
#[tokio::test]
async fn a_change_of_which_nobody_knows_is_answered_so_and_can_be_looked_up() {
    for happened in [false, true] {
        let fresh = furnished_quickly().await;
        fresh.store.close().await.unwrap();
        let simulated = Simulated::new(None);
        let options = SqliteOptions { disk: simulated.disk(), ..SqliteOptions::at(fresh.path()) };
        let seen = Recorder::default();
        let store = Store::open(options, random(), Box::new(seen.clone())).await.unwrap();
        let mut answers = Answers::default();
        {
            let mut state = simulated.0.lock().unwrap();
            // The answer to COMMIT is lost; and whatever is tried after it fails, too.
            let next = state.operations.len();
            state.fault = Some(Fault::From(if happened { next + 1 } else { next }));
        }
        let made = store.create_key(key(1), LIMIT, audit("key:create")).await;
        if happened {
            let Err(StoreError::OutcomeUnknown { change: Some(change), .. }) = &made else {
                panic!("{made:?}")
            };
            let change = *change;
            let still = store.change(change).await;
            assert!(matches!(still, Err(StoreError::OutcomeUnknown { .. })), "not answered as if it had not");
            assert_eq!(store.obstacle().unwrap().part, "database");
            let next = store.create_key(key(2), LIMIT, audit("key:create")).await;
            assert!(matches!(next, Err(StoreError::Unavailable(_))), "nothing is begun meanwhile: {next:?}");
            assert!(seen.changes().is_empty());
            simulated.heal();
            store.create_key(key(3), LIMIT, audit("key:create")).await.unwrap();
            assert_eq!(store.change(change).await.unwrap().unwrap().0, 5);
            assert_eq!(seen.changes().len(), 2, "the index learns of it then");
        } else {
            assert!(
                matches!(made, Err(StoreError::Unavailable(_))),
                "certain not to have happened: {made:?}"
            );
        }
        answers.take(1, Known::Active, made);
        answers.check(&store, "in the end").await;
    }
}

#[tokio::test]
async fn a_change_whose_line_cannot_be_written_is_in_force_and_the_next_is_not_begun() {
    let fresh = furnished_quickly().await;
    fresh.store.close().await.unwrap();
    let simulated = Simulated::new(None);
    let options = SqliteOptions { disk: simulated.disk(), ..SqliteOptions::at(fresh.path()) };
    let store = Store::open(options, random(), Box::new(Recorder::default())).await.unwrap();
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    {
        let mut state = simulated.0.lock().unwrap();
        // After COMMIT and its answer.
        state.fault = Some(Fault::From(state.operations.len() + 2));
    }
    let deleted = store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await;
    assert!(deleted.is_ok(), "{deleted:?}");
    let obstacle = store.obstacle().unwrap();
    assert_eq!((obstacle.part, obstacle.reason.contains("simulated")), ("journal", true));
    for _ in 0..2 {
        let next = store.create_key(key(2), LIMIT, audit("key:create")).await;
        assert!(matches!(next, Err(StoreError::Unavailable(_))), "{next:?}");
    }
    assert!(store.try_writing().await.is_err());
    simulated.heal();
    store.try_writing().await.unwrap();
    store.create_key(key(2), LIMIT, audit("key:create")).await.unwrap();
    assert_eq!(store.obstacle(), None);
    let journal = std::fs::read_to_string(beside(&fresh.path(), ".revocations.jsonl")).unwrap();
    let sequences = journal.lines().map(|line| line.split([':', ',']).nth(1).unwrap().to_owned());
    assert_eq!(sequences.collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6", "7"], "{journal}");
}

#[tokio::test]
async fn usage_is_counted_once_whatever_becomes_of_the_journal() {
    let fresh = furnished_quickly().await;
    fresh.store.close().await.unwrap();
    let simulated = Simulated::new(None);
    let options = SqliteOptions { disk: simulated.disk(), ..SqliteOptions::at(fresh.path()) };
    let store = Store::open(options, random(), Box::new(Recorder::default())).await.unwrap();
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    let count = claviger_store::UsageCount { key: KeyId::from_bits(1), at: NOW, allowed: 1, refused: 0 };
    let mut counted = 0;
    for n in 0..12 {
        {
            let mut state = simulated.0.lock().unwrap();
            state.fault = Some(Fault::Once(state.operations.len() + n % 4));
        }
        // In one transaction with a change, or alone.
        let id = KeyId::from_bits(1);
        let (usage, _change) = tokio::join!(
            store.record_usage(vec![count], vec![], TASK),
            disabled(&store, if n % 2 == 0 { 1 } else { 99 })
        );
        simulated.heal();
        let total = store.usage_totals(vec![(id, seconds(-3_600))]).await.unwrap()[0];
        let expect = u64::from(usage.is_ok());
        assert_eq!(total - counted, expect, "{n}: {usage:?}");
        counted = total;
    }
    assert!(counted > 0);
}

#[tokio::test]
async fn files_that_are_taken_away_are_noticed_before_anything_is_lost() {
    for suffix in ["", "-wal", ".lock", ".revocations.jsonl"] {
        let fresh = furnished_quickly().await;
        let (path, aside) = (beside(&fresh.path(), suffix), beside(&fresh.path(), ".elsewhere"));
        fresh.store.try_writing().await.unwrap();
        std::fs::rename(&path, &aside).unwrap();
        assert!(fresh.store.try_writing().await.is_err(), "{suffix:?} is gone");
        let made = fresh.store.create_key(key(1), LIMIT, audit("key:create")).await;
        assert!(matches!(made, Err(StoreError::Unavailable(_))), "{suffix:?}: {made:?}");
        let obstacle = fresh.store.obstacle().unwrap();
        assert!(obstacle.reason.contains("removed or replaced"), "{obstacle}");
        assert!(!obstacle.to_string().contains(path.parent().unwrap().to_str().unwrap()), "{obstacle}");
        std::fs::rename(&aside, &path).unwrap();
        fresh.store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
        assert_eq!(fresh.store.obstacle(), None, "{suffix:?}");
    }
}
