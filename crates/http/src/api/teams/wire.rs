//! How a team looks on the wire.

use claviger_core::principal::TeamRecord;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::time;

/// What is known of a team.
#[derive(Debug, Serialize, ToSchema)]
pub struct TeamAnswer {
    /// Its identifier.
    #[schema(example = "team_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    id: String,
    /// What people call it.
    name: String,
    /// The host's own identifier.
    external_id: Option<String>,
    /// Whether it was closed: nothing that hangs on it is accepted any more.
    closed: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl TeamAnswer {
    /// A team as it is shown.
    pub(super) fn of(record: &TeamRecord) -> Self {
        Self {
            id: record.team.id.to_string(),
            name: record.name.to_string(),
            external_id: record.team.external_id.as_ref().map(|id| id.as_str().to_owned()),
            closed: record.team.closed,
            created_at: time(record.created_at),
        }
    }
}
