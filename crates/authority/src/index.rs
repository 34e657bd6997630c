//! What verification reads: every key, account, team, project and resource, in memory.
//!
//! Readers never wait. Keys are in a table of their own ([`table`]), because there are millions of them and
//! every request looks one up; the rest is in lock-free maps of immutable values that are swapped whole.
//! [`Index::apply`] is the only thing that alters them; the store calls it in the order of commits, after
//! the commit and before the answer.

mod entry;
mod external;
mod hash;
mod load;
#[cfg(all(test, claviger_loom))]
mod model;
mod shard;
mod sync;
mod table;
#[cfg(all(test, not(claviger_loom)))]
mod tests;
mod word;

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_core::change::{Change, ChangeItem, Sequence};
use claviger_core::decide::Snapshot;
use claviger_core::id::{AccountId, ProjectId, TeamId};
use claviger_core::key::{Digest, KeyView};
use claviger_core::name::ExternalId;
use claviger_core::principal::{Account, Container, ContainerId, Project, Team};
use claviger_core::resource::{Resource, ResourceName, ResourceRef};
use external::ExternalIds;
use hash::Uniform;
pub use load::Loader;
use papaya::{HashMap, LocalGuard};
use sync::Held;
pub use table::Collision;
use table::{Directory, KeyTable};

/// Everything that verification reads.
#[derive(Default)]
pub struct Index {
    keys: KeyTable,
    accounts: HashMap<AccountId, Account, Uniform>,
    teams: HashMap<TeamId, Team, Uniform>,
    projects: HashMap<ProjectId, Project, Uniform>,
    resources: HashMap<ResourceRef, Resource>,
    external_ids: ExternalIds,
    applied: AtomicU64,
}

impl Index {
    /// Applies one committed change. Applying it again changes nothing.
    ///
    /// # Errors
    /// The first record that could not be taken in; the others were. The index differs from the store then.
    pub fn apply(&self, change: &Change) -> Result<(), Collision> {
        let mut outcome = Ok(());
        for item in &change.items {
            outcome = outcome.and(self.take_in(item.clone()));
        }
        self.applied.fetch_max(change.sequence.0, Ordering::Release);
        outcome
    }

    /// Takes in the new state of one record.
    ///
    /// # Errors
    /// A key whose digest shares its first 128 bits with another. The store refuses such a key before, so this
    /// means that store and index differ.
    fn take_in(&self, item: ChangeItem) -> Result<(), Collision> {
        match item {
            ChangeItem::Key(digest, entry) => return self.keys.put(&digest, entry),
            ChangeItem::KeyGone(digest) => self.keys.remove(&digest),
            ChangeItem::Account(account) => {
                let (id, now) = (account.id, account.external_id.clone());
                let accounts = self.accounts.pin();
                let before = accounts.insert(id, account).and_then(|before| before.external_id.clone());
                self.external_ids.put(ContainerId::Account(id), before.as_ref(), now);
            }
            ChangeItem::Team(team) => {
                let (id, now) = (team.id, team.external_id.clone());
                let teams = self.teams.pin();
                let before = teams.insert(id, team).and_then(|before| before.external_id.clone());
                self.external_ids.put(ContainerId::Team(id), before.as_ref(), now);
            }
            ChangeItem::Project(project) => {
                let (id, now) = (project.id, project.external_id.clone());
                let projects = self.projects.pin();
                let before = projects.insert(id, project).and_then(|before| before.external_id.clone());
                self.external_ids.put(ContainerId::Project(id), before.as_ref(), now);
            }
            ChangeItem::Resource(resource) => {
                self.resources.pin().insert(resource.reference.clone(), resource);
            }
            ChangeItem::ResourceGone(reference) => {
                self.resources.pin().remove(reference.as_bytes());
            }
        }
        Ok(())
    }

    /// Takes in the new state of one record, in tests and measurements, which keep their digests apart.
    #[cfg(any(test, feature = "measure"))]
    pub fn put(&self, item: ChangeItem) {
        if let Err(collision) = self.take_in(item) {
            tracing::error!(%collision, "a key was not taken into the index");
        }
    }

    /// Says up to which change the store had been read.
    pub fn loaded(&self, sequence: Sequence) {
        self.applied.fetch_max(sequence.0, Ordering::Release);
    }

    /// The last change applied.
    #[must_use]
    pub fn applied(&self) -> Sequence {
        Sequence(self.applied.load(Ordering::Acquire))
    }

    /// A view for one decision. What is seen through it stays readable while it lives, and keys are seen as
    /// of its first look-up or later, so nobody keeps one. What it shows may be acted on only after a check of
    /// whether it may still be trusted: [`Subject::read`](crate::Subject::read) does both.
    #[must_use]
    pub(crate) fn view(&self) -> View<'_> {
        View {
            index: self,
            keys: OnceCell::new(),
            accounts: OnceCell::new(),
            teams: OnceCell::new(),
            projects: OnceCell::new(),
            resources: OnceCell::new(),
        }
    }

    /// How many keys there are, expired and disabled ones included.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Bytes that the keys take, without the texts of scopes and restrictions that they share. Walks over
    /// all of them.
    #[cfg(any(test, feature = "measure"))]
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        self.keys.bytes()
    }

    fn adopt(&self, keys: load::Bulk) -> Result<(), Collision> {
        self.keys.adopt(keys)
    }

    /// A view whose freshness nobody checks, for measuring how long a look-up takes.
    #[cfg(feature = "measure")]
    #[must_use]
    pub fn view_to_measure(&self) -> View<'_> {
        self.view()
    }
}

/// A view of the index for one decision. A map is entered at the first look-up in it, so a look-up of a key
/// alone pays for nothing else.
pub struct View<'i> {
    index: &'i Index,
    keys: OnceCell<Held<Directory>>,
    accounts: OnceCell<LocalGuard<'i>>,
    teams: OnceCell<LocalGuard<'i>>,
    projects: OnceCell<LocalGuard<'i>>,
    resources: OnceCell<LocalGuard<'i>>,
}

impl View<'_> {
    /// The key with this digest.
    #[must_use]
    pub fn key(&self, digest: &Digest) -> Option<KeyView<'_>> {
        self.directory().key(digest)
    }

    /// The keys with these digests, in their order, added to `found`. Among many keys this takes about half
    /// the time of one look-up after the other.
    pub fn keys<'v>(&'v self, digests: &[Digest], found: &mut Vec<Option<KeyView<'v>>>) {
        self.directory().keys(digests, found);
    }

    fn directory(&self) -> &Directory {
        self.keys.get_or_init(|| self.index.keys.load())
    }
}

impl Snapshot for View<'_> {
    fn account(&self, id: AccountId) -> Option<&Account> {
        let map = &self.index.accounts;
        map.get(&id, self.accounts.get_or_init(|| map.guard()))
    }

    fn team(&self, id: TeamId) -> Option<&Team> {
        let map = &self.index.teams;
        map.get(&id, self.teams.get_or_init(|| map.guard()))
    }

    fn project(&self, id: ProjectId) -> Option<&Project> {
        let map = &self.index.projects;
        map.get(&id, self.projects.get_or_init(|| map.guard()))
    }

    fn resource(&self, name: ResourceName<'_>) -> Option<&Resource> {
        let map = &self.index.resources;
        map.get(name.as_str().as_bytes(), self.resources.get_or_init(|| map.guard()))
    }
    fn by_external_id(&self, container: Container, external_id: &str) -> Option<ContainerId> {
        let found = self.index.external_ids.find(container, external_id)?;
        // The record has the last word: while a name moves, it may be found at the one that has lost it.
        let named = match found {
            ContainerId::Account(id) => self.account(id)?.external_id.as_ref(),
            ContainerId::Team(id) => self.team(id)?.external_id.as_ref(),
            ContainerId::Project(id) => self.project(id)?.external_id.as_ref(),
        };
        (named.map(ExternalId::as_str) == Some(external_id)).then_some(found)
    }
}
