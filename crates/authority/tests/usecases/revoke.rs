//! Revoking many at once, and oneself.

use claviger_authority::accounts::AccountPatch;
use claviger_authority::groups::GroupPatch;
use claviger_authority::keys::Revocation;
use claviger_core::{KeyId, Subject};

use super::support::*;

#[tokio::test]
async fn all_of_them_in_one_change_or_none() {
    let house = House::build().await;
    let (one, two) =
        (house.key(house.of_ada(), "a:read").await, house.key(house.notebook(), "notebook:read").await);
    let foreign = house.key(Subject::Account(house.bob), "a:read").await;
    let id = |key: &claviger_authority::keys::CreatedKey| key.key.record.entry.id;
    let revoke =
        async |ids: Vec<KeyId>| house.authority.revoke_keys(&house.ada(), Revocation::Keys(ids)).await;
    assert_eq!(code(revoke(vec![id(&one), id(&foreign)]).await), "not_found");
    assert_eq!(code(revoke(vec![id(&one), KeyId::from_bits(7)]).await), "not_found");
    assert_eq!(code(revoke(vec![]).await), "ids");
    assert_eq!(code(revoke((0..1_001).map(KeyId::from_bits).collect()).await), "ids");
    assert_eq!(house.whoami(one.secret.expose()).await, "ok");
    let changed = revoke(vec![id(&one), id(&two), id(&one)]).await.unwrap();
    assert_eq!((changed.value, changed.change.revokes), (2, true));
    for key in [&one, &two] {
        assert_eq!(house.whoami(key.secret.expose()).await, "invalid_key");
    }
    assert_eq!(house.whoami(foreign.secret.expose()).await, "ok");
    let rows = house.history("key:delete").await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().any(|row| &*row.subject == "notebook:a"));
}

#[tokio::test]
async fn everything_of_a_subject() {
    let house = House::build().await;
    let keys = [house.key(house.of_ada(), "a:read").await, house.key(house.of_ada(), "").await];
    let team = house.key(Subject::Team(house.team), "a:read").await;
    let revoke = async |caller: &claviger_authority::Caller, subject| {
        house.authority.revoke_keys(caller, Revocation::Subject(subject)).await
    };
    assert_eq!(code(revoke(&house.bob(), house.of_ada()).await), "not_found");
    assert_eq!(code(revoke(&house.with_key(keys[0].secret.expose()), house.of_ada()).await), "forbidden");
    assert_eq!(code(revoke(&house.operator(), Subject::Operator).await), "subject");
    assert_eq!(revoke(&house.ada(), house.of_ada()).await.unwrap().value, 2);
    for key in &keys {
        assert_eq!(house.whoami(key.secret.expose()).await, "invalid_key");
    }
    assert_eq!(house.whoami(team.secret.expose()).await, "ok");
    let again = revoke(&house.ada(), house.of_ada()).await.unwrap();
    assert_eq!((again.value, again.change.revokes), (0, true));
}

#[tokio::test]
async fn a_key_ends_itself_unless_it_stands_in_public_pages() {
    let house = House::build().await;
    let own = house.key(house.of_ada(), "").await;
    let public = house.key(house.notebook(), "notebook:read").await;
    let delete = async |text: &str| code(house.authority.delete_own_key(&house.with_key(text)).await);
    assert_eq!(delete(public.secret.expose()).await, "forbidden");
    assert_eq!(delete(own.secret.expose()).await, "ok");
    assert_eq!(delete(own.secret.expose()).await, "invalid_key");
    let id = public.key.record.entry.id;
    let many = Revocation::Keys(vec![id]);
    assert_eq!(
        code(house.authority.revoke_keys(&house.with_key(public.secret.expose()), many).await),
        "forbidden"
    );
    assert!(house.exists(id).await);
}

#[tokio::test]
async fn only_a_change_that_takes_something_away_is_answered_as_a_revocation() {
    let house = House::build().await;
    let name = |text: &str| claviger_core::name::Name::parse(text).unwrap();
    let closes = |closed| GroupPatch { closed: Some(closed), ..GroupPatch::default() };
    let renames = |text| GroupPatch { name: Some(name(text)), ..GroupPatch::default() };
    for (patch, expect) in [
        (renames("Den"), false),
        (closes(true), true),
        // Again: the change is not made, but the team is closed when the answer is there.
        (closes(true), true),
        (renames("Lab"), false),
        (closes(false), false),
    ] {
        let what = format!("{patch:?}");
        let changed = house.authority.update_group(&house.operator(), house.team, patch, None).await.unwrap();
        assert_eq!(changed.change.revokes, expect, "{what}");
    }
    let by = house.operator();
    let account =
        |closed, text: &str| AccountPatch { closed, name: Some(Some(name(text))), ..AccountPatch::default() };
    for (patch, expect) in [
        (account(Some(true), "Bob"), true),
        (account(None, "Robert"), false),
        (account(None, "Robert"), false),
        (account(Some(false), "Bob"), false),
    ] {
        let what = format!("{patch:?}");
        let changed = house.authority.update_account(&by, house.bob, patch, None).await.unwrap();
        assert_eq!(changed.change.revokes, expect, "{what}");
    }
}
