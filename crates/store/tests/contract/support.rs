//! A fresh store for each test, records to put into it, and a model of what verification would see.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use claviger_core::change::{Change, ChangeItem};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::{Actor, CreatedVia, Digest, KeyEntry, KeyRecord, Metadata, Preview, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::name::Name;
use claviger_core::permit::{Task, TaskPermit, Undecided, WritePermit};
use claviger_core::principal::{
    Account, AccountRecord, Members, Project, ProjectOwner, ProjectRecord, ProjectRole, Team, TeamRecord,
    TeamRole,
};
use claviger_core::resource::{Owner, Resource, ResourceRecord, ResourceRef, Visibility};
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::{ResourceSubject, Subject};
use claviger_core::time::{Timestamp, UnixSeconds};
use claviger_store::{Audit, ChangeSink, LoadVisitor, NotApplied, Random, SqliteOptions, Store, StoreError};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const LIMIT: u32 = 100;

/// What verification would see.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) teams: BTreeMap<TeamId, Team>,
    pub(crate) projects: BTreeMap<ProjectId, Project>,
    pub(crate) resources: BTreeMap<ResourceRef, Resource>,
    pub(crate) keys: BTreeMap<Digest, KeyEntry>,
}

impl View {
    pub(crate) fn apply(&mut self, change: &Change) {
        for item in change.items.iter().cloned() {
            match item {
                ChangeItem::Key(digest, entry) => drop(self.keys.insert(digest, entry)),
                ChangeItem::KeyGone(digest) => drop(self.keys.remove(&digest)),
                ChangeItem::Account(account) => drop(self.accounts.insert(account.id, account)),
                ChangeItem::Team(team) => drop(self.teams.insert(team.id, team)),
                ChangeItem::Project(project) => drop(self.projects.insert(project.id, project)),
                ChangeItem::Resource(resource) => {
                    drop(self.resources.insert(resource.reference.clone(), resource));
                }
                ChangeItem::ResourceGone(reference) => drop(self.resources.remove(&reference)),
            }
        }
    }
}

impl LoadVisitor for View {
    fn account(&mut self, account: Account) {
        self.accounts.insert(account.id, account);
    }
    fn team(&mut self, team: Team) {
        self.teams.insert(team.id, team);
    }
    fn project(&mut self, project: Project) {
        self.projects.insert(project.id, project);
    }
    fn resource(&mut self, resource: Resource) {
        self.resources.insert(resource.reference.clone(), resource);
    }
    fn key(&mut self, digest: Digest, entry: KeyEntry) {
        let later = self.keys.last_key_value().is_none_or(|(last, _)| *last < digest);
        assert!(later, "keys come in the order of their digests");
        self.keys.insert(digest, entry);
    }
}

/// Every change, in the order in which the store told of them.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Change>>>);

impl ChangeSink for Recorder {
    fn apply(&mut self, change: &Change) -> Result<(), NotApplied> {
        self.0.lock().unwrap().push(change.clone());
        Ok(())
    }
}

impl Recorder {
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Change {
        self.changes().pop().unwrap()
    }

    pub(crate) fn view(&self) -> View {
        let mut view = View::default();
        self.changes().iter().for_each(|change| view.apply(change));
        view
    }
}

/// A store in a folder of its own.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) seen: Recorder,
    folder: tempfile::TempDir,
}

impl Fresh {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("claviger.db")
    }

    /// Closes the store and opens it again.
    pub(crate) async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let (store, seen) = open(self.path()).await.unwrap();
        Self { store, seen, folder: self.folder }
    }

    /// Opens a store again that was closed.
    pub(crate) async fn started(self) -> Self {
        let (store, seen) = open(self.path()).await.unwrap();
        Self { store, seen, folder: self.folder }
    }

    pub(crate) async fn loaded(&self) -> View {
        self.store.load(View::default()).await.unwrap().0
    }
}

/// Names of changes that differ even between two openings of one store.
pub(crate) fn random() -> Random {
    let seed = std::collections::hash_map::RandomState::new();
    let mut count = 0_u64;
    Box::new(move |buffer| {
        for byte in buffer {
            count += 1;
            *byte = std::hash::BuildHasher::hash_one(&seed, count) as u8;
        }
    })
}

pub(crate) async fn open(path: PathBuf) -> Result<(Store, Recorder), StoreError> {
    let seen = Recorder::default();
    let store = Store::open(SqliteOptions::at(path), random(), Box::new(seen.clone())).await?;
    Ok((store, seen))
}

/// A folder in memory where the machine has one: what is shown by thousands of syncs does not depend on a real disk.
pub(crate) fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(crate) async fn fresh() -> Fresh {
    fresh_in(tempfile::tempdir().unwrap()).await
}

async fn fresh_in(folder: tempfile::TempDir) -> Fresh {
    let (store, seen) = open(folder.path().join("claviger.db")).await.unwrap();
    Fresh { store, seen, folder }
}

/// A store with the account, the team, the project and the resource that bear the number 1.
pub(crate) async fn furnished() -> Fresh {
    furnish(fresh().await).await
}

/// The same, in memory.
pub(crate) async fn furnished_quickly() -> Fresh {
    furnish(fresh_in(quick_folder()).await).await
}

async fn furnish(fresh: Fresh) -> Fresh {
    let store = &fresh.store;
    store.create_account(account(1), audit("account:create")).await.unwrap();
    store.create_team(team(1, &[(1, TeamRole::Owner)]), LIMIT, audit("team:create")).await.unwrap();
    store.create_project(project(1, &[]), LIMIT, audit("project:create")).await.unwrap();
    store.put_resource(resource("notebook:a"), None, audit("resource:create")).await.unwrap();
    fresh
}

pub(crate) fn entry(action: &str) -> HistoryEntry {
    HistoryEntry {
        at: NOW,
        actor: Actor::System,
        key: None,
        action: action.into(),
        target: "operator".into(),
        subject: "operator".into(),
        origin: Origin::Api,
        address: "192.0.2.1".parse().ok(),
        request_id: Some("r1".into()),
        outcome: "done".into(),
        detail: "".into(),
        reasons: Default::default(),
    }
}

/// A permit that is always good.
pub(crate) const PERMIT: WritePermit = WritePermit::without_decision(Undecided::FirstStart);

/// That of a task.
pub(crate) const TASK: TaskPermit = TaskPermit::new(Task::Pruning);

pub(crate) fn audit(action: &str) -> Audit {
    Audit::new(PERMIT, entry(action))
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn account(n: u128) -> AccountRecord {
    AccountRecord {
        account: Account { id: AccountId::from_bits(n), external_id: None, closed: false },
        name: Some(name("Ada")),
        email: None,
        password: None,
        created_at: NOW,
        revision: 1,
    }
}

pub(crate) fn team(n: u128, members: &[(u128, TeamRole)]) -> TeamRecord {
    let members = members.iter().map(|(n, role)| (AccountId::from_bits(*n), *role)).collect();
    TeamRecord {
        team: Team {
            id: TeamId::from_bits(n),
            external_id: None,
            closed: false,
            members: Members::new(members),
        },
        name: name("Team"),
        created_at: NOW,
        revision: 1,
    }
}

/// A project that team 1 holds.
pub(crate) fn project(n: u128, members: &[(u128, ProjectRole)]) -> ProjectRecord {
    let members = members.iter().map(|(n, role)| (AccountId::from_bits(*n), *role)).collect();
    ProjectRecord {
        project: Project {
            external_id: None,
            id: ProjectId::from_bits(n),
            closed: false,
            owner: ProjectOwner::Team(TeamId::from_bits(1)),
            members: Members::new(members),
        },
        name: name("Project"),
        created_at: NOW,
        revision: 1,
    }
}

/// A resource that account 1 holds.
pub(crate) fn resource(reference: &str) -> ResourceRecord {
    ResourceRecord {
        resource: Resource {
            reference: ResourceRef::parse(reference).unwrap(),
            owner: Owner::Account(AccountId::from_bits(1)),
            creator: Some(AccountId::from_bits(1)),
            visibility: Visibility::Private,
            latest: Version::FIRST,
            references: Box::default(),
        },
        created_at: NOW,
        updated_at: NOW,
        revision: 1,
    }
}

/// An unexpired key with the number as its identifier and a digest made of it.
pub(crate) fn key_of(n: u128, subject: Subject) -> KeyRecord {
    KeyRecord {
        entry: KeyEntry {
            id: KeyId::from_bits(n),
            status: Status::Active,
            rights: Rights {
                subject,
                scopes: ScopeSet::parse(["notebook:read"]).unwrap(),
                expires_at: None,
                restrictions: Restrictions::default(),
            },
        },
        digest: Digest::of(&n.to_string()),
        preview: Preview::of("sk_", "abcd"),
        name: name("CI"),
        format: Some("account".into()),
        created_at: NOW,
        created_by: Actor::System,
        created_via: CreatedVia::Api,
        replaces: None,
        metadata: Metadata::default(),
        revision: 1,
    }
}

/// A key of account 1.
pub(crate) fn key(n: u128) -> KeyRecord {
    key_of(n, Subject::Account(AccountId::from_bits(1)))
}

pub(crate) fn resource_subject(reference: &str) -> Subject {
    Subject::Resource(Box::new(ResourceSubject {
        reference: ResourceRef::parse(reference).unwrap(),
        selector: Selector::From(Version::new(12).unwrap()),
        grants: Grants::BOTH,
    }))
}

pub(crate) fn seconds(from_now: i64) -> UnixSeconds {
    Timestamp::from_millis(NOW.millis() + from_now * 1_000).seconds()
}

/// A generator for tests: SplitMix64, reproducible from its seed.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
