//! Limits of the use cases, reached.

use claviger_authority::settings::{KindDefaults, Settings};
use claviger_core::decide::Policy;
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::{Actor, KeyPatch};
use claviger_core::{Authority as KeyAuthority, KeyId, Kind};

use super::support::*;

#[tokio::test]
async fn unexpired_keys_of_one_authority() {
    let house = House::with(Settings { keys_per_authority_max: 2, ..Settings::default() }).await;
    let create = async |authority: KeyAuthority, seconds: Option<u64>| {
        let mut new = house.new_key(authority, "a:read");
        new.expires_at = seconds.map(|seconds| house.seconds_from_now(seconds));
        house.authority.create_key(&house.ada(), new).await.map(|made| made.value.key.record.entry.id)
    };
    let first = create(house.of_ada(), None).await.unwrap();
    create(house.of_ada(), Some(60)).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
    // Other authorities count by themselves: a resource of hers, and whatever its versions.
    create(house.notebook(), None).await.unwrap();
    create(house.notebook(), None).await.unwrap();
    assert_eq!(code(create(house.notebook(), None).await), "key_limit_reached");
    // Rotating works at the limit. So does creating, once another has expired or is gone.
    let rotated = house.authority.rotate_key(&house.ada(), first, 0, None, None).await.unwrap().value;
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
    house.pass(60_000);
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached", "a retired one counts");
    house.authority.delete_key(&house.ada(), first, None).await.unwrap();
    create(house.of_ada(), None).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
    let id: KeyId = rotated.key.record.entry.id;
    let disabled =
        KeyPatch { status: Some(claviger_core::lifecycle::Status::Disabled), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), id, disabled, None).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached", "a disabled one counts");
    house.authority.delete_key(&house.ada(), id, None).await.unwrap();
    let last = create(house.of_ada(), Some(60)).await.unwrap();
    // One that has expired needs room again to come back.
    house.pass(60_000);
    let other = create(house.of_ada(), None).await.unwrap();
    let for_ever = KeyPatch { expires_at: Some(None), ..KeyPatch::default() };
    let revived = house.authority.update_key(&house.ada(), last, for_ever.clone(), None).await;
    assert_eq!(code(revived), "key_limit_reached");
    house.authority.delete_key(&house.ada(), other, None).await.unwrap();
    house.authority.update_key(&house.ada(), last, for_ever, None).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
}

/// Traffic does not wait for its record: what finds no room is dropped, and counted.
#[tokio::test]
async fn rows_that_wait_for_the_history() {
    const ROOM: usize = 32_768;
    let house = House::build().await;
    let entry = HistoryEntry {
        at: house.authority.now(),
        actor: Actor::Anonymous,
        key: None,
        action: "page:read".into(),
        target: "page:x".into(),
        authority: "operator".into(),
        origin: Origin::Api,
        address: None,
        request_id: None,
        outcome: "done".into(),
        detail: "".into(),
    };
    let taken = (0..ROOM + 5).filter(|_| house.authority.note(entry.clone())).count();
    assert_eq!((taken, house.authority.notes_dropped()), (ROOM, 5));
    assert_eq!(house.authority.flush_notes().await.unwrap(), ROOM as u64);
    assert!(house.authority.note(entry), "there is room again");
}

#[tokio::test]
async fn settings_give_way_to_others_all_or_none() {
    let house = House::build().await;
    let key = house.key(house.of_ada(), "team:read key:create").await;
    let by = house.with_key(key.secret.expose());
    let reads = async || code(house.authority.group(&by, house.team).await);
    let create = async |scopes: Option<&str>| {
        let mut new = house.new_key(house.of_ada(), "");
        new.scopes = scopes.map(self::scopes);
        house.authority.create_key(&house.ada(), new).await.map(|made| made.value.key.record.entry)
    };
    assert_eq!(reads().await, "not_found");
    let defaults =
        |kind, format: &str, words| KindDefaults { kind, format: format.into(), scopes: Some(scopes(words)) };
    let others = Settings {
        policy: Policy { account_keys_reach_teams: true },
        keys_per_authority_max: 2,
        defaults: vec![defaults(Kind::Account, "thirty_two", "page:read")],
        ..Settings::default()
    };
    let wrong = Settings { defaults: vec![defaults(Kind::Team, "unheard", "page:read")], ..others.clone() };
    let told = house.authority.replace_settings(wrong).unwrap_err().to_string();
    assert!(told.contains("[defaults.team]") && told.contains("`unheard`"), "{told}");
    assert_eq!(reads().await, "not_found", "nothing of it is in force");
    let changed = house.authority.replace_settings(others.clone()).unwrap();
    assert_eq!(changed, ["account_keys_reach_teams", "keys_per_authority_max", "defaults"]);
    assert_eq!(reads().await, "ok");
    assert_eq!(create(None).await.unwrap().rights.scopes, scopes("page:read"));
    assert_eq!(code(create(Some("a:read")).await), "key_limit_reached");
    assert_eq!(house.authority.replace_settings(others).unwrap(), [""; 0]);
    let back = house.authority.replace_settings(Settings::default()).unwrap();
    assert_eq!(back, changed);
    assert_eq!(reads().await, "not_found");
    assert_eq!(code(create(Some("a:read")).await), "ok");
}
