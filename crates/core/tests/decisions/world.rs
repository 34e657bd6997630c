//! A small world: one of each owner, visibility and role.

use std::collections::BTreeMap;

use claviger_core::decide::{Credential, Snapshot};
use claviger_core::id::{AccountId, KeyId, ProjectId, TeamId};
use claviger_core::key::{KeyEntry, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::name::ExternalId;
use claviger_core::principal::{
    Account, Container, ContainerId, Members, Project, ProjectOwner, ProjectRole, Team, TeamRole,
};
use claviger_core::resource::{Owner, References, Resource, ResourceName, ResourceRef, Visibility};
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector, Version};
use claviger_core::subject::ResourceSubject;
use claviger_core::{Subject, Timestamp, UnixSeconds};

pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub const OLGA: AccountId = AccountId::from_bits(1); // owns the team, holds the notebook, holds nothing in the project
pub const ADA: AccountId = AccountId::from_bits(2); // admin of the team
pub const MIA: AccountId = AccountId::from_bits(3); // plain member; made one private team notebook
pub const PAM: AccountId = AccountId::from_bits(4); // admin of the project
pub const COL: AccountId = AccountId::from_bits(5); // collaborator; made one project notebook
pub const VIC: AccountId = AccountId::from_bits(6); // viewer
pub const SAM: AccountId = AccountId::from_bits(7); // stranger
pub const GONE: AccountId = AccountId::from_bits(8); // closed
pub const LAB: TeamId = TeamId::from_bits(1);
pub const ATLAS: ProjectId = ProjectId::from_bits(1); // held by PAM
pub const LABWORK: ProjectId = ProjectId::from_bits(2); // held by the team

#[derive(Default)]
pub struct World {
    pub accounts: BTreeMap<AccountId, Account>,
    pub teams: BTreeMap<TeamId, Team>,
    pub projects: BTreeMap<ProjectId, Project>,
    pub resources: BTreeMap<String, Resource>,
}

impl Snapshot for World {
    fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }
    fn team(&self, id: TeamId) -> Option<&Team> {
        self.teams.get(&id)
    }
    fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.get(&id)
    }
    fn by_external_id(&self, container: Container, external_id: &str) -> Option<ContainerId> {
        let has = |named: Option<&ExternalId>| named.is_some_and(|named| named.as_str() == external_id);
        match container {
            Container::Account => {
                let mut all = self.accounts.values();
                all.find(|it| has(it.external_id.as_ref())).map(|it| ContainerId::Account(it.id))
            }
            Container::Team => {
                let mut all = self.teams.values();
                all.find(|it| has(it.external_id.as_ref())).map(|it| ContainerId::Team(it.id))
            }
            Container::Project => {
                let mut all = self.projects.values();
                all.find(|it| has(it.external_id.as_ref())).map(|it| ContainerId::Project(it.id))
            }
        }
    }

    fn resource(&self, name: ResourceName<'_>) -> Option<&Resource> {
        self.resources.get(name.as_str())
    }
}

pub fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

/// The world that the matrices are drawn in. Every notebook has versions 1 to 3.
pub fn world() -> World {
    let mut world = World::default();
    for id in [OLGA, ADA, MIA, PAM, COL, VIC, SAM, GONE] {
        world.accounts.insert(id, Account { id, external_id: None, closed: id == GONE });
    }
    let members = vec![(OLGA, TeamRole::Owner), (ADA, TeamRole::Admin), (MIA, TeamRole::Member)];
    world
        .teams
        .insert(LAB, Team { id: LAB, external_id: None, closed: false, members: Members::new(members) });
    let members = Members::new(vec![(COL, ProjectRole::Collaborator), (VIC, ProjectRole::Viewer)]);
    let atlas =
        Project { id: ATLAS, external_id: None, closed: false, owner: ProjectOwner::Account(PAM), members };
    world.projects.insert(ATLAS, atlas);
    let owner = ProjectOwner::Team(LAB);
    let members = Members::new(vec![(PAM, ProjectRole::Admin)]);
    world.projects.insert(LABWORK, Project { id: LABWORK, external_id: None, closed: false, owner, members });
    let mut put = |id: &str, owner, creator, visibility| {
        let reference = ResourceRef::parse(&format!("notebook:{id}")).unwrap();
        let references = [References {
            version: version(2),
            secrets: Box::new(["TOKEN".into()]),
            databases: Box::new(["stations".into()]),
        }];
        let references = Box::new(references);
        let latest = version(3);
        let resource = Resource { reference, owner, creator, visibility, latest, references };
        world.resources.insert(format!("notebook:{id}"), resource);
    };
    let from_two = |before_shared| Visibility::PublicFrom { first: version(2), before_shared };
    put("own", Owner::Account(OLGA), Some(OLGA), Visibility::Private);
    put("open", Owner::Account(OLGA), Some(OLGA), Visibility::Public);
    put("open2", Owner::Account(OLGA), Some(OLGA), from_two(false));
    put("team", Owner::Team(LAB), Some(OLGA), Visibility::Shared);
    put("mias", Owner::Team(LAB), Some(MIA), Visibility::Private);
    put("teamopen2", Owner::Team(LAB), Some(OLGA), from_two(true));
    put("teamlate", Owner::Team(LAB), Some(OLGA), from_two(false));
    put("atlas", Owner::Project(ATLAS), Some(COL), Visibility::Private);
    put("labwork", Owner::Project(LABWORK), None, Visibility::Private);
    put("gone", Owner::Account(GONE), Some(GONE), Visibility::Public);
    world
}

pub fn key(subject: Subject, scopes: &str) -> KeyEntry {
    KeyEntry {
        id: KeyId::from_bits(99),
        status: Status::Active,
        rights: Rights {
            subject,
            scopes: ScopeSet::parse(scopes.split_whitespace()).unwrap(),
            expires_at: None,
            restrictions: Restrictions::default(),
        },
    }
}

pub fn resource_key(id: &str, selector: &str, grants: Grants) -> KeyEntry {
    let reference = ResourceRef::parse(&format!("notebook:{id}")).unwrap();
    let selector = if selector.is_empty() { Selector::Any } else { selector.parse().unwrap() };
    key(Subject::Resource(Box::new(ResourceSubject { reference, selector, grants })), "*:read")
}

/// Everyone who asks, by a name for the matrix.
pub struct Cast {
    pub keys: Vec<(&'static str, KeyEntry)>,
    pub people: Vec<(&'static str, AccountId)>,
}

pub fn cast() -> Cast {
    const ALL: &str = "*:* key:* account:* team:* project:* resource:* history:*";
    let mut disabled = key(Subject::Account(OLGA), ALL);
    disabled.status = Status::Disabled;
    let mut expired = key(Subject::Account(OLGA), ALL);
    expired.rights.expires_at = UnixSeconds::new(1_800_000_000);
    Cast {
        people: vec![
            ("olga (owner)", OLGA),
            ("ada (team admin)", ADA),
            ("mia (team member)", MIA),
            ("pam (project admin)", PAM),
            ("col (collaborator)", COL),
            ("vic (viewer)", VIC),
            ("sam (stranger)", SAM),
            ("gone (closed)", GONE),
        ],
        keys: vec![
            ("key of olga", key(Subject::Account(OLGA), ALL)),
            ("key of olga, *:read", key(Subject::Account(OLGA), "*:read")),
            ("key of olga, no scopes", key(Subject::Account(OLGA), "")),
            ("key of olga, disabled", disabled),
            ("key of olga, expired", expired),
            ("key of mia", key(Subject::Account(MIA), ALL)),
            ("key of pam", key(Subject::Account(PAM), ALL)),
            ("key of col", key(Subject::Account(COL), ALL)),
            ("key of vic", key(Subject::Account(VIC), ALL)),
            ("key of sam", key(Subject::Account(SAM), ALL)),
            ("key of gone", key(Subject::Account(GONE), ALL)),
            ("key of the team", key(Subject::Team(LAB), ALL)),
            ("key of atlas", key(Subject::Project(ATLAS), ALL)),
            ("key of labwork", key(Subject::Project(LABWORK), ALL)),
            ("key of notebook own", resource_key("own", "", Grants::BOTH)),
            ("key of notebook own@2", resource_key("own", "@2", Grants::BOTH)),
            ("key of notebook own@2...", resource_key("own", "@2...", Grants::default())),
            ("key of notebook mias", resource_key("mias", "", Grants::BOTH)),
            ("key of notebook gone", resource_key("gone", "", Grants::BOTH)),
            ("key of notebook lost", resource_key("lost", "@2", Grants::BOTH)),
            ("operator key", key(Subject::Operator, ALL)),
        ],
    }
}

impl Cast {
    /// Every credential by name, nobody first.
    pub fn credentials(&self) -> Vec<(&'static str, Credential<'_>)> {
        let people = self.people.iter().map(|(name, id)| (*name, Credential::SignedIn(*id)));
        let keys = self.keys.iter().map(|(name, key)| (*name, Credential::Key(key.into())));
        [("nobody", Credential::Anonymous), ("an unknown key", Credential::Unknown)]
            .into_iter()
            .chain(people)
            .chain(keys)
            .collect()
    }
}
