//! `DELETE /v1/teams/{id}/members/{account}`

use axum::Json;
use axum::extract::State;
use claviger_core::{AccountId, TeamId};

use crate::condition::Condition;
use crate::extract::{By, NamedPair};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Deleted;

/// Take an account out of a team
///
/// When this has answered, nothing that the account reached through its role is reached any more.
#[utoipa::path(
    delete, path = "/v1/teams/{id}/members/{account}", operation_id = "delete_team_member", tag = "teams",
    params(
        ("id" = String, Path, description = "The team: `team_…` or `external:…`"),
        ("account" = String, Path, description = "The account: `acct_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state of the team to change"),
    ),
    responses(
        (status = 200, description = "The account has no role there any more", body = Deleted),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    NamedPair(id, account): NamedPair<TeamId, AccountId>,
    condition: Condition,
) -> Result<Json<Deleted>, Problem> {
    let changed = state.authority.set_role(&caller, id, account, None, condition).await?;
    Ok(Json(Deleted::of(account, &changed.change)))
}
