//! `DELETE /v1/teams/{id}`

use axum::Json;
use axum::extract::State;
use claviger_authority::groups::GroupPatch;
use claviger_core::TeamId;

use super::wire::TeamAnswer;
use crate::condition::{Condition, Tagged};
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Close a team
///
/// Its record stays, for the history. When this has answered, no node accepts any key that stands for it.
#[utoipa::path(
    delete, path = "/v1/teams/{id}", operation_id = "delete_team", tag = "teams",
    params(
        ("id" = String, Path, description = "The team: `team_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The team is closed", body = AfterChange<TeamAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<TeamId>,
    condition: Condition,
) -> Result<Tagged<Json<AfterChange<TeamAnswer>>>, Problem> {
    let patch = GroupPatch { closed: Some(true), ..GroupPatch::default() };
    let changed = state.authority.update_group(&caller, id, patch, condition).await?;
    let record = TeamAnswer::of(&changed.value);
    let revocation = Revocation::of(&changed.change);
    Ok(Tagged(changed.value.revision, Json(AfterChange { record, revocation })))
}
