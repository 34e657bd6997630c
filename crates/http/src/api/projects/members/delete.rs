//! `DELETE /v1/projects/{id}/members/{account}`

use axum::Json;
use axum::extract::State;
use claviger_core::{AccountId, ProjectId};

use crate::condition::Condition;
use crate::extract::{By, NamedPair};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Deleted;

/// Take an account out of a project
///
/// When this has answered, nothing that the account reached through its role is reached any more.
#[utoipa::path(
    delete, path = "/v1/projects/{id}/members/{account}", operation_id = "delete_project_member", tag = "projects",
    params(
        ("id" = String, Path, description = "The project: `proj_…` or `external:…`"),
        ("account" = String, Path, description = "The account: `acct_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state of the project to change"),
    ),
    responses(
        (status = 200, description = "The account has no role there any more", body = Deleted),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    NamedPair(id, account): NamedPair<ProjectId, AccountId>,
    condition: Condition,
) -> Result<Json<Deleted>, Problem> {
    let changed = state.authority.set_role(&caller, id, account, None, condition).await?;
    Ok(Json(Deleted::of(account, &changed.change)))
}
