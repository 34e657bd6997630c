//! A large import beside a client that changes keys, and the end of many keys at once.

#![expect(clippy::expect_used, reason = "nothing can be measured without")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use claviger_authority::imports::{ImportKey, ImportOptions, ImportRow};
use claviger_authority::keys::Revocation;
use claviger_core::Subject;
use claviger_core::restriction::Restrictions;
use tokio::runtime::Runtime;

use crate::house::{House, new_key};
use crate::measure::{forget_peak, print_millis, resident_mb, writer_seconds};

const BATCH_ROWS: u64 = 5_000;
/// Accounts that the imported keys are of, so that there are many of each.
pub const ACCOUNTS: usize = 100;
const REVOCATIONS: usize = 5;

/// Imports so many keys.
pub fn run(house: &House, runtime: &Runtime, rows: u64) {
    runtime.block_on(async {
        let ended = Arc::new(AtomicBool::new(false));
        let beside = tokio::spawn(beside(house.authority.clone(), house.operator.clone(), new_key(house.accounts[ACCOUNTS]), ended.clone()));
        let (before, _) = resident_mb();
        forget_peak();
        let import = house.authority.begin_import(&house.operator, ImportOptions::default()).await;
        let import = import.expect("an import");
        let (started, busy) = (Instant::now(), writer_seconds());
        let mut batches = Vec::new();
        for from in (0..rows).step_by(BATCH_ROWS as usize) {
            let batch = (from..rows.min(from + BATCH_ROWS)).map(|n| row(house, n)).collect();
            let at = Instant::now();
            house.authority.stage_rows(&house.operator, import, batch).await.expect("outcomes");
            batches.push(at.elapsed());
        }
        let (staged, busy) = (started.elapsed(), writer_seconds() - busy);
        let (_, staging_peak) = resident_mb();
        forget_peak();
        let started = Instant::now();
        let committed = house.authority.commit_import(&house.operator, import).await.expect("a commit");
        let commit = started.elapsed();
        let (_, commit_peak) = resident_mb();
        ended.store(true, Ordering::Relaxed);
        assert_eq!(committed.value.staged, rows, "rows of an import");
        println!("{:<44}{:9.2} s, {:.0} rows a second", "staged in", staged.as_secs_f64(), rows as f64 / staged.as_secs_f64());
        println!("{:<44}{:9.1} us for each row", "writer busy", busy * 1e6 / rows as f64);
        print_millis("a batch of 5,000: min, median, max", &batches);
        println!("{:<44}{:9.2} s", "committed in", commit.as_secs_f64());
        println!("{:<44}{before:9.0} MB before, at most {staging_peak:.0} while staging, {commit_peak:.0} in the commit", "memory");
        print_millis("a rotation beside it: min, median, max", &beside.await.expect("no panic"));
    });
}

/// Rotates a key until told to stop, and tells how long each took.
async fn beside(
    authority: claviger_authority::Authority,
    operator: claviger_authority::Caller,
    new: claviger_authority::keys::NewKey,
    ended: Arc<AtomicBool>,
) -> Vec<Duration> {
    let mut key = authority.create_key(&operator, new).await.expect("a key").value;
    let mut all = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let started = Instant::now();
        let id = key.key.record.entry.id;
        key = authority.rotate_key(&operator, id, 0, None, None).await.expect("a rotation").value;
        all.push(started.elapsed());
        // A client of its own, not a load.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all
}

/// The text of an imported key.
pub fn text(n: u64) -> String {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("live_{mixed:016x}Zr8vQ2mWx7Lk4TnB{n:09}")
}

fn row(house: &House, n: u64) -> ImportRow {
    ImportRow {
        key: ImportKey::Text(text(n).into()),
        name: "Old CI".into(),
        subject: format!("account:{}", house.accounts[n as usize % ACCOUNTS]),
        versions: None,
        grants: None,
        scopes: Some(vec!["notebook:read".into()]),
        expires_at: None,
        created_at: None,
        preview: Some(format!("live_...{:04}", n % 10_000)),
        metadata: Vec::new(),
        restrictions: Restrictions::default(),
        status: None,
    }
}

/// Ends all keys of some accounts, one account after the other.
pub fn revoke(house: &House, runtime: &Runtime) {
    let (mut all, mut keys) = (Vec::new(), 0);
    for n in 0..REVOCATIONS {
        let (caller, started) = (house.account(n), Instant::now());
        let subject = Revocation::Subject(Subject::Account(house.accounts[n]));
        let revoked = runtime.block_on(house.authority.revoke_keys(&caller, subject));
        keys += revoked.expect("a revocation").value;
        all.push(started.elapsed());
    }
    print_millis(&format!("all keys of an account, {} of them", keys / REVOCATIONS as u64), &all);
}
