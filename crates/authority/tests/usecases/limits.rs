//! Limits of the use cases, reached.

use claviger_authority::Caller;
use claviger_authority::groups::{GroupPatch, NewProject, NewTeam};
use claviger_authority::imports::ImportOptions;
use claviger_authority::settings::{KindDefaults, Settings};
use claviger_core::decide::Policy;
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::{Actor, KeyPatch};
use claviger_core::principal::{ProjectOwner, TeamRole};
use claviger_core::{KeyId, Kind, Subject};

use super::support::*;

#[tokio::test]
async fn every_key_of_one_authority_counts() {
    let house = House::with(Settings { keys_per_subject_max: 2, ..Settings::default() }).await;
    let create = async |subject: Subject, seconds: Option<u64>| {
        let mut new = house.new_key(subject, "a:read");
        new.expires_at = seconds.map(|seconds| house.seconds_from_now(seconds));
        house.authority.create_key(&house.ada(), new).await.map(|made| made.value.key.record.entry.id)
    };
    let first = create(house.of_ada(), None).await.unwrap();
    let short = create(house.of_ada(), Some(60)).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
    // Other subjects count by themselves: a resource of hers, and whatever its versions.
    create(house.notebook(), None).await.unwrap();
    create(house.notebook(), None).await.unwrap();
    assert_eq!(code(create(house.notebook(), None).await), "key_limit_reached");
    // One that has expired is stored and listed as before, and so counts; a disabled one, too.
    house.pass(60_000);
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
    let disabled =
        KeyPatch { status: Some(claviger_core::lifecycle::Status::Disabled), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), first, disabled, None).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
    // It needs no room to come back.
    let for_ever = KeyPatch { expires_at: Some(None), ..KeyPatch::default() };
    house.authority.update_key(&house.ada(), short, for_ever, None).await.unwrap();
    // A secret can be replaced at the limit, but not for ever.
    let rotated = house.authority.rotate_key(&house.ada(), short, 0, None, None).await.unwrap().value;
    let id: KeyId = rotated.key.record.entry.id;
    let again = house.authority.rotate_key(&house.ada(), id, 0, None, None).await;
    assert_eq!(code(again), "key_limit_reached");
    house.authority.delete_key(&house.ada(), short, None).await.unwrap();
    house.authority.rotate_key(&house.ada(), id, 0, None, None).await.unwrap();
    for gone in [first, id] {
        house.authority.delete_key(&house.ada(), gone, None).await.unwrap();
    }
    create(house.of_ada(), None).await.unwrap();
    assert_eq!(code(create(house.of_ada(), None).await), "key_limit_reached");
}

#[tokio::test]
async fn teams_and_projects_of_one_account() {
    // One of each is there from the start.
    let limits = Settings { teams_per_account_max: 2, projects_per_owner_max: 2, ..Settings::default() };
    let house = House::with(limits).await;
    let name = || claviger_core::name::Name::parse("x").unwrap();
    let team = async |by: &Caller| {
        let new = NewTeam { name: name(), external_id: None, owner: None };
        house.authority.create_team(by, new).await.map(|made| made.value.team.id)
    };
    let ada = house.ada();
    let second = team(&ada).await.unwrap();
    assert_eq!(code(team(&ada).await), "team_limit_reached");
    // Closing it, or leaving it to somebody else, makes no room.
    let closed = GroupPatch { closed: Some(true), ..GroupPatch::default() };
    let owner = Some(TeamRole::Owner);
    house.authority.set_role(&ada, second, house.bob, owner, None).await.unwrap();
    house.authority.set_role(&ada, second, house.ada, None, None).await.unwrap();
    house.authority.update_group(&house.bob(), second, closed, None).await.unwrap();
    assert_eq!(code(team(&ada).await), "team_limit_reached");
    assert_eq!(code(team(&house.bob()).await), "ok");
    let project = async |owner| {
        let new = NewProject { name: name(), external_id: None, owner };
        code(house.authority.create_project(&ada, new).await)
    };
    let own = ProjectOwner::Account(house.ada);
    assert_eq!([project(own).await, project(own).await], ["ok", "project_limit_reached"]);
    let of_team = ProjectOwner::Team(house.team);
    let three = [project(of_team).await, project(of_team).await, project(of_team).await];
    assert_eq!(three, ["ok", "ok", "project_limit_reached"]);
}

#[tokio::test]
async fn imports_of_a_tenant_leave_room_for_operators() {
    let house = House::build().await;
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let begin = async |by: &Caller| house.authority.begin_import(by, dry).await;
    let first = begin(&house.ada()).await.unwrap();
    begin(&house.ada()).await.unwrap();
    assert_eq!(code(begin(&house.ada()).await), "too_many_imports");
    // Nor by another key of the same account.
    let key = house.key(house.of_ada(), "key:create").await;
    assert_eq!(code(begin(&house.with_key(key.secret.expose())).await), "too_many_imports");
    begin(&house.bob()).await.unwrap();
    for _ in 0..8 {
        begin(&house.operator()).await.unwrap();
    }
    assert_eq!(code(begin(&house.operator()).await), "too_many_imports");
    house.authority.abandon_import(&house.ada(), first).await.unwrap();
    begin(&house.ada()).await.unwrap();
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
        subject: "operator".into(),
        origin: Origin::Api,
        address: None,
        request_id: None,
        outcome: "done".into(),
        detail: "".into(),
        reasons: Default::default(),
    };
    // One caller gets an eighth of it.
    let taken = (0..ROOM).filter(|_| house.authority.note(entry.clone())).count();
    assert_eq!((taken, house.authority.notes_dropped()), (ROOM / 8, (ROOM - ROOM / 8) as u64));
    let of = |n: usize| HistoryEntry { actor: Actor::Key(KeyId::from_bits(n as u128)), ..entry.clone() };
    let rest = (0..ROOM).filter(|n| house.authority.note(of(*n))).count();
    assert_eq!(rest, ROOM - ROOM / 8, "as many as there is room for");
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
        keys_per_subject_max: 2,
        defaults: vec![defaults(Kind::Account, "thirty_two", "page:read")],
        ..Settings::default()
    };
    let wrong = Settings { defaults: vec![defaults(Kind::Team, "unheard", "page:read")], ..others.clone() };
    let told = house.authority.replace_settings(wrong).await.unwrap_err().to_string();
    assert!(told.contains("[defaults.team]") && told.contains("`unheard`"), "{told}");
    assert_eq!(reads().await, "not_found", "nothing of it is in force");
    let changed = house.authority.replace_settings(others.clone()).await.unwrap();
    assert_eq!(changed, ["account_keys_reach_teams", "keys_per_subject_max", "defaults"]);
    assert_eq!(reads().await, "ok");
    assert_eq!(create(None).await.unwrap().rights.scopes, scopes("page:read"));
    assert_eq!(code(create(Some("a:read")).await), "key_limit_reached");
    assert_eq!(house.authority.replace_settings(others).await.unwrap(), [""; 0]);
    let back = house.authority.replace_settings(Settings::default()).await.unwrap();
    assert_eq!(back, changed);
    assert_eq!(reads().await, "not_found");
    assert_eq!(code(create(Some("a:read")).await), "ok");
}
