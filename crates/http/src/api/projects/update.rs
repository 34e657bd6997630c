//! `PATCH /v1/projects/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::ProjectId;

use super::wire::ProjectAnswer;
use crate::api::group::UpdateGroup;
use crate::condition::{Condition, Tagged};
use crate::extract::{By, JsonBody, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Change a project
///
/// For operators, and for those who administer it.
#[utoipa::path(
    patch, path = "/v1/projects/{id}", operation_id = "update_project", tag = "projects", request_body = UpdateGroup,
    params(
        ("id" = String, Path, description = "The project: `proj_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The project as it is now", body = AfterChange<ProjectAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ProjectId>,
    condition: Condition,
    JsonBody(body): JsonBody<UpdateGroup>,
) -> Result<Tagged<Json<AfterChange<ProjectAnswer>>>, Problem> {
    let patch = body.read()?;
    let changed = state.authority.update_group(&caller, id, patch, condition).await?;
    let record = ProjectAnswer::of(&changed.value);
    let revocation = Revocation::of(&changed.change);
    Ok(Tagged(changed.value.revision, Json(AfterChange { record, revocation })))
}
