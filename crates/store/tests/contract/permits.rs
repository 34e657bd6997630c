//! A permit is good for the state it was made on: no mutation takes one that is older than a loss of subject of
//! a record it rests on.

use claviger_core::change::Sequence;
use claviger_core::decide::{Credential, Place, Refusal, Snapshot, accept};
use claviger_core::history::HistoryEntry;
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::Actor;
use claviger_core::lifecycle::Status;
use claviger_core::name::Name;
use claviger_core::permit::{Known, PolicyVersion, RecordRef, Recorder, WritePermit};
use claviger_core::principal::{Account, Container, ContainerId, Members, Project, Team, TeamRole};
use claviger_core::resource::{Resource, ResourceName, ResourceRef, Visibility};
use claviger_core::scope::ScopeSet;
use claviger_store::{Audit, Differences, HistoryFilter, Once, Page, StoreError};

use super::support::*;

/// An account that nobody changes.
const NOBODY: AccountId = AccountId::from_bits(99);

struct World(Account);

impl Snapshot for World {
    fn account(&self, id: AccountId) -> Option<&Account> {
        Some(&self.0).filter(|account| account.id == id)
    }
    fn team(&self, _: TeamId) -> Option<&Team> {
        None
    }
    fn project(&self, _: ProjectId) -> Option<&Project> {
        None
    }
    fn by_external_id(&self, _: Container, _: &str) -> Option<ContainerId> {
        None
    }

    fn resource(&self, _: ResourceName<'_>) -> Option<&Resource> {
        None
    }
}

/// A permit made on the state at this sequence, for which this record was looked up.
fn resting_on(record: &RecordRef, sequence: Sequence) -> WritePermit {
    let world = World(Account { id: NOBODY, external_id: None, closed: false });
    let known = Known { sequence, policy: PolicyVersion(0) };
    let decided = Recorder::decide(&world, known, |recorder| {
        match record {
            RecordRef::Key(id) => recorder.rests_on_key(*id),
            RecordRef::Account(id) => drop(recorder.account(*id)),
            RecordRef::Team(id) => drop(recorder.team(*id)),
            RecordRef::Project(id) => drop(recorder.project(*id)),
            RecordRef::Resource(reference) => drop(recorder.resource(reference.name())),
        }
        Ok(((), accept(recorder, Credential::SignedIn(NOBODY), Place::default(), NOW)?))
    });
    let ((), _, permit) = decided.map_err(|refusal: Refusal| refusal.code()).unwrap();
    permit
}

fn notebook(name: &str) -> RecordRef {
    RecordRef::Resource(ResourceRef::parse(name).unwrap())
}

fn is_stale<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::PermitStale { .. })), "{result:?}");
}

#[tokio::test]
async fn no_mutation_takes_a_stale_permit_and_none_leaves_anything() {
    let fresh = furnished().await;
    let store = &fresh.store;
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
    store.create_account(account(7), audit("account:create")).await.unwrap();
    let import = store.open_import(NOW, Actor::System, PERMIT).await.unwrap();
    let lost = RecordRef::Account(AccountId::from_bits(7));
    let permit = resting_on(&lost, store.sequence().await.unwrap());
    store.confirm(permit.clone()).await.unwrap();
    let mut closed = account(7);
    (closed.account.closed, closed.revision) = (true, 2);
    store.update_account(closed, 1, audit("account:delete")).await.unwrap();

    let state = async || {
        let history = store.history(HistoryFilter::default(), Page::first(100)).await.unwrap();
        (fresh.loaded().await, store.sequence().await.unwrap(), history, store.open_imports().await.unwrap())
    };
    let before = state().await;
    let once = Once { name: [1; 32], fingerprint: [1; 32], reference: "key_1".to_owned(), at: NOW };
    let audit = || {
        let entry = HistoryEntry { target: "late".into(), ..entry("late:late") };
        Audit::new(permit.clone(), entry).once(Some(once.clone()))
    };
    let late = || permit.clone();
    let mut next = account(1);
    next.revision = 2;
    is_stale(store.create_account(account(8), audit()).await);
    is_stale(store.update_account(next, 1, audit()).await);
    is_stale(store.create_team(team(8, &[]), LIMIT, audit()).await);
    let mut next = team(1, &[(1, TeamRole::Owner)]);
    next.revision = 2;
    is_stale(store.update_team(next, 1, audit()).await);
    is_stale(store.create_project(project(8, &[]), LIMIT, audit()).await);
    let mut next = project(1, &[]);
    next.revision = 2;
    is_stale(store.update_project(next, 1, audit()).await);
    is_stale(store.put_resource(resource("notebook:z"), None, audit()).await);
    let reference = ResourceRef::parse("notebook:a").unwrap();
    is_stale(store.delete_resource(reference, None, audit()).await);
    let differences = Differences {
        kind: "sheet".to_owned(),
        seen: vec![],
        put: vec![resource("sheet:a")],
        delete: vec![],
    };
    is_stale(store.reconcile_resources(differences, audit()).await);
    is_stale(store.create_key(key(8), LIMIT, audit()).await);
    let mut next = key(1);
    next.revision = 2;
    is_stale(store.update_key(next.clone(), 1, audit()).await);
    is_stale(store.rotate_key(next, 1, key(9), LIMIT, audit()).await);
    is_stale(store.delete_key(KeyId::from_bits(1), None, audit()).await);
    is_stale(store.delete_keys(vec![KeyId::from_bits(1)], audit()).await);
    let of = key(1).entry.rights.subject.to_string();
    is_stale(store.delete_keys_of(of, audit()).await);
    is_stale(store.install_operator_key(key(9), audit()).await);
    is_stale(store.open_import(NOW, Actor::System, late()).await);
    is_stale(store.stage_keys(import, vec![key(9)], None, late()).await);
    is_stale(store.commit_import(import, audit()).await);
    is_stale(store.abandon_import(import, 10, late()).await);
    is_stale(store.append_history(vec![entry("late:late")], late()).await);
    is_stale(store.put_setting("late", String::new(), late()).await);
    is_stale(store.confirm(late()).await);
    assert_eq!(state().await, before, "nothing of it was written");
    assert_eq!(store.setting("late").await.unwrap(), None);
    store.check_once(once.clone()).await.unwrap();
    // Decided again, it is good.
    let again = resting_on(&lost, store.sequence().await.unwrap());
    store.create_key(key(8), LIMIT, Audit::new(again, entry("key:create"))).await.unwrap();
}

/// Which records lost something by the latest change, as its row says.
fn took(fresh: &Fresh) -> Vec<RecordRef> {
    let conn = rusqlite::Connection::open(fresh.path()).unwrap();
    let text: String =
        conn.query_row("SELECT took FROM changes ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).unwrap();
    serde_json::from_str::<Vec<String>>(&text).unwrap().iter().map(|name| name.parse().unwrap()).collect()
}

/// Every record that the test below knows.
fn records() -> Vec<RecordRef> {
    let mut all = (1..=4).map(|n| RecordRef::Key(KeyId::from_bits(n))).collect::<Vec<_>>();
    all.extend((1..=2).map(|n| RecordRef::Account(AccountId::from_bits(n))));
    all.push(RecordRef::Team(TeamId::from_bits(1)));
    all.push(RecordRef::Project(ProjectId::from_bits(1)));
    all.push(notebook("notebook:a"));
    all.sort();
    all
}

#[tokio::test]
async fn a_change_names_what_it_took_from_and_makes_just_those_permits_stale() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let check = async |before: Sequence, expect: &[RecordRef]| {
        assert_eq!(took(&fresh), expect);
        for record in records() {
            let stale = store.confirm(resting_on(&record, before)).await.is_err();
            assert_eq!(stale, expect.contains(&record), "{record}");
            store.confirm(resting_on(&record, Sequence(before.0 + 1))).await.unwrap();
        }
    };
    let now = async || store.sequence().await.unwrap();
    let [one, account_1] = [RecordRef::Key(KeyId::from_bits(1)), RecordRef::Account(AccountId::from_bits(1))];

    let before = now().await;
    store.create_account(account(2), audit("account:create")).await.unwrap();
    check(before, &[]).await;
    for n in 1..=4 {
        let before = now().await;
        store.create_key(key(n), LIMIT, audit("key:create")).await.unwrap();
        check(before, &[]).await;
    }

    // A rename takes nothing; a scope, a status and a deletion do.
    let mut next = key(1);
    (next.name, next.revision) = (Name::parse("Another").unwrap(), 2);
    let before = now().await;
    store.update_key(next.clone(), 1, audit("key:update")).await.unwrap();
    check(before, &[]).await;
    (next.entry.rights.scopes, next.revision) = (ScopeSet::default(), 3);
    let before = now().await;
    store.update_key(next.clone(), 2, audit("key:update")).await.unwrap();
    check(before, std::slice::from_ref(&one)).await;
    (next.entry.status, next.revision) = (Status::Disabled, 4);
    let before = now().await;
    store.update_key(next.clone(), 3, audit("key:update")).await.unwrap();
    check(before, std::slice::from_ref(&one)).await;
    (next.entry.status, next.revision) = (Status::Active, 5);
    let before = now().await;
    store.update_key(next, 4, audit("key:update")).await.unwrap();
    check(before, &[]).await;
    // So does a rotation, whether the old key ends by its state or by an earlier date.
    for (n, retires) in [(2, true), (3, false)] {
        let mut old = key(n);
        old.revision = 2;
        if retires {
            old.entry.status = Status::Retired;
        } else {
            old.entry.rights.expires_at = Some(NOW.seconds().plus(60));
        }
        let mut new = key(n + 10);
        new.replaces = Some(old.entry.id);
        let before = now().await;
        store.rotate_key(old, 1, new, LIMIT, audit("key:rotate")).await.unwrap();
        check(before, &[RecordRef::Key(KeyId::from_bits(n))]).await;
    }
    let before = now().await;
    store.delete_key(KeyId::from_bits(4), None, audit("key:delete")).await.unwrap();
    check(before, &[RecordRef::Key(KeyId::from_bits(4))]).await;

    // Members come without taking anything, and go.
    let mut next = team(1, &[(1, TeamRole::Owner), (2, TeamRole::Member)]);
    next.revision = 2;
    let before = now().await;
    store.update_team(next.clone(), 1, audit("team:update")).await.unwrap();
    check(before, &[]).await;
    next.team.members = Members::new(vec![(AccountId::from_bits(1), TeamRole::Owner)]);
    next.revision = 3;
    let before = now().await;
    store.update_team(next, 2, audit("team:update")).await.unwrap();
    check(before, &[RecordRef::Team(TeamId::from_bits(1))]).await;
    let mut next = project(1, &[]);
    (next.project.closed, next.revision) = (true, 2);
    let before = now().await;
    store.update_project(next, 1, audit("project:delete")).await.unwrap();
    check(before, &[RecordRef::Project(ProjectId::from_bits(1))]).await;

    // A resource that more people see took nothing from anybody; one that is gone did, and so did its keys' end.
    let mut next = resource("notebook:a");
    (next.resource.visibility, next.revision) = (Visibility::Public, 2);
    let before = now().await;
    store.put_resource(next, Some(1), audit("resource:update")).await.unwrap();
    check(before, &[]).await;
    let before = now().await;
    store
        .delete_resource(ResourceRef::parse("notebook:a").unwrap(), None, audit("resource:delete"))
        .await
        .unwrap();
    let lost = took(&fresh);
    assert!(lost.contains(&notebook("notebook:a")));
    check(before, &lost).await;

    let mut next = account(1);
    (next.account.closed, next.revision) = (true, 2);
    let before = now().await;
    store.update_account(next, 1, audit("account:delete")).await.unwrap();
    check(before, std::slice::from_ref(&account_1)).await;
}

#[tokio::test]
async fn a_permit_does_not_outlive_the_process() {
    let fresh = furnished().await;
    let record = notebook("notebook:a");
    let before = fresh.store.sequence().await.unwrap();
    fresh.store.create_account(account(2), audit("account:create")).await.unwrap();
    fresh.store.confirm(resting_on(&record, before)).await.unwrap();
    let fresh = fresh.reopened().await;
    is_stale(fresh.store.confirm(resting_on(&record, before)).await);
    fresh.store.confirm(resting_on(&record, fresh.store.sequence().await.unwrap())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_in_one_group_the_later_sees_what_the_earlier_took() {
    let fresh = furnished().await;
    for n in 2..100 {
        let id = AccountId::from_bits(n);
        fresh.store.create_account(account(n), audit("account:create")).await.unwrap();
        let before = fresh.store.sequence().await.unwrap();
        let mut closed = account(n);
        (closed.account.closed, closed.revision) = (true, 2);
        // Handed in one after the other, and mostly written together.
        let close = fresh.store.update_account(closed, 1, audit("account:delete"));
        let late = fresh.store.confirm(resting_on(&RecordRef::Account(id), before));
        let (closed, late) = tokio::join!(biased; close, late);
        closed.unwrap();
        is_stale(late);
    }
}

#[tokio::test]
async fn a_permit_of_an_earlier_policy_is_refused() {
    let fresh = furnished().await;
    let store = &fresh.store;
    let permit = resting_on(&RecordRef::Account(NOBODY), store.sequence().await.unwrap());
    store.require_policy(PolicyVersion(0)).await.unwrap();
    store.confirm(permit.clone()).await.unwrap();
    store.require_policy(PolicyVersion(2)).await.unwrap();
    store.require_policy(PolicyVersion(1)).await.unwrap();
    let refused = store.create_key(key(1), LIMIT, Audit::new(permit.clone(), entry("key:create"))).await;
    is_stale(refused);
    is_stale(store.open_import(NOW, Actor::System, permit.clone()).await);
    is_stale(store.confirm(permit).await);
    store.create_key(key(1), LIMIT, audit("key:create")).await.unwrap();
}
