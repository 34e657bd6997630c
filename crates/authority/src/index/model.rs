//! Every order of events that memory allows, for a small table. It needs the table to be built of modelled
//! memory, so it is not among the ordinary tests:
//!
//! ```sh
//! cargo xtask nightly     # among other things
//! RUSTFLAGS="--cfg claviger_loom" cargo test --release -p claviger-authority --lib index::model
//! ```
//!
//! Shards are tiny here ([`shard`](super::shard)), so a few keys are enough to fill one. A lock stands for
//! the pointer that is swapped; everything else is the code that readers and the writer run.

use std::sync::Arc;

use claviger_core::id::{AccountId, KeyId};
use claviger_core::key::{Digest, KeyEntry, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::{Subject, UnixSeconds};
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread;

use super::table::KeyTable;

/// Digests of one shard. The first two differ in their second word only, which is zero in the first: half
/// of the second one's record looks like it.
fn digest(n: u8) -> Digest {
    let mut bytes = [0; 32];
    bytes[4] = 1 + n / 2;
    bytes[15] = n;
    Digest::from_bytes(bytes)
}

/// From this version on it is another key.
const ANOTHER: u64 = 10;

/// A key at a version: everything about it tells which.
fn entry(n: u8, version: u64) -> KeyEntry {
    KeyEntry {
        id: KeyId::from_bits(u128::from(n) + u128::from(version / ANOTHER) * 100),
        status: if version.is_multiple_of(2) { Status::Active } else { Status::Disabled },
        rights: Rights {
            subject: Subject::Account(AccountId::from_bits((version / ANOTHER).into())),
            scopes: ScopeSet::parse([["a:read", "b:read", "c:read"][(version % 3) as usize]]).unwrap(),
            expires_at: UnixSeconds::new(version),
            restrictions: Restrictions::default(),
        },
    }
}

/// The version of a key as a reader sees it now; 0 if it is not there. All of it has to be of one version.
fn seen(table: &KeyTable, n: u8) -> u64 {
    let directory = table.load();
    let Some(key) = directory.key(&digest(n)) else { return 0 };
    let version = key.rights.expires_at.unwrap().get();
    assert_eq!(key, (&entry(n, version)).into());
    version
}

fn put(table: &KeyTable, n: u8, version: u64) {
    table.put(&digest(n), entry(n, version)).unwrap();
}

/// Tries `write` beside readers that look for keys twice. `check` gets how far the writer had certainly come
/// before the look-ups, and what each found.
fn model(
    prepare: fn(&KeyTable),
    write: fn(&KeyTable, &dyn Fn(u64)),
    keys: &'static [u8],
    check: fn(u64, &[u64]),
) {
    loom::model(move || {
        let world = Arc::new((KeyTable::default(), AtomicU64::new(0)));
        prepare(&world.0);
        let writer = {
            let world = world.clone();
            thread::spawn(move || write(&world.0, &|step| world.1.store(step, Release)))
        };
        for _ in 0..2 {
            let done = world.1.load(Acquire);
            let found = keys.iter().map(|n| seen(&world.0, *n)).collect::<Vec<_>>();
            check(done, &found);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_key_is_seen_whole_or_not_at_all() {
    model(
        |_| {},
        |table, done| {
            put(table, 1, 1);
            done(1);
            put(table, 0, 1);
            done(2);
        },
        &[0, 1],
        |done, found| {
            assert!(done < 1 || found[1] == 1, "a change that was acknowledged is seen");
            assert!(done < 2 || found[0] == 1);
        },
    );
}

#[test]
fn a_changed_key_is_old_or_new_and_never_gone() {
    model(
        |table| put(table, 0, 1),
        |table, done| {
            put(table, 0, 2);
            done(2);
            put(table, 0, 3);
            done(3);
        },
        &[0],
        |done, found| assert!((done.max(1)..=3).contains(&found[0]), "{done} {found:?}"),
    );
}

#[test]
fn a_deleted_key_stays_deleted() {
    model(
        |table| {
            put(table, 0, 1);
            put(table, 1, 1);
        },
        |table, done| {
            table.remove(&digest(0));
            done(1);
        },
        &[0, 1],
        |done, found| {
            assert!(done == 0 || found[0] == 0, "a deletion that was acknowledged is seen");
            assert_eq!(found[1], 1, "what lies behind it is found");
        },
    );
}

#[test]
fn a_copy_loses_nothing() {
    model(
        |table| {
            put(table, 0, 1);
            put(table, 1, 1);
        },
        |table, done| {
            // More than the smallest shard holds.
            for n in 2..5 {
                put(table, n, 1);
            }
            done(1);
            put(table, 0, 2);
            done(2);
        },
        &[0, 4],
        |done, found| {
            assert!(found[0] >= done.max(1), "{done} {found:?}");
            assert!(done == 0 || found[1] == 1);
        },
    );
}

#[test]
fn a_key_that_comes_back_as_another() {
    model(
        |table| put(table, 0, 1),
        |table, done| {
            table.remove(&digest(0));
            done(1);
            put(table, 0, ANOTHER);
            done(2);
        },
        &[0],
        |done, found| {
            let expected: &[u64] = [&[1, 0, ANOTHER][..], &[0, ANOTHER], &[ANOTHER]][done as usize];
            assert!(expected.contains(&found[0]), "{done} {found:?}");
        },
    );
}
