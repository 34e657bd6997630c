//! Limits of the use cases, reached.

use claviger_authority::Caller;
use claviger_authority::accounts::AccountPatch;
use claviger_authority::groups::{GroupPatch, NewProject, NewTeam};
use claviger_authority::imports::{ImportKey, ImportOptions, ImportRow};
use claviger_authority::reports::HostEntry;
use claviger_authority::settings::{KindDefaults, Settings};
use claviger_core::decide::Policy;
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::{Actor, KeyPatch};
use claviger_core::name::Name;
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
    let name = || Name::parse("x").unwrap();
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

#[tokio::test]
async fn a_tenant_has_no_more_imports_for_having_more_projects_and_teams() {
    let house = House::build().await;
    let ada = house.ada();
    let mut callers = Vec::new();
    let own = Subject::Project(house.project);
    for subject in [own, Subject::Team(house.team), house.of_ada()] {
        let key = house.key(subject, "key:create").await;
        callers.push(house.with_key(key.secret.expose()));
    }
    let new = NewProject {
        name: Name::parse("Atlas").unwrap(),
        external_id: None,
        owner: ProjectOwner::Team(house.team),
    };
    let project = house.authority.create_project(&ada, new).await.unwrap().value.project.id;
    let key = house.key(Subject::Project(project), "key:create").await;
    callers.push(house.with_key(key.secret.expose()));
    let begin = async |by: &Caller| house.authority.begin_import(by, ImportOptions::default()).await;
    begin(&callers[0]).await.unwrap();
    begin(&callers[1]).await.unwrap();
    for by in callers.iter().chain([&ada]) {
        assert_eq!(code(begin(by).await), "too_many_imports");
    }
    assert_eq!(code(begin(&house.bob()).await), "ok");
}

#[tokio::test]
async fn those_who_lost_their_access_leave_their_room() {
    let house = House::build().await;
    let begin = async |by: &Caller| house.authority.begin_import(by, ImportOptions::default()).await;
    let key = house.key(Subject::Project(house.project), "key:create").await;
    let by_key = house.with_key(key.secret.expose());
    let first = begin(&by_key).await.unwrap();
    begin(&by_key).await.unwrap();
    assert_eq!(code(begin(&house.ada()).await), "too_many_imports");
    house.authority.delete_key(&house.ada(), key.key.record.entry.id, None).await.unwrap();
    let others = [begin(&house.ada()).await.unwrap(), begin(&house.ada()).await.unwrap()];
    assert_eq!(code(house.authority.abandon_import(&house.operator(), first).await), "import_closed");
    // Nobody but operators ends an import of others.
    assert_eq!(code(house.authority.abandon_import(&house.bob(), others[0]).await), "import_closed");
    house.authority.abandon_import(&house.operator(), others[0]).await.unwrap();
    assert_eq!(code(house.authority.import_progress(&house.ada(), others[0]).map(|_| ())), "import_closed");
    // The account is closed: what it had goes with the next round of jobs, too.
    let closed = AccountPatch { closed: Some(true), ..AccountPatch::default() };
    house.authority.update_account(&house.operator(), house.ada, closed, None).await.unwrap();
    let done = house.authority.run_jobs_once(house.authority.now()).await.unwrap();
    assert_eq!(done.imports_abandoned, 1);
}

#[tokio::test]
async fn a_tenant_reports_no_more_rows_than_its_share() {
    let house = House::build().await;
    let own = house.key(house.of_ada(), "history:create").await;
    let project = house.key(Subject::Project(house.project), "history:create").await;
    let team = house.key(Subject::Team(house.team), "history:create").await;
    let report = async |key: &str, target: String, rows: usize| {
        let (action, detail) = ("run:create".into(), String::new());
        let entry = HostEntry { target, action, detail, actor: None };
        code(house.authority.record_history(&house.with_key(key), vec![entry; rows]).await)
    };
    let ada = house.of_ada().to_string();
    for _ in 0..9 {
        assert_eq!(report(own.secret.expose(), ada.clone(), 1_000).await, "ok");
    }
    let of_project = format!("project:{}", house.project);
    assert_eq!(report(project.secret.expose(), of_project.clone(), 1_000).await, "ok");
    let of_team = format!("team:{}", house.team);
    assert_eq!(report(team.secret.expose(), of_team.clone(), 1).await, "rate_limited");
    assert_eq!(report(own.secret.expose(), ada.clone(), 1).await, "rate_limited");
    assert_eq!(report(OPERATOR, ada.clone(), 1_000).await, "ok", "operators have no such limit");
    house.pass(1_000);
    assert_eq!(report(own.secret.expose(), "nonsense".into(), 100).await, "target", "costs nothing");
    assert_eq!(report(own.secret.expose(), ada.clone(), 100).await, "ok");
    assert_eq!(report(project.secret.expose(), of_project, 1).await, "rate_limited");
}

#[tokio::test]
async fn a_tenant_that_makes_too_much_may_still_take_away() {
    let house = House::with(Settings { keys_per_subject_max: 6_000, ..Settings::default() }).await;
    let ada = house.ada();
    let key = house.key(house.of_ada(), "a:read").await.key.record.entry.id;
    let mut number = 0..;
    let mut import = async |rows: usize| {
        let import = house.authority.begin_import(&ada, ImportOptions::default()).await.unwrap();
        let row = |n: u32| ImportRow {
            key: ImportKey::Text(format!("live_Zr8vQ2mWx7Lk4TnB9cHd3F{n:08}").into()),
            name: "Old CI".into(),
            subject: house.of_ada().to_string(),
            versions: None,
            grants: None,
            scopes: Some(vec!["notebook:read".into()]),
            expires_at: None,
            created_at: None,
            preview: None,
            metadata: Vec::new(),
            restrictions: Default::default(),
            status: None,
        };
        let rows = number.by_ref().take(rows).map(row).collect();
        let staged = code(house.authority.stage_rows(&ada, import, rows).await);
        house.authority.abandon_import(&ada, import).await.unwrap();
        staged
    };
    assert_eq!([import(5_000).await, import(5_000).await], ["ok", "ok"]);
    assert_eq!(import(2_000).await, "rate_limited", "twice the limit of keys, and no more");
    // A team and a project were made before.
    assert_eq!(import(1_998).await, "ok");
    let create = async |by: &Caller| {
        code(house.authority.create_key(by, house.new_key(house.of_ada(), "a:read")).await)
    };
    assert_eq!(create(&ada).await, "rate_limited");
    assert_eq!(code(house.authority.rotate_key(&ada, key, 0, None, None).await), "rate_limited");
    let rename = || KeyPatch { name: Some(Name::parse("B").unwrap()), ..KeyPatch::default() };
    assert_eq!(code(house.authority.update_key(&ada, key, rename(), None).await), "rate_limited");
    assert_eq!(create(&house.operator()).await, "ok");
    assert_eq!(create(&house.bob()).await, "not_found", "others are answered as ever");
    let disabled =
        KeyPatch { status: Some(claviger_core::lifecycle::Status::Disabled), ..KeyPatch::default() };
    house.authority.update_key(&ada, key, disabled, None).await.unwrap();
    house.authority.delete_key(&ada, key, None).await.unwrap();
    house.pass(100);
    assert_eq!([create(&ada).await, create(&ada).await], ["ok", "rate_limited"]);
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
