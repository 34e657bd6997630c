//! What concerns the SQL itself.

use claviger_core::Kind;
use claviger_core::history::Origin;
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::Actor;
use claviger_core::lifecycle::Standing;
use claviger_core::name::{Email, ExternalId};
use claviger_core::principal::ProjectOwner;
use claviger_core::resource::{Owner, ResourceRef};
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

/// Before there was such a state, a key that was replaced without an overlap had a date in the past only.
#[test]
fn keys_that_were_replaced_earlier_are_retired_by_the_migration() {
    let mut conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(concat!(
        "CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT;",
        include_str!("../../migrations/sqlite/0001_initial.sql"),
        include_str!("../../migrations/sqlite/0002_key_life.sql"),
        include_str!("../../migrations/sqlite/0003_import_order.sql"),
        "INSERT INTO schema_migrations VALUES (1, ''), (2, ''), (3, '');",
    ))
    .unwrap();
    // Replaced at once, with an overlap, not at all though expired, and the two that replace.
    for (n, expires_at, created_at, replaces) in [
        (1, Some(500), 0, None),
        (2, Some(900), 0, None),
        (3, Some(500), 0, None),
        (4, None, 500_250, Some(1)),
        (5, None, 500_250, Some(2)),
    ] {
        let id = |n: u8| [[0; 15].as_slice(), &[n]].concat();
        conn.execute(
            "INSERT INTO keys (digest_head, digest_tail, id, kind, authority, scopes, status, expires_at, preview, name,
                created_at, created_by, created_via, replaces, revision)
            VALUES (?1, ?1, ?1, 'operator', 'operator', '', 'active', ?2, 'sk_...abcd', 'n', ?3, 'system', 'cli', ?4, 1)",
            params![id(n), expires_at, created_at, replaces.map(id)],
        )
        .unwrap();
    }
    schema::migrate(&mut conn, false).unwrap();
    let mut statement = conn.prepare("SELECT status, retired_at FROM keys ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?)));
    let rows = rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let active = || ("active".to_owned(), None);
    assert_eq!(rows, [("disabled".to_owned(), Some(500)), active(), active(), active(), active()]);
}

/// Each filter alone, and none.
fn key_filters() -> Vec<KeyFilter> {
    let none = KeyFilter::default;
    let subjects = |n: usize| Some(vec!["operator".to_owned(); n]);
    let mut all = vec![
        none(),
        KeyFilter { subjects: subjects(0), ..none() },
        KeyFilter { subjects: subjects(1), ..none() },
        KeyFilter { subjects: subjects(2), ..none() },
        KeyFilter { created_by: Some(Actor::System), ..none() },
        KeyFilter { unused_since: Some(NOW), ..none() },
    ];
    all.extend(Kind::ALL.map(|kind| KeyFilter { kind: Some(kind), ..none() }));
    all.extend(Standing::ALL.map(|standing| KeyFilter { standing: Some((standing, NOW)), ..none() }));
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
    for owner in [ProjectOwner::Account(account), ProjectOwner::Team(TeamId::from_bits(1))] {
        let filter =
            ProjectFilter { member: Some(account), owner: Some(owner), external_id: external_id.clone() };
        all.push(projects::select(&filter, Some(ProjectId::from_bits(1))));
    }
    let project = Owner::Project(ProjectId::from_bits(1));
    for owner in [Owner::Account(account), Owner::Team(TeamId::from_bits(1)), project] {
        let filter = ResourceFilter { owner: Some(owner), kind: Some("notebook".to_owned()) };
        all.push(resources::select(&filter, ResourceRef::parse("notebook:a").ok().as_ref()));
    }
    let filter = HistoryFilter {
        subject: Some(String::new()),
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
    let subject = |n: usize| KeyFilter { subjects: Some(vec![String::new(); n]), ..KeyFilter::default() };
    let listing = |filter| list::select_keys(&filter, None).page("id DESC", 9).sql().to_owned();
    check(&listing(subject(1)), "keys_by_subject");
    check(&listing(KeyFilter { kind: Some(Kind::Operator), ..KeyFilter::default() }), "keys_by_subject");
    let created_by = KeyFilter { created_by: Some(Actor::System), ..KeyFilter::default() };
    check(&listing(created_by), "keys_by_creator");
    check(teams::COUNT, "COVERING INDEX teams_by_created_for");
    check(projects::COUNT_OF_ACCOUNT, "COVERING INDEX projects_by_owner_account");
    check(projects::COUNT_OF_TEAM, "COVERING INDEX projects_by_owner_team");
    check(keys::LISTED, "COVERING INDEX keys_by_subject");
    check(keys::PURGE, "keys_by_expiry");
    check(keys::LOAD, "SCAN keys");
    check(keys::LOAD_PART, "SEARCH keys USING PRIMARY KEY");
    check(keys::OF_IMPORT, "keys_by_import");
    let by_target = HistoryFilter { target: Some(String::new()), ..HistoryFilter::default() };
    check(history::select(&by_target, None).page("row DESC", 9).sql(), "history_by_target");
    assert!(plan(&conn, &listing(subject(2))).contains("keys_by_subject"));
}

#[test]
fn a_row_that_does_not_decode_is_named() {
    let conn = database();
    let insert = "INSERT INTO accounts (id, closed, email, created_at, revision) VALUES (?1, 0, ?2, 0, 1)";
    conn.execute(insert, params![[7_u8; 16], "two\nlines"]).unwrap();
    let error = accounts::by_id(&conn, AccountId::from_bits(u128::from_be_bytes([7; 16]))).unwrap_err();
    let expect = "table accounts, row x'07070707070707070707070707070707': \
                  email: an e-mail address is `name@host`, such as `ada@example.org`: at most 254 bytes, no spaces, no invisible characters";
    assert_eq!(error.to_string(), expect);
    assert!(!error.public().contains("accounts"));
}

#[test]
fn a_member_that_belongs_to_nothing_stops_the_load() {
    struct Ignore;
    impl crate::LoadVisitor for Ignore {
        fn account(&mut self, _: claviger_core::principal::Account) {}
        fn team(&mut self, _: claviger_core::principal::Team) {}
        fn project(&mut self, _: claviger_core::principal::Project) {}
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
