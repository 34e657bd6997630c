//! The index against a plain map, and against readers in other threads.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixtures;
mod growth;
mod random;
mod stress;

use claviger_core::Subject;
use claviger_core::change::{Change, ChangeId, ChangeItem, Sequence};
use claviger_core::decide::Snapshot;
use claviger_core::id::{AccountId, TeamId};
use claviger_core::name::ExternalId;
use claviger_core::principal::{Account, Container, ContainerId};

use super::*;
use fixtures::{crowded, entry, spread};

#[test]
fn a_change_is_seen_by_the_next_view_and_twice_is_once() {
    let index = Index::default();
    let change = |sequence, items| Change { sequence: Sequence(sequence), id: ChangeId([0; 16]), items };
    let (digest, key) = (spread(1), entry(1, 1));
    let put = change(1, vec![ChangeItem::Key(digest, key.clone())]);
    index.apply(&put).unwrap();
    index.apply(&put).unwrap();
    assert_eq!(index.view().key(&digest), Some((&key).into()));
    assert_eq!((index.key_count(), index.applied()), (1, Sequence(1)));
    index.apply(&change(2, vec![ChangeItem::KeyGone(digest)])).unwrap();
    assert_eq!(index.view().key(&digest), None);
    assert_eq!((index.key_count(), index.applied()), (0, Sequence(2)));
}

#[test]
fn what_a_view_has_handed_out_stays_as_it_was() {
    let index = Index::default();
    let old = index.view();
    let key = entry(1, 1);
    index.put(ChangeItem::Key(spread(1), key.clone()));
    let seen = old.key(&spread(1)).unwrap();
    index.put(ChangeItem::Key(spread(1), entry(1, 2)));
    index.put(ChangeItem::KeyGone(spread(1)));
    for n in 2..50_000 {
        index.put(ChangeItem::Key(spread(n), entry(n, 1)));
    }
    assert_eq!(seen, (&key).into());
    assert!(index.keys.retired() > 0, "the writer keeps what is read");
    drop(old);
    assert_eq!(index.keys.retired(), 0, "and frees it afterwards");
    assert_eq!(index.view().key(&spread(1)), None);
}

#[test]
fn a_key_that_shares_128_bits_with_another_is_refused() {
    let index = Index::default();
    index.put(ChangeItem::Key(spread(1), entry(1, 1)));
    index.put(ChangeItem::Key(spread(1), entry(2, 1)));
    let told = index.keys.put(&spread(1), entry(2, 1)).unwrap_err().to_string();
    assert!(told.starts_with(&entry(2, 1).id.to_string()), "{told}");
    assert_eq!(index.view().key(&spread(1)), Some((&entry(1, 1)).into()));
    index.put(ChangeItem::KeyGone(spread(1)));
    index.put(ChangeItem::Key(spread(1), entry(2, 1)));
    assert_eq!(index.view().key(&spread(1)), Some((&entry(2, 1)).into()), "once the other is gone");
}

#[test]
fn a_key_may_come_to_stand_for_something_else() {
    let index = Index::default();
    let mut key = entry(1, 1);
    for n in 0..100 {
        key.rights.subject = Subject::Team(TeamId::from_bits(n));
        index.put(ChangeItem::Key(spread(1), key.clone()));
        assert_eq!(index.view().key(&spread(1)), Some((&key).into()));
        assert_eq!(index.key_count(), 1);
    }
}

#[test]
fn keys_come_in_the_order_asked_for() {
    let index = Index::default();
    for n in 0..1_000 {
        index.put(ChangeItem::Key(if n % 2 == 0 { spread(n) } else { crowded(n) }, entry(n, n)));
    }
    let digests = (0..2_000).map(|n| if n % 2 == 0 { spread(n) } else { crowded(n) }).collect::<Vec<_>>();
    let view = index.view();
    for length in [0, 1, 15, 16, 17, 2_000] {
        let mut found = Vec::new();
        view.keys(&digests[..length], &mut found);
        assert_eq!(found, digests[..length].iter().map(|digest| view.key(digest)).collect::<Vec<_>>());
        assert_eq!(found.iter().flatten().count(), length.min(1_000));
    }
}

#[test]
fn a_view_enters_only_what_it_reads() {
    let index = Index::default();
    let id = AccountId::from_bits(1);
    index.put(ChangeItem::Account(Account { id, external_id: None, closed: false }));
    let view = index.view();
    assert!(view.key(&spread(1)).is_none() && view.accounts.get().is_none());
    assert!(view.account(id).is_some() && view.accounts.get().is_some() && view.teams.get().is_none());
}

#[test]
fn an_external_id_means_what_has_it_now() {
    let index = Index::default();
    let put = |n: u128, external_id: Option<&str>| {
        let external_id = external_id.and_then(|text| ExternalId::parse(text).ok());
        index.put(ChangeItem::Account(Account { id: AccountId::from_bits(n), external_id, closed: false }));
    };
    let check = |external_id: &str, expect: Option<u128>| {
        let found = index.view().by_external_id(Container::Account, external_id);
        assert_eq!(found, expect.map(|n| ContainerId::Account(AccountId::from_bits(n))), "{external_id}");
        assert_eq!(index.view().by_external_id(Container::Team, external_id), None, "of another kind");
    };
    put(1, Some("a"));
    put(2, None);
    check("a", Some(1));
    check("A", None);
    // Applying it again changes nothing.
    put(1, Some("a"));
    check("a", Some(1));
    // It moves in one change, in either order.
    put(1, None);
    put(2, Some("a"));
    check("a", Some(2));
    put(1, Some("a"));
    put(2, Some("b"));
    check("a", Some(1));
    check("b", Some(2));
    put(1, None);
    check("a", None);
    check("b", Some(2));
}
