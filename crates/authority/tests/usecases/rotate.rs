//! Rotation.

use claviger_core::key::KeyPatch;
use claviger_core::lifecycle::Status;
use claviger_core::{KeyId, UnixSeconds};

use super::support::*;

#[tokio::test]
async fn without_an_overlap_the_old_key_is_refused_at_once() {
    let house = House::build().await;
    let old = house.key(house.of_ada(), "notebook:read").await;
    let id = old.key.record.entry.id;
    let changed = house.authority.rotate_key(&house.ada(), id, 0, Some(1), None).await.unwrap();
    assert!(changed.change.revokes && changed.change.id.is_some());
    assert_eq!(house.whoami(old.secret.expose()).await, "key_expired");
    let new = changed.value;
    assert_eq!(house.whoami(new.secret.expose()).await, "ok");
    let (before, after) = (&old.key.record, &new.key.record);
    assert_eq!(after.replaces, Some(id));
    assert_eq!((&after.entry.rights, &after.name), (&before.entry.rights, &before.name));
    assert_ne!((after.entry.id, after.digest), (id, before.digest));
    assert_eq!((&after.metadata, &after.format, after.revision), (&before.metadata, &before.format, 1));
    let row = &house.history("key:rotate").await[0];
    assert_eq!(&*row.target, format!("key:{id}"));
    assert!(row.detail.contains(&after.entry.id.to_string()));
    assert_eq!(code(house.authority.rotate_key(&house.ada(), id, 0, None, None).await), "key_not_active");
}

#[tokio::test]
async fn with_an_overlap_both_work_until_the_second() {
    let house = House::build().await;
    let old = house.key(house.of_ada(), "notebook:read").await;
    let id = old.key.record.entry.id;
    let changed = house.authority.rotate_key(&house.ada(), id, 60, None, None).await.unwrap();
    assert!(changed.change.revokes, "the old one ends earlier than it would have");
    let end = house.seconds_from_now(60).start().millis();
    house.pass(end - 1 - START);
    assert_eq!(house.whoami(old.secret.expose()).await, "ok");
    house.pass(1);
    assert_eq!(house.whoami(old.secret.expose()).await, "key_expired");
    assert_eq!(house.whoami(changed.value.secret.expose()).await, "ok");
    let too_long = house.authority.rotate_key(&house.ada(), id, u64::MAX, None, None).await;
    assert_eq!(code(too_long), "overlap_seconds");
}

#[tokio::test]
async fn an_earlier_date_of_its_own_stays() {
    let house = House::build().await;
    let mut new = house.new_key(house.of_ada(), "notebook:read");
    new.expires_at = Some(house.seconds_from_now(30));
    let old = house.authority.create_key(&house.ada(), new).await.unwrap().value.key.record;
    let changed = house.authority.rotate_key(&house.ada(), old.entry.id, 60, None, None).await.unwrap();
    assert!(!changed.change.revokes);
    let expires = |record: &claviger_core::key::KeyRecord| record.entry.rights.expires_at;
    assert_eq!(expires(&changed.value.key.record), expires(&old));
    let stored = house.authority.key(&house.ada(), old.entry.id).await.unwrap();
    assert_eq!(expires(&stored.record), expires(&old));
}

#[tokio::test]
async fn only_active_keys_at_the_revision_seen() {
    let house = House::build().await;
    let key = house.key(house.of_ada(), "notebook:read").await.key.record;
    let rotate = async |revision| {
        code(house.authority.rotate_key(&house.ada(), key.entry.id, 0, revision, None).await)
    };
    assert_eq!(rotate(Some(7)).await, "stale");
    let disable = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), key.entry.id, disable, None).await.unwrap();
    assert_eq!(rotate(None).await, "key_not_active");
    assert_eq!(
        code(house.authority.rotate_key(&house.ada(), KeyId::from_bits(1), 0, None, None).await),
        "not_found"
    );
}

/// Whoever wins a secret must hold at least its rights.
#[tokio::test]
async fn nobody_wins_more_than_it_has() {
    let house = House::build().await;
    let wide = house.key(house.of_ada(), "*:*").await.key.record.entry.id;
    let narrow = house.key(house.of_ada(), "notebook:read").await.key.record.entry.id;
    let mut brief = house.new_key(house.of_ada(), "notebook:read key:create key:update");
    brief.expires_at = UnixSeconds::new(house.authority.now().seconds().get() + 100);
    let brief = house.authority.create_key(&house.ada(), brief).await.unwrap().value;
    let manager = house.key(house.of_ada(), "notebook:read key:create key:update").await;
    let creator = house.key(house.of_ada(), "notebook:read key:create").await;
    let check = async |caller: &claviger_authority::Caller, id, expect: &str| {
        assert_eq!(code(house.authority.rotate_key(caller, id, 0, None, None).await), expect);
    };
    check(&house.bob(), narrow, "not_found").await;
    check(&house.with_key(creator.secret.expose()), narrow, "forbidden").await;
    check(&house.with_key(manager.secret.expose()), wide, "forbidden").await;
    check(&house.with_key(brief.secret.expose()), narrow, "forbidden").await;
    assert_eq!(
        house.authority.key(&house.ada(), wide).await.unwrap().record.revision,
        1,
        "and nothing was changed"
    );
    check(&house.with_key(manager.secret.expose()), narrow, "ok").await;
    // Itself, too.
    check(&house.with_key(manager.secret.expose()), manager.key.record.entry.id, "ok").await;
    assert_eq!(house.whoami(manager.secret.expose()).await, "key_expired");
    check(&house.operator(), wide, "ok").await;
}
