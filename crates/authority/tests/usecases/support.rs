//! An authority in a folder of its own, with an operator, two accounts, a team, a project and a notebook.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use claviger_authority::accounts::NewAccount;
use claviger_authority::groups::{NewProject, NewTeam};
use claviger_authority::keys::{CreatedKey, NewKey};
use claviger_authority::ports::{Clock, Ports, Random};
use claviger_authority::resources::{Audience, ResourceDescription};
use claviger_authority::settings::Settings;
use claviger_authority::{
    Authority, Caller, CallerCredential, Disk, DiskFaults, DiskOperation, Error, HistoryFilter,
    NamedByCaller, Page, SqliteOptions,
};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::key::{CreatedVia, Metadata, PresentedKey};
use claviger_core::name::{ExternalId, Name};
use claviger_core::principal::ProjectOwner;
use claviger_core::resource::{Owner, ResourceRef};
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::ResourceSubject;
use claviger_core::{AccountId, KeyId, ProjectId, Subject, TeamId, Timestamp, UnixSeconds};

/// Not on a whole second, as clocks are.
pub(crate) const START: i64 = 1_800_000_000_250;
pub(crate) const OPERATOR: &str = "operator-key-0123456789abcdefghijklmnop";

/// A wall clock that a test sets, and an uptime that only [`House::pass`] moves.
#[derive(Default)]
struct TestClock {
    wall: AtomicI64,
    uptime_millis: AtomicU64,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall.load(Ordering::SeqCst))
    }
    fn uptime(&self) -> Duration {
        Duration::from_millis(self.uptime_millis.load(Ordering::SeqCst))
    }
}

/// A disk on which operations of some kinds fail, for as long as they are named here.
#[derive(Clone, Default)]
pub(crate) struct Breakable(Arc<Mutex<Vec<DiskOperation>>>);

impl Breakable {
    pub(crate) fn breaks(&self, operations: &[DiskOperation]) {
        *self.0.lock().unwrap() = operations.to_vec();
    }
}

impl DiskFaults for Breakable {
    fn before(&self, operation: DiskOperation, _: &Path) -> std::io::Result<()> {
        match self.0.lock().unwrap().contains(&operation) {
            true => Err(std::io::Error::other("the simulated disk fails")),
            false => Ok(()),
        }
    }
}

/// SplitMix64, reproducible from its seed.
struct Seeded(AtomicU64);

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let seed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8;
        }
    }
}

pub(crate) struct House {
    pub(crate) authority: Authority,
    pub(crate) ada: AccountId,
    pub(crate) bob: AccountId,
    /// Ada's.
    pub(crate) team: TeamId,
    /// Ada's own.
    pub(crate) project: ProjectId,
    clock: Arc<TestClock>,
    ports: Ports,
    settings: Settings,
    folder: Arc<tempfile::TempDir>,
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text.split_whitespace()).unwrap()
}

pub(crate) fn caller(credential: CallerCredential) -> Caller {
    let address = "192.0.2.1".parse().ok();
    Caller {
        credential,
        address,
        web_origin: None,
        origin: Origin::Api,
        request_id: Some("r1".into()),
        named: NamedByCaller::default(),
    }
}

/// The code of the answer, whatever kind of error it is.
pub(crate) fn code<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::Refused { refusal, .. }) => refusal.code(),
        Err(Error::Conflict { code, .. }) => code,
        Err(Error::Invalid { field, .. }) => field,
        Err(Error::Stale { .. }) => "stale",
        Err(Error::OutcomeUnknown { .. }) => "outcome_unknown",
        Err(Error::Overtaken { .. } | Error::Contended) => "contended",
        Err(Error::TooFast { .. }) => "rate_limited",
        Err(Error::NotFresh) => "not_fresh",
        Err(Error::Store(_)) => "store",
    }
}

impl House {
    pub(crate) async fn build() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::on(Disk::default(), settings).await
    }

    pub(crate) async fn on(disk: Disk, settings: Settings) -> Self {
        static SEED: Mutex<u64> = Mutex::new(1);
        let seed = {
            let mut seed = SEED.lock().unwrap();
            *seed += 1;
            *seed
        };
        let clock = Arc::new(TestClock { wall: AtomicI64::new(START), ..TestClock::default() });
        let ports = Ports { clock: clock.clone(), random: Arc::new(Seeded(AtomicU64::new(seed << 32))) };
        let folder = Arc::new(folder());
        let options = SqliteOptions { disk, ..SqliteOptions::at(folder.path().join("claviger.db")) };
        let authority = Authority::open(options, settings.clone(), ports.clone()).await.unwrap();
        authority.first_start(folder.path(), Some(OPERATOR.to_owned())).await.unwrap();
        let operator = key_caller(&authority, OPERATOR);
        let account = async |id: &str| {
            let new = NewAccount { external_id: ExternalId::parse(id).ok(), ..NewAccount::default() };
            authority.create_account(&operator, new).await.unwrap().value.account.id
        };
        let (ada, bob) = (account("ada").await, account("bob").await);
        let by_ada = caller(CallerCredential::Account(ada));
        let new = NewTeam { name: name("Lab"), external_id: None, owner: None };
        let team = authority.create_team(&by_ada, new).await.unwrap().value.team.id;
        let owner = ProjectOwner::Account(ada);
        let new = NewProject { name: name("Atlas"), external_id: None, owner };
        let project = authority.create_project(&by_ada, new).await.unwrap().value.project.id;
        let house = Self { authority, ada, bob, team, project, clock, ports, settings, folder };
        house.put_notebook("notebook:a", Owner::Account(ada)).await;
        house
    }

    pub(crate) async fn put_notebook(&self, reference: &str, owner: Owner) {
        let description = ResourceDescription {
            reference: ResourceRef::parse(reference).unwrap(),
            owner,
            creator: None,
            audience: Audience::Private,
            latest: Version::FIRST,
            references: Vec::new(),
        };
        self.authority.put_resource(&self.operator(), description, None).await.unwrap();
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("claviger.db")
    }

    /// Opens the same folder again, closed or not.
    pub(crate) async fn reopened(self) -> Self {
        self.authority.close().await.unwrap();
        let options = SqliteOptions::at(self.path());
        let authority = Authority::open(options, self.settings.clone(), self.ports.clone()).await.unwrap();
        Self { authority, ..self }
    }

    /// What a crash at this moment leaves behind: a copy of the files as they are, opened.
    pub(crate) async fn copied(&self) -> Self {
        let copy = Arc::new(folder());
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        let options = SqliteOptions::at(copy.path().join("claviger.db"));
        let authority = Authority::open(options, self.settings.clone(), self.ports.clone()).await.unwrap();
        let (clock, ports, settings) = (Arc::clone(&self.clock), self.ports.clone(), self.settings.clone());
        let Self { ada, bob, team, project, .. } = *self;
        Self { authority, ada, bob, team, project, clock, ports, settings, folder: copy }
    }

    /// Lets time pass, as it does while somebody looks at the clock now and then.
    pub(crate) fn pass(&self, millis: i64) {
        let mut left = millis;
        while left > 0 {
            let step = left.min(5 * 86_400_000);
            self.clock.wall.fetch_add(step, Ordering::SeqCst);
            self.clock.uptime_millis.fetch_add(step.unsigned_abs(), Ordering::SeqCst);
            let _now = self.authority.now();
            left -= step;
        }
    }

    /// Sets the wall clock, ahead or back.
    pub(crate) fn set_clock(&self, millis: i64) {
        self.clock.wall.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn seconds_from_now(&self, seconds: u64) -> UnixSeconds {
        self.authority.now().seconds().plus(seconds)
    }

    pub(crate) fn operator(&self) -> Caller {
        self.with_key(OPERATOR)
    }

    pub(crate) fn ada(&self) -> Caller {
        caller(CallerCredential::Account(self.ada))
    }

    pub(crate) fn bob(&self) -> Caller {
        caller(CallerCredential::Account(self.bob))
    }

    pub(crate) fn with_key(&self, text: &str) -> Caller {
        key_caller(&self.authority, text)
    }

    pub(crate) fn of_ada(&self) -> Subject {
        Subject::Account(self.ada)
    }

    pub(crate) fn notebook(&self) -> Subject {
        Subject::Resource(Box::new(ResourceSubject {
            reference: ResourceRef::parse("notebook:a").unwrap(),
            selector: Selector::Any,
            grants: Grants::BOTH,
        }))
    }

    pub(crate) fn new_key(&self, subject: Subject, words: &str) -> NewKey {
        NewKey {
            name: name("CI"),
            subject,
            scopes: Some(scopes(words)),
            expires_at: None,
            format: None,
            restrictions: Restrictions::default(),
            metadata: Metadata::default(),
            via: CreatedVia::Api,
        }
    }

    /// A key, made by the operator.
    pub(crate) async fn key(&self, subject: Subject, words: &str) -> CreatedKey {
        let new = self.new_key(subject, words);
        self.authority.create_key(&self.operator(), new).await.unwrap().value
    }

    /// What whoever presents this text is told.
    pub(crate) async fn whoami(&self, text: &str) -> &'static str {
        code(self.authority.whoami(&self.with_key(text)).await)
    }

    pub(crate) async fn exists(&self, id: KeyId) -> bool {
        self.authority.key(&self.operator(), id).await.is_ok()
    }

    /// The history of an action, the latest first.
    pub(crate) async fn history(&self, action: &str) -> Vec<HistoryEntry> {
        let filter = HistoryFilter { action: Some(action.to_owned()), ..HistoryFilter::default() };
        let rows = self.authority.history(&self.operator(), filter, Page::first(1_000)).await.unwrap();
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// A folder in memory where there is one: what is tested here does not depend on a disk, and many writes are slow.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn key_caller(authority: &Authority, text: &str) -> Caller {
    caller(authority.identify(PresentedKey::parse(text).ok()))
}
