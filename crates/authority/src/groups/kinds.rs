//! What teams and projects differ in.

use std::fmt::{Debug, Display};

use claviger_core::decide::{RoleChange, Target};
use claviger_core::name::{ExternalId, Name};
use claviger_core::permit::RecordRef;
use claviger_core::principal::{Members, ProjectRecord, ProjectRole, Role, TeamRecord, TeamRole};
use claviger_core::revocation;
use claviger_core::scope::Action;
use claviger_core::{ProjectId, TeamId};
use claviger_store::{Audit, Committed, Store, StoreError};

use crate::authority::On;
use crate::settings::Settings;

/// A team or a project, by its identifier.
pub trait Group: Copy + Display + Send + Sync + 'static {
    /// What its members are in it.
    type Role: Role + Debug + Send + Sync;
    /// Everything that is known of it.
    type Record: Clone + PartialEq + Send + Sync;
    /// The type of its control actions, and of references to it.
    const TYPE: &'static str;
    /// The role that somebody always keeps.
    const KEPT: Option<Self::Role>;

    /// It, as decisions take it.
    fn target(self) -> Target<'static>;
    /// It, as permits rest on it.
    fn record(self) -> RecordRef;
    /// A change of somebody's role in it.
    fn role_change(self, before: Option<Self::Role>, after: Option<Self::Role>) -> RoleChange;
    /// Whether a change takes authority away from somebody.
    fn revokes(before: &Self::Record, after: &Self::Record) -> bool;
    /// What may change of a record.
    fn parts(record: &mut Self::Record) -> Parts<'_, Self::Role>;
    /// Reads it.
    fn load(self, store: &Store) -> impl Future<Output = Result<Option<Self::Record>, StoreError>> + Send;
    /// How many one account, or one owner, may have of it.
    fn limit(settings: &Settings) -> u32;
    /// Makes it.
    fn create(
        record: Self::Record,
        limit: u32,
        store: &Store,
        audit: Audit,
    ) -> impl Future<Output = Result<Committed<()>, StoreError>> + Send;
    /// Writes its next state, if it still is at the revision.
    fn update(
        record: Self::Record,
        revision: u64,
        store: &Store,
        audit: Audit,
    ) -> impl Future<Output = Result<Committed<()>, StoreError>> + Send;

    /// One of its control actions.
    #[must_use]
    fn action(verb: &'static str) -> Action<'static> {
        Action::literal(Self::TYPE, verb)
    }
}

/// How the history names it.
pub(super) fn on<G: Group>(group: G) -> On {
    let reference = format!("{}:{group}", G::TYPE);
    On::new(&reference, &reference)
}

/// What may change of a team or a project.
pub struct Parts<'r, R> {
    /// What people call it.
    pub name: &'r mut Name,
    /// The host's own identifier.
    pub external_id: &'r mut Option<ExternalId>,
    /// Whether it was closed.
    pub closed: &'r mut bool,
    /// Who belongs to it.
    pub members: &'r mut Members<R>,
    /// Counts its changes.
    pub revision: &'r mut u64,
}

impl Group for TeamId {
    type Role = TeamRole;
    type Record = TeamRecord;
    const TYPE: &'static str = "team";
    const KEPT: Option<TeamRole> = Some(TeamRole::Owner);

    fn target(self) -> Target<'static> {
        Target::Team(self)
    }

    fn record(self) -> RecordRef {
        RecordRef::Team(self)
    }

    fn role_change(self, before: Option<TeamRole>, after: Option<TeamRole>) -> RoleChange {
        RoleChange::Team(self, before, after)
    }

    fn revokes(before: &TeamRecord, after: &TeamRecord) -> bool {
        revocation::by_team(&before.team, &after.team)
    }

    fn parts(record: &mut TeamRecord) -> Parts<'_, TeamRole> {
        Parts {
            name: &mut record.name,
            external_id: &mut record.team.external_id,
            closed: &mut record.team.closed,
            members: &mut record.team.members,
            revision: &mut record.revision,
        }
    }

    async fn load(self, store: &Store) -> Result<Option<TeamRecord>, StoreError> {
        store.team(self).await
    }

    fn limit(settings: &Settings) -> u32 {
        settings.teams_per_account_max
    }

    async fn create(
        record: TeamRecord,
        limit: u32,
        store: &Store,
        audit: Audit,
    ) -> Result<Committed<()>, StoreError> {
        store.create_team(record, limit, audit).await
    }

    async fn update(
        record: TeamRecord,
        revision: u64,
        store: &Store,
        audit: Audit,
    ) -> Result<Committed<()>, StoreError> {
        store.update_team(record, revision, audit).await
    }
}

impl Group for ProjectId {
    type Role = ProjectRole;
    type Record = ProjectRecord;
    const TYPE: &'static str = "project";
    /// Whoever holds a project administers it, with a role in it or without.
    const KEPT: Option<ProjectRole> = None;

    fn target(self) -> Target<'static> {
        Target::Project(self)
    }

    fn record(self) -> RecordRef {
        RecordRef::Project(self)
    }

    fn role_change(self, before: Option<ProjectRole>, after: Option<ProjectRole>) -> RoleChange {
        RoleChange::Project(self, before, after)
    }

    fn revokes(before: &ProjectRecord, after: &ProjectRecord) -> bool {
        revocation::by_project(&before.project, &after.project)
    }

    fn parts(record: &mut ProjectRecord) -> Parts<'_, ProjectRole> {
        Parts {
            name: &mut record.name,
            external_id: &mut record.project.external_id,
            closed: &mut record.project.closed,
            members: &mut record.project.members,
            revision: &mut record.revision,
        }
    }

    async fn load(self, store: &Store) -> Result<Option<ProjectRecord>, StoreError> {
        store.project(self).await
    }

    fn limit(settings: &Settings) -> u32 {
        settings.projects_per_owner_max
    }

    async fn create(
        record: ProjectRecord,
        limit: u32,
        store: &Store,
        audit: Audit,
    ) -> Result<Committed<()>, StoreError> {
        store.create_project(record, limit, audit).await
    }

    async fn update(
        record: ProjectRecord,
        revision: u64,
        store: &Store,
        audit: Audit,
    ) -> Result<Committed<()>, StoreError> {
        store.update_project(record, revision, audit).await
    }
}
