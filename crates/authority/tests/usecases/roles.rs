//! Who gives roles.

use claviger_authority::Caller;
use claviger_core::principal::{ProjectRole, TeamRole};
use claviger_core::{AccountId, Subject};

use super::support::*;

const PLENTY: &str = "*:* team:update team:read project:update project:read resource:read";

#[tokio::test]
async fn people_give_what_their_role_allows_and_keys_what_they_include() {
    let house = House::build().await;
    let wide = house.key(Subject::Team(house.team), PLENTY).await;
    let narrow = house.key(Subject::Team(house.team), "team:update").await;
    let (wide, narrow) = (house.with_key(wide.secret.expose()), house.with_key(narrow.secret.expose()));
    let set = async |caller: &Caller, account, role: Option<TeamRole>| {
        code(house.authority.set_role(caller, house.team, account, role, None).await)
    };
    let (member, admin, owner) = (Some(TeamRole::Member), Some(TeamRole::Admin), Some(TeamRole::Owner));
    assert_eq!(set(&house.bob(), house.bob, member).await, "not_found");
    assert_eq!(set(&narrow, house.bob, member).await, "forbidden");
    assert_eq!(set(&wide, house.bob, admin).await, "forbidden");
    assert_eq!(set(&wide, house.bob, member).await, "ok");
    assert_eq!(set(&house.bob(), house.bob, admin).await, "forbidden");
    assert_eq!(set(&wide, house.bob, admin).await, "forbidden");
    assert_eq!(set(&house.ada(), house.bob, admin).await, "ok");
    // An admin makes admins, and no owners.
    assert_eq!(set(&house.bob(), house.bob, owner).await, "forbidden");
    assert_eq!(set(&house.bob(), house.ada, None).await, "forbidden");
    assert_eq!(set(&narrow, house.ada, member).await, "forbidden");
    assert_eq!(set(&house.ada(), house.ada, None).await, "last_owner");
    assert_eq!(set(&house.operator(), house.bob, owner).await, "ok");
    assert_eq!(set(&house.bob(), house.ada, member).await, "ok");
    // Whoever gives nothing needs no more than the scope.
    assert_eq!(set(&narrow, house.ada, member).await, "ok");
    assert_eq!(set(&narrow, house.ada, None).await, "ok");
    assert_eq!(set(&narrow, house.ada, None).await, "not_found");
    let rows = house.history("team:update").await;
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert_eq!(&*rows[0].detail, format!("account:{}: member -> none", house.ada));
}

/// Who may not give a role gets the same answer whether the account exists or not.
#[tokio::test]
async fn a_role_that_is_refused_says_nothing_about_the_account() {
    let house = House::build().await;
    let nobody = AccountId::from_bits(7);
    for words in ["team:update", PLENTY] {
        let key = house.key(Subject::Team(house.team), words).await;
        let by = house.with_key(key.secret.expose());
        for account in [house.bob, nobody] {
            let set = house.authority.set_role(&by, house.team, account, Some(TeamRole::Owner), None).await;
            assert_eq!(code(set), "forbidden");
            let removed = house.authority.set_role(&by, house.team, account, None, None).await;
            assert_eq!(code(removed), "not_found");
        }
    }
    let by_ada =
        house.authority.set_role(&house.ada(), house.team, nobody, Some(TeamRole::Member), None).await;
    assert_eq!(code(by_ada), "not_found");
}

#[tokio::test]
async fn in_projects() {
    let house = House::build().await;
    let mut new = house.new_key(Subject::Project(house.project), PLENTY);
    new.expires_at = Some(house.seconds_from_now(60));
    let brief = house.authority.create_key(&house.ada(), new).await.unwrap().value;
    let lasting = house.key(Subject::Project(house.project), PLENTY).await;
    let set = async |caller: &Caller, role: ProjectRole| {
        code(house.authority.set_role(caller, house.project, house.bob, Some(role), None).await)
    };
    let (brief, lasting) = (house.with_key(brief.secret.expose()), house.with_key(lasting.secret.expose()));
    assert_eq!(set(&brief, ProjectRole::Viewer).await, "forbidden", "a role does not end with the key");
    assert_eq!(set(&lasting, ProjectRole::Admin).await, "forbidden");
    assert_eq!(set(&lasting, ProjectRole::Collaborator).await, "ok");
    assert_eq!(set(&brief, ProjectRole::Viewer).await, "ok", "that is less than before");
    assert_eq!(set(&house.ada(), ProjectRole::Admin).await, "ok");
}
