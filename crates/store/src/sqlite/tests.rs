//! What concerns the SQL itself.

use claviger_core::Kind;
use claviger_core::history::Origin;
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::Actor;
use claviger_core::lifecycle::Standing;
use claviger_core::name::{Email, ExternalId};
use claviger_core::resource::{Holder, ResourceRef};
use claviger_core::subject::ProjectHolder;
use claviger_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::list::Select;
use super::restore;
use super::{
    accounts, changes, deleted, history, imports, keys, list, load, once, projects, reconcile, resources,
    schema, settings, teams, usage, writer,
};
use crate::query::{AccountFilter, HistoryFilter, KeyFilter, ProjectFilter, ResourceFilter, TeamFilter};

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn database() -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    schema::migrate(&mut conn, true).unwrap();
    conn
}

/// Each filter alone, and none.
fn key_filters() -> Vec<KeyFilter> {
    let none = KeyFilter::default;
    let authorities = |n: usize| Some(vec!["operator".to_owned(); n]);
    let mut all = vec![
        none(),
        KeyFilter { authorities: authorities(0), ..none() },
        KeyFilter { authorities: authorities(1), ..none() },
        KeyFilter { authorities: authorities(2), ..none() },
        KeyFilter { created_by: Some(Actor::System), ..none() },
        KeyFilter { unused_since: Some(NOW), ..none() },
    ];
    all.extend(Kind::ALL.map(|kind| KeyFilter { kind: Some(kind), ..none() }));
    all.extend(
        [Standing::Active, Standing::Disabled, Standing::Expired]
            .map(|standing| KeyFilter { standing: Some((standing, NOW)), ..none() }),
    );
    all
}

fn listings() -> Vec<String> {
    let external_id = ExternalId::parse("x").ok();
    let account = AccountId::from_bits(1);
    let mut all = Vec::new();
    all.extend(key_filters().iter().map(|filter| list::select_keys(filter, Some(KeyId::from_bits(1)))));
    let filter = AccountFilter { external_id: external_id.clone(), email: Email::parse("a@b").ok() };
    all.push(accounts::select(&filter, Some(account)));
    let filter = TeamFilter { member: Some(account), external_id: external_id.clone() };
    all.push(teams::select(&filter, Some(TeamId::from_bits(1))));
    for holder in [ProjectHolder::Account(account), ProjectHolder::Team(TeamId::from_bits(1))] {
        let filter =
            ProjectFilter { member: Some(account), holder: Some(holder), external_id: external_id.clone() };
        all.push(projects::select(&filter, Some(ProjectId::from_bits(1))));
    }
    let project = Holder::Project(ProjectId::from_bits(1));
    for holder in [Holder::Account(account), Holder::Team(TeamId::from_bits(1)), project] {
        let filter = ResourceFilter { holder: Some(holder), kind: Some("notebook".to_owned()) };
        all.push(resources::select(&filter, ResourceRef::parse("notebook:a").ok().as_ref()));
    }
    let filter = HistoryFilter {
        authority: Some(String::new()),
        actor: Some(Actor::System),
        key: Some(KeyId::from_bits(1)),
        target: Some(String::new()),
        action: Some(String::new()),
        since: Some(NOW),
        until: Some(NOW),
        origin: Some(Origin::Cli),
        owned: Some(crate::query::OwnedSince { after_row: 1, at: NOW }),
        request_id: None,
    };
    all.push(history::select(&filter, Some(1)));
    all.push(history::select(&HistoryFilter { request_id: Some(String::new()), ..filter }, Some(1)));
    all.push(history::select(&HistoryFilter::default(), None));
    all.into_iter().map(|select: Select| select.sql().to_owned()).collect()
}

#[test]
fn every_statement_prepares_on_the_schema() {
    let conn = database();
    let fixed = [
        accounts::STATEMENTS,
        changes::STATEMENTS,
        deleted::STATEMENTS,
        history::STATEMENTS,
        imports::STATEMENTS,
        keys::STATEMENTS,
        load::STATEMENTS,
        once::STATEMENTS,
        projects::STATEMENTS,
        reconcile::STATEMENTS,
        resources::STATEMENTS,
        restore::STATEMENTS,
        settings::STATEMENTS,
        teams::STATEMENTS,
        usage::STATEMENTS,
        writer::STATEMENTS,
    ];
    let fixed = fixed.concat();
    assert!(fixed.len() > 40, "the lists have got lost");
    for sql in fixed.into_iter().map(str::to_owned).chain(listings()) {
        if let Err(error) = conn.prepare(&sql) {
            panic!("{error}: {sql}");
        }
    }
}

/// How SQLite will go about a query.
fn plan(conn: &Connection, sql: &str) -> String {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps =
        statement.query_map(rusqlite::params_from_iter(unbound), |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
}

#[test]
fn what_is_asked_often_is_answered_by_an_index_in_order() {
    let conn = database();
    let check = |sql: &str, index: &str| {
        let plan = plan(&conn, sql);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}: {sql}");
    };
    let authority =
        |n: usize| KeyFilter { authorities: Some(vec![String::new(); n]), ..KeyFilter::default() };
    let listing = |filter| list::select_keys(&filter, None).page("id DESC", 9).sql().to_owned();
    check(&listing(authority(1)), "keys_by_authority");
    check(&listing(KeyFilter { kind: Some(Kind::Operator), ..KeyFilter::default() }), "keys_by_authority");
    let created_by = KeyFilter { created_by: Some(Actor::System), ..KeyFilter::default() };
    check(&listing(created_by), "keys_by_creator");
    check(teams::COUNT, "COVERING INDEX teams_by_created_for");
    check(projects::COUNT_OF_ACCOUNT, "COVERING INDEX projects_by_holder_account");
    check(projects::COUNT_OF_TEAM, "COVERING INDEX projects_by_holder_team");
    check(keys::LISTED, "COVERING INDEX keys_by_authority");
    check(keys::PURGE, "keys_by_expiry");
    check(keys::LOAD, "SCAN keys");
    check(keys::LOAD_PART, "SEARCH keys USING PRIMARY KEY");
    check(keys::OF_IMPORT, "keys_by_import");
    let by_target = HistoryFilter { target: Some(String::new()), ..HistoryFilter::default() };
    check(history::select(&by_target, None).page("row DESC", 9).sql(), "history_by_target");
    assert!(plan(&conn, &listing(authority(2))).contains("keys_by_authority"));
}

#[test]
fn a_row_that_does_not_decode_is_named() {
    let conn = database();
    let insert = "INSERT INTO accounts (id, closed, name, created_at, revision) VALUES (?1, 0, ?2, 0, 1)";
    conn.execute(insert, params![[7_u8; 16], "two\nlines"]).unwrap();
    let error = accounts::by_id(&conn, AccountId::from_bits(u128::from_be_bytes([7; 16]))).unwrap_err();
    let expect = "table accounts, row x'07070707070707070707070707070707': \
                  name: a name is one line without control characters";
    assert_eq!(error.to_string(), expect);
    assert!(!error.public().contains("accounts"));
}

#[test]
fn a_member_that_belongs_to_nothing_stops_the_load() {
    struct Ignore;
    impl crate::LoadVisitor for Ignore {
        fn account(&mut self, _: claviger_core::subject::Account) {}
        fn team(&mut self, _: claviger_core::subject::Team) {}
        fn project(&mut self, _: claviger_core::subject::Project) {}
        fn resource(&mut self, _: claviger_core::resource::Resource) {}
        fn key(&mut self, _: claviger_core::key::Digest, _: claviger_core::key::KeyEntry) {}
    }
    let conn = database();
    conn.pragma_update(None, "foreign_keys", false).unwrap();
    let insert = "INSERT INTO team_members (team, account, role) VALUES (?1, ?1, 'owner')";
    conn.execute(insert, params![[7_u8; 16]]).unwrap();
    let error = load::everything(&conn, std::path::Path::new("none"), Ignore).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("table team_members"), "{error}");
}
