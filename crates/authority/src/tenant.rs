//! Whom what a caller makes is counted to: one account can make thousands of teams and projects, and each has keys.

use std::fmt;

use claviger_core::decide::{Credential, Snapshot};
use claviger_core::principal::ProjectOwner;
use claviger_core::resource::Owner;
use claviger_core::{AccountId, Subject, TeamId};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::Result;

/// The account or team that the subject of a credential belongs to in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tenant {
    /// Operators, whom no limit of a tenant holds back.
    Operator,
    /// An account, with its projects and the teams that were created for it.
    Account(AccountId),
    /// A team that was created for no account, with its projects.
    Team(TeamId),
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Account(id) => write!(f, "account:{id}"),
            Self::Team(id) => write!(f, "team:{id}"),
        }
    }
}

impl Authority {
    /// The tenant of a caller; none for one that presents nothing that is known. Whether the caller is accepted is
    /// decided elsewhere.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn tenant(&self, caller: &Caller) -> Result<Option<Tenant>> {
        let found = self.read(|view| match caller.credential(view) {
            Credential::SignedIn(id) => Some(Tenant::Account(id)),
            Credential::Key(key) => tenant_of(view, &key.rights.subject.to_subject()),
            Credential::Anonymous | Credential::Unknown => None,
        })?;
        match found {
            // Its first owner may have left it; whom it was created for stays.
            Some(Tenant::Team(id)) => {
                let account = self.shared.store.team_created_for(id).await?;
                Ok(Some(account.map_or(Tenant::Team(id), Tenant::Account)))
            }
            found => Ok(found),
        }
    }
}

fn tenant_of(view: &impl Snapshot, subject: &Subject) -> Option<Tenant> {
    let of_project = |id| {
        view.project(id).map(|project| match project.owner {
            ProjectOwner::Account(id) => Tenant::Account(id),
            ProjectOwner::Team(id) => Tenant::Team(id),
        })
    };
    match subject {
        Subject::Operator => Some(Tenant::Operator),
        Subject::Account(id) => Some(Tenant::Account(*id)),
        Subject::Team(id) => Some(Tenant::Team(*id)),
        Subject::Project(id) => of_project(*id),
        Subject::Resource(resource) => match view.resource(resource.reference.name())?.owner {
            Owner::Account(id) => Some(Tenant::Account(id)),
            Owner::Team(id) => Some(Tenant::Team(id)),
            Owner::Project(id) => of_project(id),
        },
    }
}
