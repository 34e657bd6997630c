//! Teams and projects, and who belongs to them.

use claviger_core::decide::{Access, Credential, Snapshot};
use claviger_core::decide::{Missing, Refusal, Target};
use claviger_core::key::Actor;
use claviger_core::limit::MEMBERS_MAX;
use claviger_core::name::{ExternalId, Name};
use claviger_core::scope::Action;
use claviger_core::subject::{
    Members, Project, ProjectHolder, ProjectRecord, ProjectRole, Role, Team, TeamRecord, TeamRole,
};
use claviger_core::{AccountId, Authority as KeyAuthority, ProjectId, TeamId};
use claviger_store::{Page, ProjectFilter, StoreError, TeamFilter};

use crate::authority::{Authority, Changed, On, Permitted};
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;
use crate::keys::{ATTEMPTS_MAX, contended};
use crate::listing::visible;

/// A team to be made.
#[derive(Debug, Clone)]
pub struct NewTeam {
    /// What people call it.
    pub name: Name,
    /// The host's own identifier.
    pub external_id: Option<ExternalId>,
    /// Its first owner. An account that makes a team owns it.
    pub owner: Option<AccountId>,
}

/// A project to be made.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// What people call it.
    pub name: Name,
    /// The host's own identifier.
    pub external_id: Option<ExternalId>,
    /// Who holds it.
    pub holder: ProjectHolder,
}

/// What may be changed of a team or a project. What is absent stays.
#[derive(Debug, Clone, Default)]
pub struct GroupPatch {
    /// Another name.
    pub name: Option<Name>,
    /// Another identifier of the host, or none.
    pub external_id: Option<Option<ExternalId>>,
    /// Closed, or open again.
    pub closed: Option<bool>,
}

impl GroupPatch {
    fn verb(&self) -> &'static str {
        if self.closed == Some(true) { "delete" } else { "update" }
    }
}

const fn team(verb: &'static str) -> Action<'static> {
    Action::literal("team", verb)
}

const fn project(verb: &'static str) -> Action<'static> {
    Action::literal("project", verb)
}

fn on_team(id: TeamId) -> On {
    On::new(format_args!("team:{id}"), format_args!("team:{id}"))
}

fn on_project(id: ProjectId) -> On {
    On::new(format_args!("project:{id}"), format_args!("project:{id}"))
}

/// The members after one was given a role, or removed.
fn with_role<R: Role>(members: &Members<R>, account: AccountId, role: Option<R>) -> Result<Members<R>> {
    let mut next = members.iter().filter(|(id, _)| *id != account).collect::<Vec<_>>();
    next.extend(role.map(|role| (account, role)));
    if next.len() > MEMBERS_MAX {
        let detail = format!("There are already {MEMBERS_MAX} members, and no more are allowed.");
        return Err(Error::Conflict { code: "member_limit_reached", detail });
    }
    Ok(Members::new(next))
}

fn describe<R: Role>(account: AccountId, before: Option<R>, after: Option<R>) -> String {
    let word = |role: Option<R>| role.map_or("none", Role::as_str);
    format!("account:{account}: {} -> {}", word(before), word(after))
}

impl Authority {
    /// Makes a team.
    ///
    /// # Errors
    /// Refused to all but operators and accounts that make one for themselves.
    pub async fn create_team(&self, caller: &Caller, new: NewTeam) -> Result<Changed<TeamRecord>> {
        self.create_team_once(caller, new, None).await
    }

    /// Makes a team, unless this very request was carried out before.
    ///
    /// # Errors
    /// As [`Authority::create_team`]; the conflicts `idempotency_replayed`, which tells what was made, and
    /// `idempotency_mismatch`.
    pub async fn create_team_once(
        &self,
        caller: &Caller,
        new: NewTeam,
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<TeamRecord>> {
        let since = self.now();
        let owner = new.owner.or_else(|| self.account_of(caller));
        let target = owner.map_or(Target::Operator, Target::Account);
        let by = self.permit(caller, team("create"), target)?;
        self.may_name(caller, new.external_id.is_some())?;
        let members = Members::new(owner.map(|owner| (owner, TeamRole::Owner)).into_iter().collect());
        let record = TeamRecord {
            team: Team { id: self.new_id(), closed: false, members },
            name: new.name,
            external_id: new.external_id,
            created_at: since,
            revision: 1,
        };
        let (on, detail) = (on_team(record.team.id), format!("name: {}", record.name));
        let audit = self.audit(caller, by, team("create"), on, detail).once(self.once(
            by,
            idempotency.as_ref(),
            record.team.id,
        ));
        let committed = self.shared.store.create_team(record.clone(), audit).await?;
        let Changed { change, .. } = self.made(committed, since, false);
        Ok(Changed { value: record, change })
    }

    /// The account that a caller acts as, if it does.
    pub(crate) fn account_of(&self, caller: &Caller) -> Option<AccountId> {
        let view = self.shared.index.view();
        match caller.credential(&view) {
            Credential::SignedIn(id) => Some(id),
            Credential::Key(key) => match key.rights.authority {
                KeyAuthority::Account(id) => Some(id),
                KeyAuthority::Team(_)
                | KeyAuthority::Project(_)
                | KeyAuthority::Resource(_)
                | KeyAuthority::Operator => None,
            },
            Credential::Anonymous | Credential::Unknown => None,
        }
    }

    pub(crate) fn is_operator(&self, caller: &Caller) -> bool {
        let view = self.shared.index.view();
        matches!(caller.credential(&view), Credential::Key(key) if key.rights.authority == KeyAuthority::Operator)
    }

    /// Whether the caller may say what the host calls something. The host takes whoever has its identifier for
    /// the one it means, so people must not be able to take one that is not theirs.
    pub(crate) fn may_name(&self, caller: &Caller, names: bool) -> Result<()> {
        if names && !self.is_operator(caller) {
            return Err(Error::invalid("external_id", "only operators say what the host calls something"));
        }
        Ok(())
    }

    /// A team, for those who belong to it.
    ///
    /// # Errors
    /// Not found for everyone else.
    pub async fn team(&self, caller: &Caller, id: TeamId) -> Result<TeamRecord> {
        self.permit(caller, team("read"), Target::Team(id))?;
        self.shared.store.team(id).await?.ok_or_else(Error::not_found)
    }

    /// Teams, the newest first: all for operators, for an account its own as far as the credential reaches them.
    ///
    /// # Errors
    /// Refused to other keys.
    pub async fn teams(
        &self,
        caller: &Caller,
        mut filter: TeamFilter,
        page: Page<TeamId>,
    ) -> Result<Vec<TeamRecord>> {
        if !self.is_operator(caller) {
            // The teams of an account are listed to the account alone.
            let own = self.account_of(caller);
            filter.member = filter.member.or(own);
        }
        let target = match filter.member {
            Some(account) => Target::Account(account),
            None => Target::Operator,
        };
        self.permit(caller, team("read"), target)?;
        let read = |page| self.shared.store.teams(filter.clone(), page);
        let may =
            |record: &TeamRecord| self.permit(caller, team("read"), Target::Team(record.team.id)).is_ok();
        visible(page, read, |record| record.team.id, may).await
    }

    /// Changes a team. Closing it ends every key that stands for it, at once.
    ///
    /// # Errors
    /// Not found for those who do not belong to it, refused to those who do not administer it.
    pub async fn update_team(
        &self,
        caller: &Caller,
        id: TeamId,
        patch: GroupPatch,
        revision: Option<u64>,
    ) -> Result<Changed<TeamRecord>> {
        let action = team(patch.verb());
        let by = self.permit(caller, action, Target::Team(id))?;
        self.may_name(caller, patch.external_id.is_some())?;
        self.change_team(caller, (by, action), id, revision, |record| {
            record.name = patch.name.clone().unwrap_or_else(|| record.name.clone());
            record.external_id = patch.external_id.clone().unwrap_or_else(|| record.external_id.clone());
            record.team.closed = patch.closed.unwrap_or(record.team.closed);
            Ok(patch.closed.map(|closed| format!("closed: {closed}")).unwrap_or_default())
        })
        .await
    }

    /// Gives an account a role in a team, or takes it out.
    ///
    /// # Errors
    /// Refused to those who do not administer the team; only owners and operators make or unmake owners,
    /// and the last owner stays.
    pub async fn set_team_role(
        &self,
        caller: &Caller,
        id: TeamId,
        account: AccountId,
        role: Option<TeamRole>,
    ) -> Result<Changed<TeamRecord>> {
        let action = team("update");
        let by = self.permit(caller, action, Target::Team(id))?;
        let may_own = self.owns(caller, id);
        self.known_member(account)?;
        self.change_team(caller, (by, action), id, None, |record| {
            let members = &record.team.members;
            let before = members.role(account);
            if role.is_none() && before.is_none() {
                return Err(Error::not_found());
            }
            if before == role {
                return Ok(String::new());
            }
            let about_owners = before == Some(TeamRole::Owner) || role == Some(TeamRole::Owner);
            if about_owners && !may_own {
                return Err(Error::refused(
                    Refusal::Forbidden(Missing::Access(Access::Administer)),
                    "team:update of owners",
                ));
            }
            let next = with_role(members, account, role)?;
            let owners = next.iter().filter(|(_, role)| *role == TeamRole::Owner).count();
            if before == Some(TeamRole::Owner) && owners == 0 {
                let detail =
                    "A team keeps at least one owner; make another account an owner first.".to_owned();
                return Err(Error::Conflict { code: "last_owner", detail });
            }
            record.team.members = next;
            Ok(describe(account, before, role))
        })
        .await
    }

    /// Whether the caller may make and unmake the owners of a team.
    fn owns(&self, caller: &Caller, id: TeamId) -> bool {
        let view = self.shared.index.view();
        match caller.credential(&view) {
            Credential::SignedIn(account) => {
                view.team(id).and_then(|team| team.members.role(account)) == Some(TeamRole::Owner)
            }
            Credential::Key(key) => key.rights.authority == KeyAuthority::Operator,
            Credential::Anonymous | Credential::Unknown => false,
        }
    }

    /// Only accounts that exist become members, and nobody learns of one that does not.
    fn known_member(&self, account: AccountId) -> Result<()> {
        let view = self.shared.index.view();
        if view.account(account).is_some() { Ok(()) } else { Err(Error::not_found()) }
    }

    async fn change_team(
        &self,
        caller: &Caller,
        (by, action): (Permitted, Action<'static>),
        id: TeamId,
        revision: Option<u64>,
        change: impl Fn(&mut TeamRecord) -> Result<String>,
    ) -> Result<Changed<TeamRecord>> {
        let since = self.now();
        for _ in 0..ATTEMPTS_MAX {
            let before = self.shared.store.team(id).await?.ok_or_else(Error::not_found)?;
            if revision.is_some_and(|seen| seen != before.revision) {
                return Err(Error::Stale { current: before.revision });
            }
            let mut next = before.clone();
            let detail = match change(&mut next) {
                Ok(detail) => detail,
                Err(error) => {
                    // Whoever hears that an account is no member may rely on it, also in the index.
                    self.settle().await?;
                    return Err(error);
                }
            };
            if next == before {
                return self.nothing_to_do(next, since, next_revokes(action)).await;
            }
            next.revision += 1;
            let revokes = next.team.closed || weakens(&before.team.members, &next.team.members);
            let audit = self.audit(caller, by, action, on_team(id), detail);
            match self.shared.store.update_team(next.clone(), before.revision, audit).await {
                Ok(committed) => {
                    let Changed { change, .. } = self.made(committed, since, revokes);
                    return Ok(Changed { value: next, change });
                }
                Err(StoreError::Stale { .. }) if revision.is_none() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }

    /// Makes a project.
    ///
    /// # Errors
    /// Refused to those who do not administer what shall hold it.
    pub async fn create_project(&self, caller: &Caller, new: NewProject) -> Result<Changed<ProjectRecord>> {
        self.create_project_once(caller, new, None).await
    }

    /// Makes a project, unless this very request was carried out before.
    ///
    /// # Errors
    /// As [`Authority::create_project`]; the conflicts `idempotency_replayed`, which tells what was made, and
    /// `idempotency_mismatch`.
    pub async fn create_project_once(
        &self,
        caller: &Caller,
        new: NewProject,
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<ProjectRecord>> {
        let since = self.now();
        let target = match new.holder {
            ProjectHolder::Account(id) => Target::Account(id),
            ProjectHolder::Team(id) => Target::Team(id),
        };
        let by = self.permit(caller, project("create"), target)?;
        self.may_name(caller, new.external_id.is_some())?;
        let members = match (new.holder, by.actor) {
            // Who makes a project for a team works in it; the holder of its own is its admin anyway.
            (ProjectHolder::Team(_), Actor::Account(account)) => {
                Members::new(vec![(account, ProjectRole::Admin)])
            }
            _ => Members::default(),
        };
        let record = ProjectRecord {
            project: Project { id: self.new_id(), closed: false, holder: new.holder, members },
            name: new.name,
            external_id: new.external_id,
            created_at: since,
            revision: 1,
        };
        let on = on_project(record.project.id);
        let audit = self
            .audit(caller, by, project("create"), on, format!("name: {}", record.name))
            .once(self.once(by, idempotency.as_ref(), record.project.id));
        let committed = self.shared.store.create_project(record.clone(), audit).await?;
        let Changed { change, .. } = self.made(committed, since, false);
        Ok(Changed { value: record, change })
    }

    /// A project, for those who work in it.
    ///
    /// # Errors
    /// Not found for everyone else.
    pub async fn project(&self, caller: &Caller, id: ProjectId) -> Result<ProjectRecord> {
        self.permit(caller, project("read"), Target::Project(id))?;
        self.shared.store.project(id).await?.ok_or_else(Error::not_found)
    }

    /// Projects, the newest first: all for operators, its own for an account.
    ///
    /// # Errors
    /// Refused to other keys.
    pub async fn projects(
        &self,
        caller: &Caller,
        mut filter: ProjectFilter,
        page: Page<ProjectId>,
    ) -> Result<Vec<ProjectRecord>> {
        if !self.is_operator(caller) && filter.holder.is_none() {
            let own = self.account_of(caller);
            filter.member = filter.member.or(own);
        }
        let target = match (filter.holder, filter.member) {
            (Some(ProjectHolder::Account(id)), _) | (None, Some(id)) => Target::Account(id),
            (Some(ProjectHolder::Team(id)), _) => Target::Team(id),
            (None, None) => Target::Operator,
        };
        self.permit(caller, project("read"), target)?;
        let read = |page| self.shared.store.projects(filter.clone(), page);
        // Whoever belongs to a team need not work in every project that it holds.
        let may = |record: &ProjectRecord| {
            self.permit(caller, project("read"), Target::Project(record.project.id)).is_ok()
        };
        visible(page, read, |record| record.project.id, may).await
    }

    /// Changes a project. Closing it ends every key that stands for it, at once.
    ///
    /// # Errors
    /// Not found for those who do not work in it, refused to those who do not administer it.
    pub async fn update_project(
        &self,
        caller: &Caller,
        id: ProjectId,
        patch: GroupPatch,
        revision: Option<u64>,
    ) -> Result<Changed<ProjectRecord>> {
        let action = project(patch.verb());
        let by = self.permit(caller, action, Target::Project(id))?;
        self.may_name(caller, patch.external_id.is_some())?;
        self.change_project(caller, (by, action), id, revision, |record| {
            record.name = patch.name.clone().unwrap_or_else(|| record.name.clone());
            record.external_id = patch.external_id.clone().unwrap_or_else(|| record.external_id.clone());
            record.project.closed = patch.closed.unwrap_or(record.project.closed);
            Ok(patch.closed.map(|closed| format!("closed: {closed}")).unwrap_or_default())
        })
        .await
    }

    /// Gives an account a role in a project, or takes it out.
    ///
    /// # Errors
    /// Refused to those who do not administer the project.
    pub async fn set_project_role(
        &self,
        caller: &Caller,
        id: ProjectId,
        account: AccountId,
        role: Option<ProjectRole>,
    ) -> Result<Changed<ProjectRecord>> {
        let action = project("update");
        let by = self.permit(caller, action, Target::Project(id))?;
        self.known_member(account)?;
        self.change_project(caller, (by, action), id, None, |record| {
            let before = record.project.members.role(account);
            if role.is_none() && before.is_none() {
                return Err(Error::not_found());
            }
            record.project.members = with_role(&record.project.members, account, role)?;
            Ok(describe(account, before, role))
        })
        .await
    }

    async fn change_project(
        &self,
        caller: &Caller,
        (by, action): (Permitted, Action<'static>),
        id: ProjectId,
        revision: Option<u64>,
        change: impl Fn(&mut ProjectRecord) -> Result<String>,
    ) -> Result<Changed<ProjectRecord>> {
        let since = self.now();
        for _ in 0..ATTEMPTS_MAX {
            let before = self.shared.store.project(id).await?.ok_or_else(Error::not_found)?;
            if revision.is_some_and(|seen| seen != before.revision) {
                return Err(Error::Stale { current: before.revision });
            }
            let mut next = before.clone();
            let detail = match change(&mut next) {
                Ok(detail) => detail,
                Err(error) => {
                    // Whoever hears that an account is no member may rely on it, also in the index.
                    self.settle().await?;
                    return Err(error);
                }
            };
            if next == before {
                return self.nothing_to_do(next, since, next_revokes(action)).await;
            }
            next.revision += 1;
            let revokes = next.project.closed || weakens(&before.project.members, &next.project.members);
            let audit = self.audit(caller, by, action, on_project(id), detail);
            match self.shared.store.update_project(next.clone(), before.revision, audit).await {
                Ok(committed) => {
                    let Changed { change, .. } = self.made(committed, since, revokes);
                    return Ok(Changed { value: next, change });
                }
                Err(StoreError::Stale { .. }) if revision.is_none() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(contended())
    }
}

/// Whether repeating a change that found nothing to do was meant to take authority away.
fn next_revokes(action: Action<'_>) -> bool {
    action.verb() == "delete"
}

/// Whether somebody has a weaker role than before, or none any more.
fn weakens<R: Role>(before: &Members<R>, after: &Members<R>) -> bool {
    before.iter().any(|(account, role)| after.role(account).is_none_or(|now| now < role))
}
