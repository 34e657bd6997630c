//! Filling, growing and emptying.

use std::sync::Arc;

use claviger_store::LoadVisitor;

use super::*;

fn load(digests: &[Digest]) -> Arc<Index> {
    let index = Arc::new(Index::default());
    let mut loader = Loader::new(index.clone());
    loader.key_count(digests.len() as u64);
    for (n, digest) in (0..).zip(digests) {
        loader.key(*digest, entry(n, n));
    }
    assert_eq!(index.key_count(), 0, "nothing is seen before the end");
    loader.finish(Sequence(7)).unwrap();
    index
}

fn check(index: &Index, digests: &[Digest]) {
    assert_eq!(index.key_count(), digests.len());
    let view = index.view();
    for (n, digest) in (0..).zip(digests) {
        assert_eq!(view.key(digest), Some((&entry(n, n)).into()));
    }
}

#[test]
fn sorted_keys_are_loaded_and_then_change() {
    let mut digests = (0..30_000).map(spread).chain((0..1_000).map(crowded)).collect::<Vec<_>>();
    digests.sort();
    let index = load(&digests);
    check(&index, &digests);
    assert_eq!(index.applied(), Sequence(7));
    for (n, digest) in (0..).zip(&digests) {
        let key = entry(n, n + 1);
        index.put(ChangeItem::Key(*digest, key.clone()));
        assert_eq!(index.view().key(digest), Some((&key).into()));
    }
    assert!(index.keys.retired() <= 1);
}

#[test]
fn unsorted_keys_are_loaded_all_the_same() {
    let digests = (0..20_000).map(spread).chain((0..200).map(crowded)).collect::<Vec<_>>();
    check(&load(&digests), &digests);
}

#[test]
fn loading_again_changes_nothing() {
    let mut digests = (0..5_000).map(spread).collect::<Vec<_>>();
    digests.sort();
    let index = load(&digests);
    let mut loader = Loader::new(index.clone());
    for (n, digest) in (0..).zip(&digests) {
        loader.key(*digest, entry(n, n));
    }
    loader.finish(Sequence(7)).unwrap();
    check(&index, &digests);
}

#[test]
fn grown_by_one_key_after_the_other() {
    let digests = (0..50_000).map(spread).chain((0..3_000).map(crowded)).collect::<Vec<_>>();
    let index = Index::default();
    for (n, digest) in (0..).zip(&digests) {
        index.put(ChangeItem::Key(*digest, entry(n, n)));
    }
    check(&index, &digests);
    for digest in &digests {
        index.put(ChangeItem::KeyGone(*digest));
        index.put(ChangeItem::KeyGone(*digest));
    }
    check(&index, &[]);
    assert!(digests.iter().all(|digest| index.view().key(digest).is_none()));
}

/// What is dead is left behind by the next copy, so the table stays as large as what lives in it.
#[test]
fn churn_takes_no_more_memory() {
    let index = Index::default();
    let round = |n: u64| {
        for key in 0..2_000 {
            index.put(ChangeItem::Key(spread(n * 2_000 + key), entry(key, n)));
        }
        for key in 0..2_000 {
            index.put(ChangeItem::KeyGone(spread(n * 2_000 + key)));
        }
        index.key_bytes()
    };
    let before = (0..5).map(round).max().unwrap();
    let after = (5..40).map(round).max().unwrap();
    assert!(after < before * 3 / 2, "{before} {after}");
}

/// The aim: what a node holds of an account's key, everything counted but the texts of shared scopes. A key
/// of a resource takes some 60 bytes and the resource's name beside.
#[test]
fn a_key_takes_less_than_120_bytes() {
    let mut digests = (0..200_000).map(spread).collect::<Vec<_>>();
    digests.sort();
    let (loaded, grown) = (Arc::new(Index::default()), Index::default());
    let mut loader = Loader::new(loaded.clone());
    loader.key_count(digests.len() as u64);
    for (n, digest) in (0..).zip(&digests) {
        loader.key(*digest, entry(n * 2, n));
        grown.put(ChangeItem::Key(*digest, entry(n * 2, n)));
    }
    loader.finish(Sequence(1)).unwrap();
    let per_key = |index: &Index| index.key_bytes() as f64 / 200_000.0;
    assert!(per_key(&loaded) < 105.0, "{}", per_key(&loaded));
    assert!(per_key(&grown) < 120.0, "{}", per_key(&grown));
}
