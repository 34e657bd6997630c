//! Teams, projects and roles.

use claviger_authority::CallerCredential;
use claviger_authority::groups::{Group, GroupPatch, NewProject, NewTeam};
use claviger_core::key::Actor;
use claviger_core::principal::{ProjectOwner, TeamRole};
use claviger_core::{ProjectId, Subject, TeamId};

use super::*;

/// Closes a team or project while one of its keys opens it.
async fn closing<G: Group>(house: &House, id: G, of: Subject, kind: &str) {
    let key = house.key(of, &format!("{kind}:update")).await;
    let attack = Attack::by(house, &key);
    let close = async || {
        let patch = GroupPatch { closed: Some(true), ..GroupPatch::default() };
        house.authority.update_group(&house.operator(), id, patch, None).await
    };
    let changes = race(close, &attack, move |attack| async move {
        let patch = GroupPatch { name: Some(attack.name()), closed: Some(false), ..GroupPatch::default() };
        u64::from(attack.authority.update_group(&attack.caller, id, patch, None).await.is_ok())
    })
    .await;
    assert_eq!(house.whoami(key.secret.expose()).await, "key_disabled");
    let row = row_of(house, &format!("{kind}:delete"), &format!("{kind}:{id}")).await;
    lost(house, Actor::Key(key.key.record.entry.id), row, changes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_team_that_is_being_closed_does_not_open_itself() {
    let house = House::build().await;
    for _ in 0..RACES {
        let new = NewTeam { name: Name::parse("Race").unwrap(), external_id: None, owner: None };
        let id: TeamId = house.authority.create_team(&house.ada(), new).await.unwrap().value.team.id;
        closing(&house, id, Subject::Team(id), "team").await;
        assert!(house.authority.group(&house.operator(), id).await.unwrap().team.closed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_project_that_is_being_closed_does_not_open_itself() {
    let house = House::build().await;
    for _ in 0..RACES {
        let owner = ProjectOwner::Account(house.ada);
        let new = NewProject { name: Name::parse("Race").unwrap(), external_id: None, owner };
        let created = house.authority.create_project(&house.ada(), new).await.unwrap();
        let id: ProjectId = created.value.project.id;
        closing(&house, id, Subject::Project(id), "project").await;
        assert!(house.authority.group(&house.operator(), id).await.unwrap().project.closed);
    }
}

/// Takes the role of an admin away, while the admin invites, sets roles, makes keys and deletes them.
async fn weakening(house: &House, race_number: u64, to: Option<TeamRole>) {
    let new = NewTeam { name: Name::parse("Race").unwrap(), external_id: None, owner: None };
    let team = house.authority.create_team(&house.ada(), new).await.unwrap().value.team.id;
    let admin = account(house, race_number).await;
    let role = Some(TeamRole::Admin);
    house.authority.set_role(&house.ada(), team, admin, role, None).await.unwrap();
    let attack = Attack::new(house, caller(CallerCredential::Account(admin)));
    let take = async || house.authority.set_role(&house.ada(), team, admin, to, None).await;
    let (bob, sample) = (house.bob, house.new_key(Subject::Team(team), "*:read"));
    let changes = race(take, &attack, move |attack| {
        let new = sample.clone();
        async move {
            let Attack { authority, caller, .. } = &attack;
            match attack.turn(5) {
                // Its own role, which is a repeat as long as it has it.
                0 => {
                    let own = authority.set_role(caller, team, admin, Some(TeamRole::Admin), None).await;
                    own.map_or(0, |own| u64::from(own.change.id.is_some()))
                }
                1 => {
                    // In and out again: both are changes, and one may be another attacker's repeat.
                    let role = if attack.turn(1 << 20) % 2 == 0 { Some(TeamRole::Member) } else { None };
                    let changed = authority.set_role(caller, team, bob, role, None).await;
                    changed.map_or(0, |changed| u64::from(changed.change.id.is_some()))
                }
                _ => {
                    let Ok(made) = authority.create_key(caller, new).await else { return 0 };
                    let id = made.value.key.record.entry.id;
                    1 + u64::from(authority.delete_key(caller, id, None).await.is_ok())
                }
            }
        }
    })
    .await;
    let record = house.authority.group(&house.operator(), team).await.unwrap();
    assert_eq!(record.team.members.role(admin), to);
    let filter = HistoryFilter {
        target: Some(format!("team:{team}")),
        actor: Some(Actor::Account(house.ada)),
        ..HistoryFilter::default()
    };
    let rows = house.authority.history(&house.operator(), filter, Page::first(1)).await.unwrap();
    lost(house, Actor::Account(admin), rows[0].0, changes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_admin_who_is_being_removed_changes_nothing_more() {
    let house = House::build().await;
    for race_number in 0..RACES {
        weakening(&house, race_number, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_admin_who_is_being_demoted_changes_nothing_more() {
    let house = House::build().await;
    for race_number in 0..RACES {
        weakening(&house, race_number, Some(TeamRole::Member)).await;
    }
}
