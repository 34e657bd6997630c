//! `PATCH /v1/teams/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::TeamId;

use super::wire::TeamAnswer;
use crate::api::group::UpdateGroup;
use crate::condition::{Condition, Tagged};
use crate::extract::{By, JsonBody, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Change a team
///
/// For operators, and for those who administer it.
#[utoipa::path(
    patch, path = "/v1/teams/{id}", operation_id = "update_team", tag = "teams", request_body = UpdateGroup,
    params(
        ("id" = String, Path, description = "The team: `team_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The team as it is now", body = AfterChange<TeamAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<TeamId>,
    condition: Condition,
    JsonBody(body): JsonBody<UpdateGroup>,
) -> Result<Tagged<Json<AfterChange<TeamAnswer>>>, Problem> {
    let patch = body.read()?;
    let changed = state.authority.update_group(&caller, id, patch, condition).await?;
    let record = TeamAnswer::of(&changed.value);
    let revocation = Revocation::of(&changed.change);
    Ok(Tagged(changed.value.revision, Json(AfterChange { record, revocation })))
}
