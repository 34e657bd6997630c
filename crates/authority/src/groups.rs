//! Teams and projects, and who belongs to them.

mod kinds;

use claviger_core::decide::{Credential, Snapshot, Target};
use claviger_core::key::Actor;
use claviger_core::limit::MEMBERS_MAX;
use claviger_core::name::{ExternalId, Name};
use claviger_core::principal::{
    Members, Project, ProjectOwner, ProjectRecord, ProjectRole, Role, Team, TeamRecord, TeamRole,
};
use claviger_core::scope::Action;
use claviger_core::{AccountId, ProjectId, Subject, TeamId};
use claviger_store::{Page, ProjectFilter, TeamFilter};

pub use self::kinds::{Group, Parts};
use crate::allowance::Made;
use crate::authority::{Authority, Changed};
use crate::caller::Caller;
use crate::condition::Condition;
use crate::decision::Deciding;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;
use crate::listing::{shown, visible};
use crate::read::NotFresh;

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
    pub owner: ProjectOwner,
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
        let owner = match new.owner {
            Some(owner) => Some(owner),
            None => self.account_of(caller)?,
        };
        let target = owner.map_or(Target::Operator, Target::Account);
        self.permit(caller, TeamId::action("create"), target)?;
        self.may_name(caller, new.external_id.is_some())?;
        let members = Members::new(owner.map(|owner| (owner, TeamRole::Owner)).into_iter().collect());
        let id: TeamId = self.new_id();
        let record = TeamRecord {
            team: Team { id, external_id: new.external_id, closed: false, members },
            name: new.name,
            created_at: self.now(),
            revision: 1,
        };
        self.create_group(caller, target, (id, record), idempotency).await
    }

    async fn create_group<G: Group>(
        &self,
        caller: &Caller,
        target: Target<'_>,
        (id, mut record): (G, G::Record),
        idempotency: Option<Idempotency>,
    ) -> Result<Changed<G::Record>> {
        let since = self.now();
        let detail = format!("name: {}", G::parts(&mut record).name);
        let limit = G::limit(&self.settings());
        let taken = self.allowance(caller, Made::Changes, 1).await?;
        let committed = self
            .attempts(caller, &[], &Condition::Always, |mut deciding| {
                let (record, detail, idempotency) = (record.clone(), detail.clone(), idempotency.as_ref());
                async move {
                    deciding.permit(G::action("create"), target)?;
                    let once = deciding.once(idempotency, id)?;
                    let audit = deciding.audit(G::action("create"), kinds::on(id), detail)?.once(once);
                    Ok(G::create(record, limit, &self.shared.store, audit).await?)
                }
            })
            .await?;
        taken.spend(1);
        let Changed { change, .. } = self.made(committed, since, false);
        Ok(Changed { value: record, change })
    }

    /// The account that a caller acts as, if it does.
    pub(crate) fn account_of(&self, caller: &Caller) -> Result<Option<AccountId>, NotFresh> {
        self.read(|view| match caller.credential(view) {
            Credential::SignedIn(id) => Some(id),
            Credential::Key(key) => match key.rights.subject {
                Subject::Account(id) => Some(id),
                Subject::Team(_) | Subject::Project(_) | Subject::Resource(_) | Subject::Operator => None,
            },
            Credential::Anonymous | Credential::Unknown => None,
        })
    }

    pub(crate) fn is_operator(&self, caller: &Caller) -> Result<bool, NotFresh> {
        self.read(|view| {
            matches!(caller.credential(view), Credential::Key(key) if key.rights.subject == Subject::Operator)
        })
    }

    /// Whether the caller may say what the host calls something. The host takes whoever has its identifier for
    /// the one it means, so people must not be able to take one that is not theirs.
    pub(crate) fn may_name(&self, caller: &Caller, names: bool) -> Result<()> {
        if names && !self.is_operator(caller)? {
            return Err(Error::invalid("external_id", "only operators say what the host calls something"));
        }
        Ok(())
    }

    /// A team or a project, for those who belong to it.
    ///
    /// # Errors
    /// Not found for everyone else.
    pub async fn group<G: Group>(&self, caller: &Caller, id: G) -> Result<G::Record> {
        self.accepts(caller, G::action("read"))?;
        let found = id.load(&self.shared.store).await?;
        // Decided about what was read, or somebody who was removed in between would read what came after.
        if let Err(error) = self.permit(caller, G::action("read"), id.target()) {
            return Err(self.in_force(error).await?);
        }
        found.ok_or_else(Error::not_found)
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
        if !self.is_operator(caller)? {
            // The teams of an account are listed to the account alone.
            let own = self.account_of(caller)?;
            filter.member = filter.member.or(own);
        }
        let target = match filter.member {
            Some(account) => Target::Account(account),
            None => Target::Operator,
        };
        self.permit(caller, TeamId::action("read"), target)?;
        let read = |page| self.shared.store.teams(filter.clone(), page);
        let may = |record: &TeamRecord| {
            shown(self.permit(caller, TeamId::action("read"), Target::Team(record.team.id)))
        };
        visible(page, read, |record| record.team.id, may).await
    }

    /// Changes a team or a project, if it meets the condition. Closing it ends every key that stands for it, at once.
    ///
    /// # Errors
    /// Not found for those who do not belong to it, refused to those who do not administer it.
    pub async fn update_group<G: Group>(
        &self,
        caller: &Caller,
        id: G,
        patch: GroupPatch,
        condition: impl Into<Condition>,
    ) -> Result<Changed<G::Record>> {
        let condition = condition.into();
        let action = G::action(patch.verb());
        self.change_group(caller, action, id, &condition, |_, group| {
            self.may_name(caller, patch.external_id.is_some())?;
            let patch = patch.clone();
            *group.name = patch.name.unwrap_or_else(|| group.name.clone());
            *group.external_id = patch.external_id.unwrap_or_else(|| group.external_id.clone());
            *group.closed = patch.closed.unwrap_or(*group.closed);
            Ok(patch.closed.map(|closed| format!("closed: {closed}")).unwrap_or_default())
        })
        .await
    }

    /// Gives an account a role in a team or a project, or takes it out, if the team or
    /// project meets the condition.
    ///
    /// # Errors
    /// Refused to those who do not administer it, and to keys that would give more than they have; only
    /// owners and operators make or unmake the owners of a team, and the last owner stays.
    pub async fn set_role<G: Group>(
        &self,
        caller: &Caller,
        id: G,
        account: AccountId,
        role: Option<G::Role>,
        condition: impl Into<Condition>,
    ) -> Result<Changed<G::Record>> {
        let condition = condition.into();
        let action = G::action("update");
        self.change_group(caller, action, id, &condition, |deciding, group| {
            let before = group.members.role(account);
            if role.is_none() && before.is_none() {
                return Err(Error::not_found());
            }
            // Before it is looked at whether there is such an account: a caller that may not give this role learns nothing.
            deciding.role(id.role_change(before, role))?;
            known_member(deciding, action, account)?;
            if before == role {
                return Ok(String::new());
            }
            let next = with_role(group.members, account, role)?;
            let kept = G::KEPT.is_none_or(|kept| before != Some(kept) || next.iter().any(|(_, r)| r == kept));
            if !kept {
                let detail =
                    "A team keeps at least one owner; make another account an owner first.".to_owned();
                return Err(Error::Conflict { code: "last_owner", detail });
            }
            *group.members = next;
            Ok(describe(account, before, role))
        })
        .await
    }

    async fn change_group<G: Group>(
        &self,
        caller: &Caller,
        action: Action<'static>,
        id: G,
        condition: &Condition,
        change: impl Fn(&mut Deciding<'_>, &mut Parts<'_, G::Role>) -> Result<String>,
    ) -> Result<Changed<G::Record>> {
        let step = |deciding| self.group_changed(deciding, action, id, condition, &change);
        self.attempts(caller, &[id.record()], condition, step).await
    }

    async fn group_changed<G: Group>(
        &self,
        mut deciding: Deciding<'_>,
        action: Action<'static>,
        id: G,
        condition: &Condition,
        change: &impl Fn(&mut Deciding<'_>, &mut Parts<'_, G::Role>) -> Result<String>,
    ) -> Result<Changed<G::Record>> {
        let since = self.now();
        // Nobody learns of a team or project that it does not belong to, nor of its revision.
        deciding.permit(action, id.target())?;
        let before = id.load(&self.shared.store).await?.ok_or_else(Error::not_found)?;
        let mut next = before.clone();
        let mut parts = G::parts(&mut next);
        let seen = *parts.revision;
        condition.check(seen)?;
        let detail = change(&mut deciding, &mut parts)?;
        if next == before {
            return deciding.unchanged(next, since, next_revokes(action)).await;
        }
        *G::parts(&mut next).revision += 1;
        let revokes = G::revokes(&before, &next);
        // Nobody is kept from taking rights away.
        let taken = match revokes {
            true => None,
            false => Some(self.allowance(deciding.caller(), Made::Changes, 1).await?),
        };
        let audit = deciding.audit(action, kinds::on(id), detail)?;
        let committed = G::update(next.clone(), seen, &self.shared.store, audit).await?;
        if let Some(taken) = taken {
            taken.spend(1);
        }
        let Changed { change, .. } = self.made(committed, since, revokes);
        Ok(Changed { value: next, change })
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
        let target = match new.owner {
            ProjectOwner::Account(id) => Target::Account(id),
            ProjectOwner::Team(id) => Target::Team(id),
        };
        let mut deciding = self.deciding(caller);
        deciding.permit(ProjectId::action("create"), target)?;
        self.may_name(caller, new.external_id.is_some())?;
        let members = match (new.owner, deciding.permitted()?.actor) {
            // Who makes a project for a team works in it; the owner of its own is its admin anyway.
            (ProjectOwner::Team(_), Actor::Account(account)) => {
                Members::new(vec![(account, ProjectRole::Admin)])
            }
            _ => Members::default(),
        };
        let id: ProjectId = self.new_id();
        let record = ProjectRecord {
            project: Project { id, external_id: new.external_id, closed: false, owner: new.owner, members },
            name: new.name,
            created_at: self.now(),
            revision: 1,
        };
        self.create_group(caller, target, (id, record), idempotency).await
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
        if !self.is_operator(caller)? && filter.owner.is_none() {
            let own = self.account_of(caller)?;
            filter.member = filter.member.or(own);
        }
        let target = match (filter.owner, filter.member) {
            (Some(ProjectOwner::Account(id)), _) | (None, Some(id)) => Target::Account(id),
            (Some(ProjectOwner::Team(id)), _) => Target::Team(id),
            (None, None) => Target::Operator,
        };
        self.permit(caller, ProjectId::action("read"), target)?;
        let read = |page| self.shared.store.projects(filter.clone(), page);
        // Whoever belongs to a team need not work in every project that it holds.
        let may = |record: &ProjectRecord| {
            shown(self.permit(caller, ProjectId::action("read"), Target::Project(record.project.id)))
        };
        visible(page, read, |record| record.project.id, may).await
    }
}

/// Whether repeating a change that found nothing to do was meant to take authority away.
fn next_revokes(action: Action<'_>) -> bool {
    action.verb() == "delete"
}

/// Only accounts that exist become members, and nobody learns of one that does not.
fn known_member(deciding: &mut Deciding<'_>, action: Action<'_>, account: AccountId) -> Result<()> {
    let known = deciding.look(action, |snapshot, _| snapshot.account(account).is_some())?;
    if known { Ok(()) } else { Err(Error::not_found()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_members_as_there_may_be() {
        let account = |n: usize| AccountId::from_bits(n as u128);
        let of = |count| Members::new((0..count).map(|n| (account(n), TeamRole::Member)).collect());
        let most = with_role(&of(MEMBERS_MAX - 1), account(MEMBERS_MAX), Some(TeamRole::Member)).unwrap();
        assert_eq!(most.len(), MEMBERS_MAX);
        let more = with_role(&most, account(MEMBERS_MAX + 1), Some(TeamRole::Member));
        assert!(matches!(more, Err(Error::Conflict { code: "member_limit_reached", .. })));
        // Who is there already may still be given another role, and may go.
        assert_eq!(with_role(&most, account(0), Some(TeamRole::Admin)).unwrap().len(), MEMBERS_MAX);
        assert_eq!(with_role(&most, account(0), None).unwrap().len(), MEMBERS_MAX - 1);
    }
}
