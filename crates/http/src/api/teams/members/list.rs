//! `GET /v1/teams/{id}/members`

use axum::Json;
use axum::extract::State;
use claviger_core::TeamId;

use crate::api::group::{MemberAnswer, members_page};
use crate::extract::{By, Named, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{Listing, PageQuery};

/// List the members of a team
///
/// For operators, and for those who belong to it.
#[utoipa::path(
    get, path = "/v1/teams/{id}/members", operation_id = "list_team_members", tag = "teams",
    params(("id" = String, Path, description = "The team: `team_…` or `external:…`"), PageQuery),
    responses(
        (status = 200, description = "A page of members, by account", body = Listing<MemberAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<TeamId>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<MemberAnswer>>, Problem> {
    let record = state.authority.group(&caller, id).await?;
    members_page(&record.team.members, &page).map(Json)
}
