//! `GET /v1/teams/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::TeamId;

use super::wire::TeamAnswer;
use crate::condition::Tagged;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Show a team
///
/// For operators, and for those who belong to it.
#[utoipa::path(
    get, path = "/v1/teams/{id}", operation_id = "read_team", tag = "teams",
    params(("id" = String, Path, description = "The team: `team_…` or `external:…`")),
    responses(
        (status = 200, description = "What is known of the team", body = TeamAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<TeamId>,
) -> Result<Tagged<Json<TeamAnswer>>, Problem> {
    let record = state.authority.group(&caller, id).await?;
    Ok(Tagged(record.revision, Json(TeamAnswer::of(&record))))
}
