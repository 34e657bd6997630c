//! Which account, team or project the host application means by an external id.

use claviger_core::name::ExternalId;
use claviger_core::principal::{Container, ContainerId};
use papaya::HashMap;

/// External ids of accounts, of teams and of projects. One writer keeps them, in the order of commits.
#[derive(Default)]
pub(super) struct ExternalIds([HashMap<ExternalId, ContainerId>; Container::ALL.len()]);

impl ExternalIds {
    /// What has this external id.
    pub(super) fn find(&self, container: Container, external_id: &str) -> Option<ContainerId> {
        self.of(container).pin().get(external_id).copied()
    }

    /// A record had the one and has the other now. Whatever has taken the old one over in the meantime keeps it.
    pub(super) fn put(&self, id: ContainerId, before: Option<&ExternalId>, now: Option<ExternalId>) {
        if before == now.as_ref() {
            return;
        }
        let ids = self.of(id.container()).pin();
        if let Some(before) = before
            && ids.get(before) == Some(&id)
        {
            ids.remove(before);
        }
        if let Some(now) = now {
            ids.insert(now, id);
        }
    }

    const fn of(&self, container: Container) -> &HashMap<ExternalId, ContainerId> {
        let Self([accounts, teams, projects]) = self;
        match container {
            Container::Account => accounts,
            Container::Team => teams,
            Container::Project => projects,
        }
    }
}
