//! `GET /v1/projects/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::ProjectId;

use super::wire::ProjectAnswer;
use crate::condition::Tagged;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Show a project
///
/// For operators, and for those who work in it.
#[utoipa::path(
    get, path = "/v1/projects/{id}", operation_id = "read_project", tag = "projects",
    params(("id" = String, Path, description = "The project: `proj_…` or `external:…`")),
    responses(
        (status = 200, description = "What is known of the project", body = ProjectAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ProjectId>,
) -> Result<Tagged<Json<ProjectAnswer>>, Problem> {
    let record = state.authority.group(&caller, id).await?;
    Ok(Tagged(record.revision, Json(ProjectAnswer::of(&record))))
}
