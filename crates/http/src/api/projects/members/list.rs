//! `GET /v1/projects/{id}/members`

use axum::Json;
use axum::extract::State;
use claviger_core::ProjectId;

use crate::api::group::{MemberAnswer, members_page};
use crate::extract::{By, Named, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{Listing, PageQuery};

/// List the members of a project
///
/// For operators, and for those who work in it.
#[utoipa::path(
    get, path = "/v1/projects/{id}/members", operation_id = "list_project_members", tag = "projects",
    params(("id" = String, Path, description = "The project: `proj_…` or `external:…`"), PageQuery),
    responses(
        (status = 200, description = "A page of members, by account", body = Listing<MemberAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ProjectId>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<MemberAnswer>>, Problem> {
    let record = state.authority.group(&caller, id).await?;
    members_page(&record.project.members, &page).map(Json)
}
