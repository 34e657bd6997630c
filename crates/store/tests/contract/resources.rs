//! Resources.

use claviger_core::authority::Authority;
use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::resource::{Holder, References, ResourceRecord, ResourceRef, Visibility};
use claviger_core::selector::Version;
use claviger_store::{Conflict, Page, ResourceFilter, StoreError};

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
            Holder::Account(AccountId::from_bits(1)),
            Visibility::Private,
            vec![references(3, &["A", "b\""], &["db"])],
        ),
        (
            Holder::Team(TeamId::from_bits(1)),
            Visibility::Shared,
            vec![references(1, &[], &["db"]), references(3, &["A"], &[])],
        ),
        (Holder::Project(ProjectId::from_bits(1)), Visibility::Public, vec![references(1, &[], &["db"])]),
        (
            Holder::Team(TeamId::from_bits(1)),
            Visibility::PublicFrom { first: version(5), before_shared: true },
            vec![],
        ),
    ];
    for (revision, (holder, visibility, references)) in (1..).zip(states) {
        record.resource.holder = holder;
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
    for holder in [
        Holder::Account(AccountId::from_bits(9)),
        Holder::Team(TeamId::from_bits(9)),
        Holder::Project(ProjectId::from_bits(9)),
    ] {
        let mut record = resource("notebook:c");
        record.resource.holder = holder;
        assert!(matches!(put(record, None).await, StoreError::Missing(_)), "{holder:?}");
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
    for (n, authority) in [
        (1, resource_authority("notebook:a")),
        (2, resource_authority("notebook:a")),
        (3, resource_authority("notebook:ab")),
        (4, Authority::Account(AccountId::from_bits(1))),
    ] {
        store.create_key(key_of(n, authority), LIMIT, audit("key:create")).await.unwrap();
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
            record.resource.holder = Holder::Project(ProjectId::from_bits(1));
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
    let holder = ResourceFilter { holder: Some(Holder::Project(ProjectId::from_bits(1))), ..all() };
    assert_eq!(list(holder, Page::first(9)).await, ["run:1"]);
}
