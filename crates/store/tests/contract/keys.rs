//! Keys.

use claviger_core::Kind;
use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::{Actor, CreatedVia, Digest, KeyPatch, KeyRecord, Metadata};
use claviger_core::lifecycle::{Standing, Status};
use claviger_core::resource::ResourceRef;
use claviger_core::restriction::{Quota, QuotaPeriod, Rate, Restrictions, WebOrigin, parse_block};
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector};
use claviger_core::subject::Subject;
use claviger_core::time::Timestamp;
use claviger_store::{Conflict, HistoryFilter, KeyFilter, Limited, Page, Staged, Store, StoreError, Taken};

use super::support::*;

async fn create(store: &Store, key: KeyRecord) {
    store.create_key(key, LIMIT, audit("key:create")).await.unwrap();
}

/// The numbers of the keys listed.
async fn listed(store: &Store, filter: KeyFilter) -> Vec<u128> {
    let keys = store.keys(filter, Page::first(100)).await.unwrap();
    keys.iter().map(|key| key.record.entry.id.bits()).collect()
}

#[tokio::test]
async fn every_field_comes_back() {
    let fresh = furnished().await;
    let rich = |n, subject| {
        let mut key = key_of(n, subject);
        key.entry.status = Status::Disabled;
        key.entry.rights.scopes = ScopeSet::parse(["a:read", "*:write"]).unwrap();
        key.entry.rights.expires_at = Some(seconds(60));
        key.entry.rights.restrictions = Restrictions {
            addresses: Some(
                [parse_block("192.0.2.0/24").unwrap(), parse_block("2001:db8::1").unwrap()].into(),
            ),
            origins: Some([WebOrigin::parse("https://example.org").unwrap()].into()),
            rate: Some(Rate { limit: 5, period_seconds: 60 }),
            quota: Some(Quota { limit: 1_000, period: QuotaPeriod::Month }),
        };
        key.created_by = Actor::Account(AccountId::from_bits(1));
        key.created_via = CreatedVia::App("my\"app".into());
        key.replaces = Some(KeyId::from_bits(9));
        key.metadata =
            Metadata::new([("tier".into(), "gold \"é\"".into()), ("a".into(), String::new())]).unwrap();
        key.format = None;
        key
    };
    let mut nothing = key_of(6, resource_subject("notebook:a"));
    let Subject::Resource(subject) = &mut nothing.entry.rights.subject else { unreachable!() };
    (subject.selector, subject.grants) = (Selector::Any, Grants::default());
    nothing.entry.rights.scopes = ScopeSet::default();
    let empty = Restrictions {
        addresses: Some(Box::default()),
        origins: Some(Box::default()),
        ..Restrictions::default()
    };
    nothing.entry.rights.restrictions = empty;
    let keys = [
        rich(1, Subject::Account(AccountId::from_bits(1))),
        rich(2, Subject::Team(TeamId::from_bits(1))),
        rich(3, Subject::Project(ProjectId::from_bits(1))),
        rich(4, resource_subject("notebook:a")),
        rich(5, Subject::Operator),
        nothing,
    ];
    for key in keys {
        let id = key.entry.id;
        create(&fresh.store, key.clone()).await;
        let stored = fresh.store.key(id).await.unwrap().unwrap();
        assert_eq!((&stored.record, stored.last_used_at, stored.last_used_from), (&key, None, None));
        assert_eq!(fresh.store.key_by_digest(key.digest).await.unwrap().unwrap(), stored);
        assert_eq!(fresh.seen.last().items, [ChangeItem::Key(key.digest, key.entry)]);
    }
    assert_eq!(fresh.loaded().await, fresh.seen.view());
    assert_eq!(fresh.store.key(KeyId::from_bits(77)).await.unwrap(), None);
    assert_eq!(fresh.store.key_by_digest(Digest::of("no")).await.unwrap(), None);
}

#[tokio::test]
async fn a_digest_that_shares_its_first_128_bits_is_refused() {
    let fresh = furnished().await;
    create(&fresh.store, key(1)).await;
    let mut bytes = *key(1).digest.as_bytes();
    bytes[16..].fill(0xff);
    let twin = KeyRecord { digest: Digest::from_bytes(bytes), ..key(2) };
    let error = fresh.store.create_key(twin, LIMIT, audit("key:create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(Conflict::Digest)), "{error}");
    bytes[..16].fill(0xff);
    create(&fresh.store, KeyRecord { digest: Digest::from_bytes(bytes), ..key(2) }).await;
    let same_id = KeyRecord { digest: Digest::of("other"), ..key(1) };
    let error = fresh.store.create_key(same_id, LIMIT, audit("key:create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(Conflict::Id)), "{error}");
}

#[tokio::test]
async fn a_key_of_nothing_is_refused() {
    let fresh = furnished().await;
    let check = async |subject: Subject| {
        let expect = subject.to_string();
        let error = fresh.store.create_key(key_of(1, subject), LIMIT, audit("key:create")).await.unwrap_err();
        assert!(matches!(&error, StoreError::Missing(what) if *what == expect), "{error}");
    };
    check(Subject::Account(AccountId::from_bits(2))).await;
    check(Subject::Team(TeamId::from_bits(2))).await;
    check(Subject::Project(ProjectId::from_bits(2))).await;
    check(resource_subject("notebook:b")).await;
    assert_eq!(fresh.seen.changes().len(), 4, "a refusal is no change");
}

#[tokio::test]
async fn the_limit_counts_every_key_of_one_authority() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let create = async |key| store.create_key(key, 2, audit("key:create")).await.map(|_| ());
    let mut expired = key(1);
    expired.entry.rights.expires_at = Some(seconds(0));
    create(expired).await.unwrap();
    create(key(2)).await.unwrap();
    let error = create(key(3)).await.unwrap_err();
    assert!(matches!(error, StoreError::Limit { what: Limited::Keys, limit: 2 }), "{error}");
    create(key_of(5, Subject::Team(TeamId::from_bits(1)))).await.unwrap();
    // A rotation adds a key that is listed, too; how far beyond the limit it may go is for the caller to say.
    let rotate = async |old: KeyRecord, new, limit| {
        store.rotate_key(old, 1, new, limit, audit("key:rotate")).await.map(|_| ())
    };
    let error = rotate(KeyRecord { revision: 2, ..key(2) }, key(6), 2).await.unwrap_err();
    assert!(matches!(error, StoreError::Limit { .. }), "{error}");
    let kept = store.key(KeyId::from_bits(2)).await.unwrap().unwrap();
    assert_eq!(kept.record.revision, 1, "nothing of it stays");
    rotate(KeyRecord { revision: 2, ..key(2) }, key(6), 3).await.unwrap();
    let error = rotate(KeyRecord { revision: 2, ..key(6) }, key(7), 3).await.unwrap_err();
    assert!(matches!(error, StoreError::Limit { .. }), "{error}");
    // What is deleted makes room.
    for n in [1, 2] {
        store.delete_key(KeyId::from_bits(n), None, audit("key:delete")).await.unwrap();
    }
    create(key(8)).await.unwrap();
    create(key(9)).await.unwrap_err();
}

#[tokio::test]
async fn a_deleted_key_never_comes_back() {
    let fresh = furnished().await;
    let store = &fresh.store;
    for n in 1..5 {
        let mut record = key(n);
        record.entry.rights.expires_at = Some(seconds(0));
        store.create_key(record, LIMIT, audit("key:create")).await.unwrap();
    }
    store.create_key(key_of(9, resource_subject("notebook:a")), LIMIT, audit("key:create")).await.unwrap();
    // By every way in which a key can go.
    let of_key = |n: u128| key(n).entry.rights.subject.to_string();
    store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    store.delete_keys(vec![KeyId::from_bits(2)], audit("key:delete")).await.unwrap();
    store.purge_expired_keys(seconds(1), 1, TASK, entry("key:purge")).await.unwrap();
    store.delete_keys_of(of_key(1), audit("key:delete")).await.unwrap();
    let notebook = ResourceRef::parse("notebook:a").unwrap();
    store.delete_resource(notebook, None, audit("resource:delete")).await.unwrap();
    let gone = [1, 2, 3, 4, 9].map(key);
    for (n, record) in (100..).zip(&gone) {
        let other = KeyRecord { digest: record.digest, ..key(n) };
        let error = store.create_key(other, LIMIT, audit("key:create")).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(Conflict::DeletedKey)), "{error}");
    }
    let import = store.open_import(NOW, Actor::System, PERMIT).await.unwrap();
    let rows = gone.iter().map(|record| KeyRecord { digest: record.digest, ..key(200) }).collect();
    assert_eq!(store.stage_keys(import, rows, None, PERMIT).await.unwrap(), [Staged::Deleted; 5]);
    let taken = store.digests_taken(gone.iter().map(|record| record.digest).collect()).await.unwrap();
    assert_eq!(taken, [Some(Taken::Deleted); 5]);
    // What was only staged was never a key, and may be staged again.
    let staged = async |import| store.stage_keys(import, vec![key(300)], None, PERMIT).await.unwrap();
    assert_eq!(staged(import).await, [Staged::Staged]);
    store.delete_keys_of(of_key(300), audit("key:delete")).await.unwrap();
    assert_eq!(staged(import).await, [Staged::Staged]);
    while !store.abandon_import(import, 100, PERMIT).await.unwrap() {}
    let again = store.open_import(NOW, Actor::System, PERMIT).await.unwrap();
    assert_eq!(staged(again).await, [Staged::Staged]);
    let fresh = fresh.reopened().await;
    let error = fresh.store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(Conflict::DeletedKey)), "{error}");
}

#[tokio::test]
async fn updates_are_made_at_a_revision() {
    let fresh = furnished().await;
    create(&fresh.store, key(1)).await;
    let disable = KeyPatch { status: Some(Status::Disabled), name: Some(name("Old")), ..KeyPatch::default() };
    let (next, _) = key(1).patched(disable, NOW).unwrap();
    let update = async |next: &KeyRecord, expected| {
        fresh
            .store
            .update_key(next.clone(), expected, audit("key:update"))
            .await
            .map(|committed| committed.sequence)
    };
    let sequence = update(&next, 1).await.unwrap();
    assert_eq!(fresh.seen.last().sequence, sequence);
    assert_eq!(fresh.seen.last().items, [ChangeItem::Key(next.digest, next.entry.clone())]);
    assert_eq!(fresh.store.key(next.entry.id).await.unwrap().unwrap().record, next);
    assert!(matches!(update(&next, 1).await, Err(StoreError::Stale { current: 2 })));
    assert!(matches!(update(&next, 3).await, Err(StoreError::Stale { current: 2 })));
    assert!(matches!(update(&next, 2).await, Err(StoreError::Inconsistent { table: "keys", .. })));
    let moved = KeyRecord { revision: 3, ..key_of(1, Subject::Operator) };
    assert!(matches!(update(&moved, 2).await, Err(StoreError::Inconsistent { table: "keys", .. })));
    let gone = KeyRecord { revision: 2, ..key(9) };
    assert!(matches!(update(&gone, 1).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn rotating_is_one_change_with_both_keys() {
    let fresh = furnished().await;
    create(&fresh.store, key(1)).await;
    let patch = KeyPatch { expires_at: Some(Some(seconds(60))), ..KeyPatch::default() };
    let (old, _) = key(1).patched(patch, NOW).unwrap();
    let new = KeyRecord { replaces: Some(old.entry.id), ..key(2) };
    let stale =
        fresh.store.rotate_key(old.clone(), 7, new.clone(), LIMIT, audit("key:rotate")).await.unwrap_err();
    assert!(matches!(stale, StoreError::Stale { current: 1 }), "{stale}");
    let twin = KeyRecord { digest: old.digest, ..new.clone() };
    let taken = fresh.store.rotate_key(old.clone(), 1, twin, LIMIT, audit("key:rotate")).await.unwrap_err();
    assert!(matches!(taken, StoreError::Conflict(Conflict::Digest)), "{taken}");
    let committed =
        fresh.store.rotate_key(old.clone(), 1, new.clone(), LIMIT, audit("key:rotate")).await.unwrap();
    let change = fresh.seen.last();
    assert_eq!((change.sequence, change.id), (committed.sequence, committed.id));
    let both = [ChangeItem::Key(old.digest, old.entry), ChangeItem::Key(new.digest, new.entry.clone())];
    assert_eq!(change.items, both);
    assert_eq!(fresh.store.key(new.entry.id).await.unwrap().unwrap().record, new);
}

#[tokio::test]
async fn deleting() {
    let fresh = furnished().await;
    let store = &fresh.store;
    for n in 1..=6 {
        create(store, key(n)).await;
    }
    let id = KeyId::from_bits;
    let delete = async |n, revision| store.delete_key(id(n), revision, audit("key:delete")).await.map(|_| ());
    assert!(matches!(delete(1, Some(2)).await, Err(StoreError::Stale { current: 1 })));
    delete(1, Some(1)).await.unwrap();
    assert_eq!(fresh.seen.last().items, [ChangeItem::KeyGone(key(1).digest)]);
    assert!(matches!(delete(1, None).await, Err(StoreError::NotFound)));
    delete(2, None).await.unwrap();
    let many = store.delete_keys(vec![id(1), id(3), id(3), id(4)], audit("key:delete")).await.unwrap();
    assert_eq!(many.value, 2);
    assert_eq!(fresh.seen.last().items, [3, 4].map(|n| ChangeItem::KeyGone(key(n).digest)));
    let again = store.delete_keys(vec![id(3)], audit("key:delete")).await.unwrap();
    assert_eq!((again.value, again.sequence.0), (0, many.sequence.0 + 1));
    let subject = key(1).entry.rights.subject.to_string();
    assert_eq!(store.delete_keys_of(subject.clone(), audit("key:delete")).await.unwrap().value, 2);
    assert_eq!(store.delete_keys_of(subject, audit("key:delete")).await.unwrap().value, 0);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
    assert!(fresh.loaded().await.keys.is_empty());
}

#[tokio::test]
async fn purging_takes_the_longest_expired_first_and_leaves_no_trace_of_nothing() {
    let fresh = furnished().await;
    for n in 1..=4_i64 {
        let mut key = key(n.cast_unsigned().into());
        key.entry.rights.expires_at = Some(seconds(10 * n));
        create(&fresh.store, key).await;
    }
    create(&fresh.store, key(5)).await;
    let purge = async |before, max| {
        fresh.store.purge_expired_keys(seconds(before), max, TASK, entry("key:purge")).await.unwrap()
    };
    let first = purge(30, 1).await;
    assert_eq!((first.value, fresh.seen.last().items), (1, vec![ChangeItem::KeyGone(key(1).digest)]));
    assert_eq!(purge(30, 10).await.value, 1, "the one that expires at 30 stays");
    let latest = fresh.seen.last();
    let none = purge(30, 10).await;
    assert_eq!((none.value, none.sequence, none.id), (0, latest.sequence, latest.id));
    assert_eq!(fresh.seen.changes().last(), Some(&latest));
    let filter = HistoryFilter { action: Some("key:purge".into()), ..HistoryFilter::default() };
    assert_eq!(fresh.store.history(filter, Page::first(10)).await.unwrap().len(), 2);
    assert_eq!(listed(&fresh.store, KeyFilter::default()).await, [5, 4, 3]);
}

#[tokio::test]
async fn an_operator_key_is_installed_once() {
    let fresh = fresh().await;
    let install = async |n| {
        let key = key_of(n, Subject::Operator);
        fresh.store.install_operator_key(key, audit("key:create")).await.unwrap()
    };
    assert!(install(1).await.value);
    let again = install(2).await;
    assert_eq!((again.value, again.sequence), (false, fresh.seen.last().sequence));
    fresh.store.delete_key(KeyId::from_bits(1), None, audit("key:delete")).await.unwrap();
    assert!(!install(3).await.value, "not even after it is gone");
    assert_eq!(fresh.seen.changes().len(), 2);
    assert!(fresh.loaded().await.keys.is_empty());
}

/// The last state of a key that is replaced by another one, and that one.
fn replaced(mut old: KeyRecord, n: u128) -> (KeyRecord, KeyRecord) {
    let new = KeyRecord { replaces: Some(old.entry.id), ..key(n) };
    old.entry.status = Status::Retired;
    old.revision += 1;
    (old, new)
}

#[tokio::test]
async fn a_retired_key_is_read_as_one_and_stays_one() {
    let fresh = furnished().await;
    let store = &fresh.store;
    create(store, key(1)).await;
    let (old, new) = replaced(key(1), 2);
    store.rotate_key(old.clone(), 1, new, 9, audit("key:rotate")).await.unwrap();
    let stored = async || store.key(KeyId::from_bits(1)).await.unwrap().unwrap().record;
    assert_eq!(stored().await, old);
    assert_eq!(fresh.loaded().await.keys[&old.digest].status, Status::Retired);
    let standing = |standing| KeyFilter { standing: Some((standing, NOW)), ..KeyFilter::default() };
    assert_eq!(listed(store, standing(Standing::Retired)).await, [1]);
    assert_eq!(listed(store, standing(Standing::Active)).await, [2]);
    assert_eq!(listed(store, standing(Standing::Disabled)).await, [0; 0]);
    // Whatever somebody writes later.
    let mut revived = old.clone();
    (revived.entry.status, revived.revision) = (Status::Active, 3);
    store.update_key(revived, 2, audit("key:update")).await.unwrap();
    assert_eq!(stored().await.entry.status, Status::Retired);
    let purge =
        async |before| store.purge_expired_keys(before, 9, TASK, entry("key:purge")).await.unwrap().value;
    assert_eq!((purge(seconds(0)).await, purge(seconds(1)).await), (0, 1));
    assert_eq!(listed(store, KeyFilter::default()).await, [2]);
}

#[tokio::test]
async fn one_key_lives_in_the_place_of_another() {
    let fresh = furnished().await;
    let store = &fresh.store;
    create(store, key(1)).await;
    let rotate = async |old: u128, revision: u64, n: u128| {
        let mut next = store.key(KeyId::from_bits(old)).await.unwrap().unwrap().record;
        next.revision = revision + 1;
        let new = KeyRecord { replaces: Some(next.entry.id), ..key(n) };
        store.rotate_key(next, revision, new, 99, audit("key:rotate")).await.map(|_| ())
    };
    rotate(1, 1, 2).await.unwrap();
    let successor = |error| match error {
        Err(StoreError::Replaced { successor }) => successor.bits(),
        other => panic!("{other:?}"),
    };
    assert_eq!(successor(rotate(1, 2, 3).await), 2);
    rotate(2, 1, 3).await.unwrap();
    assert_eq!(successor(rotate(2, 2, 4).await), 3);
    store.delete_key(KeyId::from_bits(2), None, audit("key:delete")).await.unwrap();
    rotate(1, 2, 4).await.unwrap();
    let expire = KeyPatch { expires_at: Some(Some(seconds(1))), ..KeyPatch::default() };
    let before = store.key(KeyId::from_bits(4)).await.unwrap().unwrap().record;
    let (mut next, _) = before.patched(expire, NOW).unwrap();
    next.entry.rights.expires_at = Some(seconds(0));
    store.update_key(next, 1, audit("key:update")).await.unwrap();
    rotate(1, 3, 5).await.expect("an expired one is not in the way");
}

#[tokio::test]
async fn listing() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let mut expired = key(2);
    expired.entry.rights.expires_at = Some(seconds(0));
    expired.entry.status = Status::Disabled;
    let mut disabled = key_of(3, Subject::Team(TeamId::from_bits(1)));
    disabled.entry.status = Status::Disabled;
    disabled.created_by = Actor::Account(AccountId::from_bits(1));
    for key in [key(1), expired, disabled, key_of(4, Subject::Operator)] {
        create(store, key).await;
    }
    let none = KeyFilter::default;
    let check = async |filter: KeyFilter, expect: &[u128]| {
        let shown = format!("{filter:?}");
        assert_eq!(listed(store, filter).await, expect, "{shown}");
    };
    let texts = |subjects: &[&Subject]| Some(subjects.iter().map(ToString::to_string).collect());
    let (account, team) = (Subject::Account(AccountId::from_bits(1)), Subject::Team(TeamId::from_bits(1)));
    check(none(), &[4, 3, 2, 1]).await;
    check(KeyFilter { subjects: Some(vec![]), ..none() }, &[]).await;
    check(KeyFilter { subjects: texts(&[&account]), ..none() }, &[2, 1]).await;
    check(KeyFilter { subjects: texts(&[&team, &account]), ..none() }, &[3, 2, 1]).await;
    check(KeyFilter { kind: Some(Kind::Operator), ..none() }, &[4]).await;
    check(KeyFilter { kind: Some(Kind::Team), ..none() }, &[3]).await;
    let before = Timestamp::from_millis(NOW.millis() - 1);
    check(KeyFilter { standing: Some((Standing::Active, NOW)), ..none() }, &[4, 1]).await;
    check(KeyFilter { standing: Some((Standing::Disabled, NOW)), ..none() }, &[3]).await;
    check(KeyFilter { standing: Some((Standing::Expired, NOW)), ..none() }, &[2]).await;
    check(KeyFilter { standing: Some((Standing::Disabled, before)), ..none() }, &[3, 2]).await;
    check(KeyFilter { standing: Some((Standing::Retired, NOW)), ..none() }, &[]).await;
    check(KeyFilter { created_by: Some(Actor::Account(AccountId::from_bits(1))), ..none() }, &[3]).await;
    let pages = [Page::first(3), Page::after(KeyId::from_bits(2), 3)];
    let mut paged = Vec::new();
    for page in pages {
        paged.extend(store.keys(none(), page).await.unwrap().iter().map(|key| key.record.entry.id.bits()));
    }
    assert_eq!(paged, [4, 3, 2, 1]);
}

#[tokio::test]
async fn last_use_only_moves_forward() {
    let fresh = furnished().await;
    let store = &fresh.store;
    create(store, key(1)).await;
    create(store, key(2)).await;
    let at = |millis| Timestamp::from_millis(NOW.millis() + millis);
    let (one, from) = (KeyId::from_bits(1), "2001:db8::7".parse().ok());
    let latest = store.sequence().await.unwrap();
    store
        .record_last_used(vec![(one, at(50), from), (KeyId::from_bits(99), at(50), None)], TASK)
        .await
        .unwrap();
    store.record_last_used(vec![(one, at(40), None)], TASK).await.unwrap();
    let stored = store.key(one).await.unwrap().unwrap();
    assert_eq!((stored.last_used_at, stored.last_used_from), (Some(at(50)), from));
    assert_eq!(store.sequence().await.unwrap(), latest, "verification does not read it");
    let unused = |since| KeyFilter { unused_since: Some(since), ..KeyFilter::default() };
    assert_eq!(listed(store, unused(at(50))).await, [2]);
    assert_eq!(listed(store, unused(at(51))).await, [2, 1]);
    assert_eq!(listed(store, unused(NOW)).await, [0; 0], "a key that was just made is not a forgotten one");
    store.delete_key(one, None, audit("key:delete")).await.unwrap();
    create(store, KeyRecord { digest: Digest::of("another text"), ..key(1) }).await;
    assert_eq!(store.key(one).await.unwrap().unwrap().last_used_at, None);
}
