//! A database of each earlier schema, with data in each of its tables, is brought up to date, and every record reads
//! back as it was. The fixture of a migration is data that its schema can hold for the first time.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_core::history::Origin;
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::{Actor, CreatedVia, Digest, Metadata};
use claviger_core::lifecycle::Status;
use claviger_core::principal::{ProjectOwner, ProjectRole, TeamRole};
use claviger_core::resource::{Owner, ResourceRef, Visibility};
use claviger_core::restriction::QuotaPeriod;
use claviger_core::selector::{Selector, Version};
use claviger_core::time::{Timestamp, UnixSeconds};
use claviger_store::{HistoryFilter, KeyFilter, Once, Page, Store, StoreError, StoredKey, Taken, UsageStep};
use rusqlite::Connection;

use super::support::*;

/// In the header of every database of ours.
const APPLICATION_ID: i32 = 0x436c_7667;

/// A released migration: its number and name, as its file is called, and its statements.
struct Migration {
    number: String,
    name: String,
    sql: String,
}

fn migrations() -> Vec<Migration> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    files.sort();
    let read = |path: PathBuf| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let (number, name) = stem.split_once('_').unwrap();
        Migration {
            number: number.to_owned(),
            name: name.to_owned(),
            sql: fs::read_to_string(&path).unwrap(),
        }
    };
    files.into_iter().map(read).collect()
}

/// A database as a program wrote it that knew these migrations.
fn earlier(path: &Path, migrations: &[Migration]) {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.pragma_update(None, "foreign_keys", true).unwrap();
    conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    conn.execute_batch(
        "CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT",
    )
    .unwrap();
    for (version, migration) in (1..).zip(migrations) {
        conn.execute_batch(&migration.sql).unwrap();
        let row = (version, &migration.name);
        conn.execute("INSERT INTO schema_migrations (version, name) VALUES (?1, ?2)", row).unwrap();
        let fixture = format!("{}/tests/fixtures/{}.sql", env!("CARGO_MANIFEST_DIR"), migration.number);
        if let Ok(data) = fs::read_to_string(&fixture) {
            conn.execute_batch(&data).unwrap_or_else(|error| panic!("{fixture}: {error}"));
        }
    }
    let mut tables = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    for table in tables.collect::<Vec<_>>() {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let rows = conn.query_row(&sql, [], |row| row.get::<_, u64>(0)).unwrap();
        assert!(rows > 0, "{table} is empty: add data to the fixture of the migration that creates it");
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

async fn stored(store: &Store, n: u128) -> StoredKey {
    store.key(KeyId::from_bits(n)).await.unwrap().unwrap_or_else(|| panic!("key {n} is gone"))
}

async fn check_subjects(store: &Store) {
    let ada = store.account(AccountId::from_bits(1)).await.unwrap().unwrap();
    assert_eq!(
        (ada.account.closed, ada.name, ada.email.unwrap().as_str(), ada.created_at, ada.revision),
        (false, Some(name("Ada")), "ada@example.org", at(0), 3)
    );
    assert_eq!(ada.account.external_id.unwrap().as_str(), "user-1");
    assert!(ada.password.unwrap().expose().starts_with("$argon2id$"));
    let other = store.account(AccountId::from_bits(2)).await.unwrap().unwrap();
    assert!(other.account.closed && other.name.is_none() && other.email.is_none());
    let team = store.team(TeamId::from_bits(1)).await.unwrap().unwrap();
    let members = team.team.members.iter().collect::<Vec<_>>();
    assert_eq!(members.len(), 2);
    assert_eq!(team.team.members.role(AccountId::from_bits(1)), Some(TeamRole::Owner));
    assert_eq!((team.name, team.team.external_id.unwrap().as_str(), team.revision), (name("Lab"), "lab", 2));
    let project = store.project(ProjectId::from_bits(1)).await.unwrap().unwrap();
    assert_eq!(project.project.owner, ProjectOwner::Team(TeamId::from_bits(1)));
    assert_eq!(project.project.members.role(AccountId::from_bits(2)), Some(ProjectRole::Viewer));
    let resource = store.resource(ResourceRef::parse("notebook:a").unwrap()).await.unwrap().unwrap();
    let (found, version) = (resource.resource, |n| Version::new(n).unwrap());
    assert_eq!(found.owner, Owner::Account(AccountId::from_bits(1)));
    assert_eq!(found.creator, Some(AccountId::from_bits(1)));
    assert_eq!(found.visibility, Visibility::PublicFrom { first: version(5), before_shared: false });
    assert_eq!((found.latest, found.references.len(), resource.revision), (version(7), 1, 4));
    let references = &found.references[0];
    assert_eq!((&*references.secrets[0], references.databases.len()), ("token", 2));
}

async fn check_keys(store: &Store, imports: bool) {
    let first = stored(store, 1).await;
    let (record, rights) = (&first.record, &first.record.entry.rights);
    assert_eq!(record.digest, Digest::of("1"));
    assert_eq!(rights.subject.to_string(), "account:acct_00000000000000000000000001");
    assert_eq!(
        rights.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["notebook:read", "run:create"]
    );
    assert_eq!(rights.expires_at, UnixSeconds::new(4_102_444_800));
    let restrictions = &rights.restrictions;
    assert_eq!(restrictions.addresses.as_ref().unwrap()[0].to_string(), "192.0.2.0/24");
    assert_eq!(restrictions.origins.as_ref().unwrap()[0].as_str(), "https://example.org");
    assert_eq!(restrictions.rate.map(|rate| (rate.limit, rate.period_seconds)), Some((5, 60)));
    assert_eq!(restrictions.quota.map(|quota| (quota.limit, quota.period)), Some((100, QuotaPeriod::Month)));
    let metadata = Metadata::new([("stage".to_owned(), "production".to_owned())]).unwrap();
    assert_eq!((&record.metadata, record.revision, &record.name), (&metadata, 6, &name("CI")));
    assert_eq!(record.created_via, CreatedVia::App("myapp".into()));
    assert_eq!(record.created_by, Actor::Account(AccountId::from_bits(1)));
    assert_eq!((record.replaces, record.format.as_deref()), (Some(KeyId::from_bits(0x63)), Some("account")));
    assert_eq!((first.last_used_at, first.last_used_from), (Some(at(60_000)), "2001:db8::1".parse().ok()));
    let second = stored(store, 2).await.record;
    assert_eq!((second.entry.status, second.entry.rights.scopes.iter().count()), (Status::Disabled, 0));
    let fourth = stored(store, 4).await.record;
    let claviger_core::subject::Subject::Resource(resource) = &fourth.entry.rights.subject else {
        panic!("{fourth:?}")
    };
    assert_eq!(resource.selector, Selector::From(Version::new(5).unwrap()));
    assert_eq!(resource.grants.words().collect::<Vec<_>>(), ["secrets"]);
    let listed = store.keys(KeyFilter::default(), Page::first(100)).await.unwrap();
    assert_eq!(listed.len(), 5, "what is staged is not listed");
    let view = store.load(View::default()).await.unwrap().0;
    assert_eq!((view.keys.len(), view.accounts.len(), view.resources.len()), (5, 2, 1));
    if imports {
        assert_eq!(store.open_imports().await.unwrap(), [3]);
        assert_eq!(store.digests_taken(vec![Digest::of("6")]).await.unwrap(), [Some(Taken::Key)]);
        let once = Once { name: [1; 32], fingerprint: [2; 32], reference: String::new(), at: at(9) };
        let replayed = store.check_once(once).await.unwrap_err();
        assert!(
            matches!(&replayed, StoreError::Replayed { reference } if reference.ends_with("01")),
            "{replayed}"
        );
        let from = UnixSeconds::new(1_699_999_200).unwrap();
        for (step, expect) in [(UsageStep::Hour, (7, 2)), (UsageStep::Minute, (3, 1))] {
            let usage = store.usage(KeyId::from_bits(1), from, from.plus(3_600), step, 9).await.unwrap();
            assert_eq!(usage.iter().map(|u| (u.allowed, u.refused)).collect::<Vec<_>>(), [expect]);
        }
    }
}

async fn check_the_rest(store: &Store) {
    let history = store.history(HistoryFilter::default(), Page::first(10)).await.unwrap();
    let rows = history.iter().map(|(_, row)| (&*row.action, row.origin, row.at)).collect::<Vec<_>>();
    assert_eq!(rows, [("key:delete", Origin::Api, at(9)), ("key:create", Origin::Site, at(0))]);
    assert_eq!(history[1].1.address, "192.0.2.1".parse().ok());
    assert_eq!(history[0].1.key, Some(KeyId::from_bits(5)));
    let formats = store.remember_formats(Vec::new(), TASK).await.unwrap();
    assert_eq!(formats.len(), 1);
    assert_eq!(store.setting("operator_key_installed").await.unwrap().as_deref(), Some("yes"));
    assert_eq!(store.sequence().await.unwrap().0, 9);
    let changes = store.changes_since(claviger_core::change::Sequence(7), 10).await.unwrap().unwrap();
    assert_eq!(changes.iter().map(|change| change.items.len()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.change(changes[1].id).await.unwrap().unwrap().0, 9);
    assert_eq!(store.latest_time().await.unwrap(), Some(at(9)), "that of the latest row of the history");
}

#[tokio::test]
async fn every_record_of_every_earlier_schema_reads_back() {
    let migrations = migrations();
    for version in 1..=migrations.len() {
        let folder = quick_folder();
        let path = folder.path().join("claviger.db");
        earlier(&path, &migrations[..version]);
        let (store, seen) =
            open(path.clone()).await.unwrap_or_else(|error| panic!("schema {version}: {error}"));
        let imports = migrations[..version].iter().any(|migration| migration.number == "0002");
        check_subjects(&store).await;
        check_keys(&store, imports).await;
        check_the_rest(&store).await;
        if migrations[..version].iter().any(|migration| migration.number == "0007") {
            let taken = store.digests_taken(vec![Digest::of("9")]).await.unwrap();
            assert_eq!(taken, [Some(Taken::Deleted)], "a deleted key stays deleted");
        }
        // And it can be written.
        store.create_key(key(77), LIMIT, audit("key:create")).await.unwrap();
        assert_eq!(seen.last().sequence.0, 10);
        store.close().await.unwrap();
        let conn = Connection::open(&path).unwrap();
        let schema = conn.query_row("SELECT max(version) FROM schema_migrations", [], |row| row.get(0));
        assert_eq!(schema, Ok(migrations.len()));
        let broken = conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0));
        assert_eq!(broken, Ok(0), "schema {version}");
    }
}
