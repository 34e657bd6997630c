//! Resources.

use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::resource::{Owner, References, ResourceRecord, ResourceRef, Visibility};
use claviger_core::selector::Version;
use claviger_core::subject::Subject;
use claviger_core::time::Timestamp;
use claviger_store::{
    Conflict, Differences, HistoryFilter, OwnedSince, Page, ResourceFilter, Store, StoreError,
};

use super::support::*;

fn version(n: u32) -> Version {
    Version::new(n).unwrap()
}

fn references(n: u32, secrets: &[&str], databases: &[&str]) -> References {
    let names = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    References { version: version(n), secrets: names(secrets), databases: names(databases) }
}

fn reference(text: &str) -> ResourceRef {
    ResourceRef::parse(text).unwrap()
}

#[tokio::test]
async fn every_field_comes_back() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let mut record = resource("notebook:b");
    let states = [
        (
            Owner::Account(AccountId::from_bits(1)),
            Visibility::Private,
            vec![references(3, &["A", "b\""], &["db"])],
        ),
        (
            Owner::Team(TeamId::from_bits(1)),
            Visibility::Shared,
            vec![references(1, &[], &["db"]), references(3, &["A"], &[])],
        ),
        (Owner::Project(ProjectId::from_bits(1)), Visibility::Public, vec![references(1, &[], &["db"])]),
        (
            Owner::Team(TeamId::from_bits(1)),
            Visibility::PublicFrom { first: version(5), before_shared: true },
            vec![],
        ),
    ];
    for (revision, (owner, visibility, references)) in (1..).zip(states) {
        record.resource.owner = owner;
        record.resource.visibility = visibility;
        record.resource.references = references.into();
        record.resource.latest = version(u32::MAX);
        record.resource.creator = None;
        record.revision = revision;
        let expected = (revision > 1).then(|| revision - 1);
        store.put_resource(record.clone(), expected, audit("resource:put")).await.unwrap();
        assert_eq!(store.resource(record.resource.reference.clone()).await.unwrap().as_ref(), Some(&record));
        assert_eq!(fresh.seen.last().items, [ChangeItem::Resource(record.resource.clone())]);
        assert_eq!(fresh.loaded().await, fresh.seen.view());
    }
}

#[tokio::test]
async fn what_cannot_be_put() {
    let fresh = furnished().await;
    let put = async |record: ResourceRecord, expected| {
        fresh.store.put_resource(record, expected, audit("resource:put")).await.map(|_| ()).unwrap_err()
    };
    assert!(matches!(put(resource("notebook:a"), None).await, StoreError::Conflict(Conflict::Resource)));
    let second = || ResourceRecord { revision: 2, ..resource("notebook:a") };
    assert!(matches!(
        put(ResourceRecord { revision: 6, ..second() }, Some(5)).await,
        StoreError::Stale { current: 1 }
    ));
    assert!(matches!(
        put(ResourceRecord { revision: 2, ..resource("notebook:c") }, Some(1)).await,
        StoreError::NotFound
    ));
    for owner in [
        Owner::Account(AccountId::from_bits(9)),
        Owner::Team(TeamId::from_bits(9)),
        Owner::Project(ProjectId::from_bits(9)),
    ] {
        let mut record = resource("notebook:c");
        record.resource.owner = owner;
        assert!(matches!(put(record, None).await, StoreError::Missing(_)), "{owner:?}");
    }
    let mut record = resource("notebook:c");
    record.resource.creator = Some(AccountId::from_bits(9));
    assert!(matches!(put(record, None).await, StoreError::Missing(_)));
}

#[tokio::test]
async fn keys_go_with_their_resource_and_do_not_come_back() {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.put_resource(resource("notebook:ab"), None, audit("resource:put")).await.unwrap();
    for (n, subject) in [
        (1, resource_subject("notebook:a")),
        (2, resource_subject("notebook:a")),
        (3, resource_subject("notebook:ab")),
        (4, Subject::Account(AccountId::from_bits(1))),
    ] {
        store.create_key(key_of(n, subject), LIMIT, audit("key:create")).await.unwrap();
    }
    let delete = async |expected| {
        store.delete_resource(reference("notebook:a"), expected, audit("resource:delete")).await
    };
    assert!(matches!(delete(Some(2)).await, Err(StoreError::Stale { current: 1 })));
    let deleted = delete(Some(1)).await.unwrap();
    assert_eq!(deleted.value, 2);
    let mut gone = fresh.seen.last().items;
    assert_eq!(gone.remove(0), ChangeItem::ResourceGone(reference("notebook:a")));
    gone.sort_by_key(|item| if let ChangeItem::KeyGone(digest) = item { Some(*digest) } else { None });
    let mut expect = [key(1).digest, key(2).digest];
    expect.sort();
    assert_eq!(gone, expect.map(ChangeItem::KeyGone));
    assert!(matches!(delete(None).await, Err(StoreError::NotFound)));
    store.put_resource(resource("notebook:a"), None, audit("resource:put")).await.unwrap();
    assert_eq!(store.key_by_digest(key(1).digest).await.unwrap(), None);
    assert_eq!(fresh.loaded().await.keys.len(), 2);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

#[tokio::test]
async fn listing() {
    let fresh = furnished().await;
    let store = &fresh.store;
    for text in ["notebook:b", "note:z", "notebooks:a", "run:1"] {
        let mut record = resource(text);
        if text == "run:1" {
            record.resource.owner = Owner::Project(ProjectId::from_bits(1));
        }
        store.put_resource(record, None, audit("resource:put")).await.unwrap();
    }
    let list = async |filter, page| {
        let records = store.resources(filter, page).await.unwrap();
        records.iter().map(|record| record.resource.reference.to_string()).collect::<Vec<_>>()
    };
    let all = ResourceFilter::default;
    assert_eq!(list(all(), Page::first(2)).await, ["note:z", "notebook:a"]);
    assert_eq!(
        list(all(), Page::after(reference("notebook:a"), 9)).await,
        ["notebook:b", "notebooks:a", "run:1"]
    );
    let kind = ResourceFilter { kind: Some("notebook".to_owned()), ..all() };
    assert_eq!(list(kind, Page::first(9)).await, ["notebook:a", "notebook:b"]);
    let owner = ResourceFilter { owner: Some(Owner::Project(ProjectId::from_bits(1))), ..all() };
    assert_eq!(list(owner, Page::first(9)).await, ["run:1"]);
}

/// Every resource of a type, as a list that replaces them has seen it.
async fn seen_in(store: &Store) -> Vec<(ResourceRef, Timestamp, u64)> {
    let all = store.resources_of("notebook".to_owned()).await.unwrap();
    all.into_iter().map(|record| (record.resource.reference, record.created_at, record.revision)).collect()
}

#[tokio::test]
async fn a_whole_type_is_replaced_in_one_change() {
    let fresh = furnished().await;
    let store = &fresh.store;
    for text in ["note:z", "notebooks:a", "notebook:b", "notebook:c"] {
        store.put_resource(resource(text), None, audit("resource:put")).await.unwrap();
    }
    store.create_key(key_of(1, resource_subject("notebook:a")), LIMIT, audit("key:create")).await.unwrap();
    let mut changed = ResourceRecord { revision: 2, ..resource("notebook:b") };
    changed.resource.references = vec![references(1, &["A"], &[]), references(2, &[], &["db"])].into();
    let differences = Differences {
        kind: "notebook".to_owned(),
        seen: seen_in(store).await,
        put: vec![changed.clone(), resource("notebook:d")],
        delete: vec![reference("notebook:a"), reference("notebook:c")],
    };
    assert_eq!(store.keys_of_resources(differences.delete.clone()).await.unwrap(), 1);
    let before = store.sequence().await.unwrap();
    let done = store.reconcile_resources(differences.clone(), audit("resource:create")).await.unwrap();
    assert_eq!((done.value, done.sequence.0), (1, before.0 + 1));
    assert_eq!(store.resources_of("notebook".to_owned()).await.unwrap(), [changed, resource("notebook:d")]);
    assert_eq!(store.resources_of("note".to_owned()).await.unwrap(), [resource("note:z")]);
    assert_eq!(store.key_by_digest(key(1).digest).await.unwrap(), None);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
    // The same list again was made for another state.
    let again = store.reconcile_resources(differences, audit("resource:create")).await;
    assert!(matches!(again, Err(StoreError::Stale { .. })));
}

#[tokio::test]
async fn what_came_meanwhile_is_not_overwritten() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let put = async |record: ResourceRecord| {
        let expected = (record.revision > 1).then(|| record.revision - 1);
        store.put_resource(record, expected, audit("resource:put")).await.unwrap();
    };
    put(resource("notebook:b")).await;
    for (n, meanwhile) in ["created", "updated", "deleted", "made anew"].into_iter().enumerate() {
        let seen = seen_in(store).await;
        match meanwhile {
            "created" => put(resource("notebook:new")).await,
            "updated" => put(ResourceRecord { revision: 2, ..resource("notebook:new") }).await,
            gone => {
                store.delete_resource(reference("notebook:b"), None, audit("resource:delete")).await.unwrap();
                if gone == "made anew" {
                    let created_at = Timestamp::from_millis(NOW.millis() + 1);
                    put(ResourceRecord { created_at, updated_at: created_at, ..resource("notebook:b") })
                        .await;
                }
            }
        }
        let differences = Differences {
            kind: "notebook".to_owned(),
            seen,
            put: vec![resource(&format!("notebook:list-{n}"))],
            delete: vec![],
        };
        let refused = store.reconcile_resources(differences, audit("resource:create")).await;
        assert!(matches!(refused, Err(StoreError::Stale { .. })), "{meanwhile}");
        if meanwhile == "deleted" {
            put(resource("notebook:b")).await;
        }
    }
    // A owner that does not exist undoes all of it.
    let mut orphan = resource("notebook:orphan");
    orphan.resource.owner = Owner::Account(AccountId::from_bits(9));
    let differences = Differences {
        kind: "notebook".to_owned(),
        seen: seen_in(store).await,
        put: vec![resource("notebook:fine"), orphan],
        delete: vec![reference("notebook:a")],
    };
    let refused = store.reconcile_resources(differences, audit("resource:create")).await;
    assert!(matches!(refused, Err(StoreError::Missing(_))));
    assert!(store.resource(reference("notebook:a")).await.unwrap().is_some());
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

/// A change of many thousand records is one line of the journal, whose end is read again at each start.
#[tokio::test]
async fn a_store_opens_after_a_long_change() {
    let fresh = furnished().await;
    let count = 5_000;
    let differences = Differences {
        kind: "notebook".to_owned(),
        seen: seen_in(&fresh.store).await,
        put: (0..count).map(|n| resource(&format!("notebook:{n:05}"))).collect(),
        delete: vec![reference("notebook:a")],
    };
    let done = fresh.store.reconcile_resources(differences, audit("resource:create")).await.unwrap();
    let fresh = fresh.reopened().await;
    assert_eq!(fresh.store.sequence().await.unwrap(), done.sequence);
    assert_eq!(fresh.loaded().await.resources.len(), count);
    assert_eq!(fresh.store.change(done.id).await.unwrap(), Some(done.sequence));
    let again = fresh
        .store
        .delete_resource(reference("notebook:00007"), None, audit("resource:delete"))
        .await
        .unwrap();
    assert_eq!(again.sequence.0, done.sequence.0 + 1);
}

#[tokio::test]
async fn a_resource_knows_since_when_it_is_owned() {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_account(account(2), audit("account:create")).await.unwrap();
    let reference = ResourceRef::parse("notebook:b").unwrap();
    let owned = async || store.owned_since(reference.clone()).await.unwrap();
    let rows = async || {
        let last = store.history(HistoryFilter::default(), Page::first(1)).await.unwrap();
        last.first().map_or(0, |(row, _)| *row)
    };
    assert_eq!(owned().await, None);
    let before = rows().await;
    let first = resource("notebook:b");
    store.put_resource(first.clone(), None, audit("resource:create")).await.unwrap();
    assert_eq!(owned().await, Some(OwnedSince { after_row: before, at: first.updated_at }));
    // Changed, but not handed over.
    let shown = |revision, visibility| {
        let updated_at = Timestamp::from_millis(NOW.millis() + 5);
        let mut next = ResourceRecord { revision, updated_at, ..first.clone() };
        next.resource.visibility = visibility;
        next
    };
    store.put_resource(shown(2, Visibility::Public), Some(1), audit("resource:update")).await.unwrap();
    assert_eq!(owned().await.unwrap().after_row, before);
    let handing = rows().await;
    let mut next = shown(3, Visibility::Private);
    next.resource.owner = Owner::Account(AccountId::from_bits(2));
    store.put_resource(next.clone(), Some(2), audit("resource:update")).await.unwrap();
    let handed = owned().await.unwrap();
    assert_eq!(handed, OwnedSince { after_row: handing, at: next.updated_at });
    let filter = HistoryFilter { owned: Some(handed), ..HistoryFilter::default() };
    let seen = store.history(filter, Page::first(9)).await.unwrap();
    assert!(seen.iter().all(|(row, _)| *row > handing), "nothing from before");
    // Deleted and made again.
    store.delete_resource(reference.clone(), None, audit("resource:delete")).await.unwrap();
    let between = rows().await;
    store.put_resource(first, None, audit("resource:create")).await.unwrap();
    assert_eq!(owned().await.unwrap().after_row, between);
}
