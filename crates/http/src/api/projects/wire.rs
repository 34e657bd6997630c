//! How a project looks on the wire.

use claviger_core::principal::{ProjectOwner, ProjectRecord};
use claviger_core::subject::Reference;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::references::ReferenceReader;
use crate::wire::{invalid, time};

/// What is known of a project.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectAnswer {
    /// Its identifier.
    #[schema(example = "proj_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    id: String,
    /// What people call it.
    name: String,
    /// Who holds it.
    #[schema(example = "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    owner: String,
    /// The host's own identifier.
    external_id: Option<String>,
    /// Whether it was closed: nothing that hangs on it is accepted any more.
    closed: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl ProjectAnswer {
    /// A project as it is shown.
    pub(super) fn of(record: &ProjectRecord) -> Self {
        Self {
            id: record.project.id.to_string(),
            name: record.name.to_string(),
            owner: match record.project.owner {
                ProjectOwner::Account(id) => format!("account:{id}"),
                ProjectOwner::Team(id) => format!("team:{id}"),
            },
            external_id: record.project.external_id.as_ref().map(|id| id.as_str().to_owned()),
            closed: record.project.closed,
            created_at: time(record.created_at),
        }
    }
}

/// Who holds a project.
pub(super) fn owner_of(references: ReferenceReader<'_>, text: &str) -> Result<ProjectOwner, Problem> {
    match references.read("owner", text)? {
        Reference::Account(id) => Ok(ProjectOwner::Account(id)),
        Reference::Team(id) => Ok(ProjectOwner::Team(id)),
        Reference::Project(_) | Reference::Resource(_) | Reference::Operator => {
            Err(invalid("owner", "a project is held by `account:acct_…` or `team:team_…`"))
        }
    }
}
