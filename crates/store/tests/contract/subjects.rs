//! Accounts, teams and projects.

use claviger_core::change::ChangeItem;
use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::name::{Email, ExternalId};
use claviger_core::principal::{
    AccountRecord, PasswordHash, ProjectOwner, ProjectRecord, ProjectRole, TeamRecord, TeamRole,
};
use claviger_store::{AccountFilter, Conflict, Limited, Page, ProjectFilter, StoreError, TeamFilter};

use super::support::*;

fn external(text: &str) -> Option<ExternalId> {
    ExternalId::parse(text).ok()
}

/// An account with an external id.
fn named(n: u128, text: &str) -> AccountRecord {
    let mut record = account(n);
    record.account.external_id = external(text);
    record
}

fn named_team(n: u128, text: &str, members: &[(u128, TeamRole)]) -> TeamRecord {
    let mut record = team(n, members);
    record.team.external_id = external(text);
    record
}

fn named_project(n: u128, text: &str, members: &[(u128, ProjectRole)]) -> ProjectRecord {
    let mut record = project(n, members);
    record.project.external_id = external(text);
    record
}

fn ada() -> AccountRecord {
    AccountRecord {
        email: Email::parse("ada@example.org").ok(),
        password: Some(PasswordHash::from_phc("$argon2id$x")),
        ..named(1, "host/1")
    }
}

#[tokio::test]
async fn accounts() {
    let fresh = fresh().await;
    let store = &fresh.store;
    let create = async |record| store.create_account(record, audit("account:create")).await.map(|_| ());
    create(ada()).await.unwrap();
    let id = ada().account.id;
    assert_eq!(store.account(id).await.unwrap(), Some(ada()));
    assert_eq!(store.account(id).await.unwrap().unwrap().password.unwrap().expose(), "$argon2id$x");
    assert_eq!(store.account_by_email(ada().email.unwrap()).await.unwrap(), Some(ada()));
    assert_eq!(store.account_by_external_id(external("host/1").unwrap()).await.unwrap(), Some(ada()));
    assert_eq!(store.account_by_external_id(external("host/2").unwrap()).await.unwrap(), None);
    let check = async |record: AccountRecord, expect: Conflict| {
        let error = create(record).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(conflict) if conflict == expect), "{error}");
    };
    check(account(1), Conflict::Id).await;
    check(AccountRecord { email: ada().email, ..account(2) }, Conflict::Email).await;
    check(named(2, "host/1"), Conflict::ExternalId).await;
    create(AccountRecord { name: None, ..account(2) }).await.unwrap();
    create(account(3)).await.unwrap();
    let numbers =
        |records: Vec<AccountRecord>| records.iter().map(|r| r.account.id.bits()).collect::<Vec<_>>();
    let all = AccountFilter::default;
    assert_eq!(numbers(store.accounts(all(), Page::first(2)).await.unwrap()), [3, 2]);
    assert_eq!(numbers(store.accounts(all(), Page::after(AccountId::from_bits(2), 2)).await.unwrap()), [1]);
    let both = AccountFilter { external_id: external("host/1"), email: Email::parse("b@example.org").ok() };
    assert_eq!(numbers(store.accounts(both, Page::first(2)).await.unwrap()), [0; 0]);
}

#[tokio::test]
async fn an_account_is_closed_by_a_change() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let update = async |record, expected| {
        store.update_account(record, expected, audit("account:close")).await.map(|_| ())
    };
    let mut closed = AccountRecord { revision: 2, ..ada() };
    closed.account.closed = true;
    update(closed.clone(), 1).await.unwrap();
    assert_eq!(fresh.seen.last().items, [ChangeItem::Account(closed.account.clone())]);
    assert_eq!(store.account(closed.account.id).await.unwrap(), Some(closed.clone()));
    assert!(matches!(update(closed.clone(), 1).await, Err(StoreError::Stale { current: 2 })));
    assert!(matches!(
        update(AccountRecord { revision: 2, ..account(5) }, 1).await,
        Err(StoreError::NotFound)
    ));
    store.create_account(account(2), audit("account:create")).await.unwrap();
    let taken = update(AccountRecord { email: closed.email, revision: 2, ..account(2) }, 1).await;
    assert!(matches!(taken, Err(StoreError::Conflict(Conflict::Email))));
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

#[tokio::test]
async fn teams() {
    use TeamRole::{Admin, Member, Owner};
    let fresh = furnished().await;
    let store = &fresh.store;
    for n in 2..=3 {
        store.create_account(account(n), audit("account:create")).await.unwrap();
    }
    let id = TeamId::from_bits(1);
    let update = async |record: &TeamRecord| {
        store.update_team(record.clone(), record.revision - 1, audit("team:update")).await.map(|_| ())
    };
    let next = TeamRecord { revision: 2, ..named_team(1, "t", &[(2, Owner), (1, Member), (3, Admin)]) };
    update(&next).await.unwrap();
    assert_eq!(store.team(id).await.unwrap().as_ref(), Some(&next));
    let next = TeamRecord { revision: 3, name: name("New"), ..team(1, &[(2, Owner), (3, Member)]) };
    update(&next).await.unwrap();
    assert_eq!(store.team(id).await.unwrap().as_ref(), Some(&next));
    assert_eq!(fresh.seen.last().items, [ChangeItem::Team(next.team.clone())]);
    assert!(matches!(
        update(&TeamRecord { revision: 2, ..next.clone() }).await,
        Err(StoreError::Stale { current: 3 })
    ));
    assert!(matches!(update(&TeamRecord { revision: 2, ..team(9, &[]) }).await, Err(StoreError::NotFound)));
    let missing = update(&TeamRecord { revision: 4, ..team(1, &[(77, Member)]) }).await.unwrap_err();
    let expect = format!("account:{}", AccountId::from_bits(77));
    assert!(matches!(&missing, StoreError::Missing(what) if *what == expect), "{missing}");
    assert_eq!(store.team(id).await.unwrap(), Some(next), "nothing of it stays");
    let create = async |record| store.create_team(record, LIMIT, audit("team:create")).await.map(|_| ());
    assert!(matches!(create(team(2, &[(77, Member)])).await, Err(StoreError::Missing(_))));
    assert_eq!(store.team(TeamId::from_bits(2)).await.unwrap(), None);
    create(named_team(2, "t2", &[(3, Owner)])).await.unwrap();
    assert!(matches!(create(team(2, &[])).await, Err(StoreError::Conflict(Conflict::Id))));
    let taken = named_team(3, "t2", &[]);
    assert!(matches!(create(taken).await, Err(StoreError::Conflict(Conflict::ExternalId))));
    let list = async |filter| {
        let teams = store.teams(filter, Page::first(9)).await.unwrap();
        teams.iter().map(|record| record.team.id.bits()).collect::<Vec<_>>()
    };
    let member = |n| TeamFilter { member: Some(AccountId::from_bits(n)), ..TeamFilter::default() };
    assert_eq!(list(TeamFilter::default()).await, [2, 1]);
    assert_eq!(list(member(3)).await, [2, 1]);
    assert_eq!(list(member(2)).await, [1]);
    assert_eq!(list(member(1)).await, [0; 0]);
    assert_eq!(list(TeamFilter { external_id: external("t2"), ..TeamFilter::default() }).await, [2]);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

#[tokio::test]
async fn projects() {
    use ProjectRole::{Admin, Collaborator, Viewer};
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_account(account(2), audit("account:create")).await.unwrap();
    let update = async |record: &ProjectRecord| {
        store.update_project(record.clone(), record.revision - 1, audit("project:update")).await.map(|_| ())
    };
    let mut next = ProjectRecord { revision: 2, ..named_project(1, "p", &[(1, Admin), (2, Viewer)]) };
    next.project.owner = ProjectOwner::Account(AccountId::from_bits(2));
    update(&next).await.unwrap();
    let id = ProjectId::from_bits(1);
    assert_eq!(store.project(id).await.unwrap().as_ref(), Some(&next));
    assert_eq!(fresh.seen.last().items, [ChangeItem::Project(next.project.clone())]);
    assert!(matches!(update(&next).await, Err(StoreError::Stale { current: 2 })));
    assert!(matches!(
        update(&ProjectRecord { revision: 2, ..project(9, &[]) }).await,
        Err(StoreError::NotFound)
    ));
    for owner in [ProjectOwner::Team(TeamId::from_bits(9)), ProjectOwner::Account(AccountId::from_bits(9))] {
        let mut wrong = project(2, &[]);
        wrong.project.owner = owner;
        let error = store.create_project(wrong, LIMIT, audit("project:create")).await.unwrap_err();
        assert!(matches!(error, StoreError::Missing(_)), "{error}");
    }
    let wrong =
        store.create_project(project(2, &[(9, Viewer)]), LIMIT, audit("project:create")).await.unwrap_err();
    assert!(matches!(wrong, StoreError::Missing(_)), "{wrong}");
    store.create_project(project(2, &[(1, Collaborator)]), LIMIT, audit("project:create")).await.unwrap();
    let taken = named_project(3, "p", &[]);
    let error = store.create_project(taken, LIMIT, audit("project:create")).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(Conflict::ExternalId)), "{error}");
    let list = async |filter| {
        let projects = store.projects(filter, Page::first(9)).await.unwrap();
        projects.iter().map(|record| record.project.id.bits()).collect::<Vec<_>>()
    };
    let all = ProjectFilter::default;
    assert_eq!(list(all()).await, [2, 1]);
    assert_eq!(list(ProjectFilter { member: Some(AccountId::from_bits(1)), ..all() }).await, [2, 1]);
    assert_eq!(list(ProjectFilter { member: Some(AccountId::from_bits(2)), ..all() }).await, [1]);
    assert_eq!(list(ProjectFilter { owner: Some(next.project.owner), ..all() }).await, [1]);
    let team = ProjectOwner::Team(TeamId::from_bits(1));
    assert_eq!(list(ProjectFilter { owner: Some(team), ..all() }).await, [2]);
    assert_eq!(list(ProjectFilter { external_id: external("p"), ..all() }).await, [1]);
    assert_eq!(fresh.loaded().await, fresh.seen.view());
}

#[tokio::test]
async fn teams_and_projects_are_limited() {
    let fresh = fresh().await;
    let store = &fresh.store;
    for n in [1, 2] {
        store.create_account(account(n), audit("account:create")).await.unwrap();
    }
    let create = async |record| store.create_team(record, 2, audit("team:create")).await.map(|_| ());
    create(team(1, &[(1, TeamRole::Owner)])).await.unwrap();
    create(team(2, &[(1, TeamRole::Owner), (2, TeamRole::Member)])).await.unwrap();
    let full = |error: StoreError, of| matches!(error, StoreError::Limit { what, limit: 2 } if what == of);
    assert!(full(create(team(3, &[(1, TeamRole::Owner)])).await.unwrap_err(), Limited::Teams));
    // Handing a team over, or closing it, makes no room: somebody could go on for ever.
    let mut handed = TeamRecord { revision: 2, ..team(1, &[(2, TeamRole::Owner)]) };
    handed.team.closed = true;
    store.update_team(handed, 1, audit("team:update")).await.unwrap();
    assert!(full(create(team(3, &[(1, TeamRole::Owner)])).await.unwrap_err(), Limited::Teams));
    // The one that it was handed to has all of its own room; what has no owner counts for nobody.
    create(team(4, &[(2, TeamRole::Owner)])).await.unwrap();
    create(team(5, &[(2, TeamRole::Owner)])).await.unwrap();
    for n in 6..9 {
        create(team(n, &[])).await.unwrap();
    }
    let create = async |record| store.create_project(record, 2, audit("project:create")).await.map(|_| ());
    let of = |n, owner| {
        let mut record = project(n, &[]);
        record.project.owner = owner;
        record
    };
    let owners = [ProjectOwner::Account(AccountId::from_bits(2)), ProjectOwner::Team(TeamId::from_bits(2))];
    for (first, owner) in [10, 20].into_iter().zip(owners) {
        create(of(first, owner)).await.unwrap();
        create(of(first + 1, owner)).await.unwrap();
        assert!(full(create(of(first + 2, owner)).await.unwrap_err(), Limited::Projects));
    }
}
