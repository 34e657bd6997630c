//! `PUT /v1/projects/{id}/members/{account}`

use axum::Json;
use axum::extract::State;
use claviger_core::principal::ProjectRole;
use claviger_core::{AccountId, ProjectId};

use crate::api::group::{MemberAnswer, PutMember, role_of};
use crate::condition::Condition;
use crate::extract::{By, JsonBody, NamedPair};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Give an account a role in a project
///
/// `viewer`, `collaborator` or `admin`.
#[utoipa::path(
    put, path = "/v1/projects/{id}/members/{account}", operation_id = "put_project_member", tag = "projects", request_body = PutMember,
    params(
        ("id" = String, Path, description = "The project: `proj_…` or `external:…`"),
        ("account" = String, Path, description = "The account: `acct_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state of the project to change"),
    ),
    responses(
        (status = 200, description = "The account has this role", body = AfterChange<MemberAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(state): State<AppState>,
    By(caller): By,
    NamedPair(id, account): NamedPair<ProjectId, AccountId>,
    condition: Condition,
    JsonBody(body): JsonBody<PutMember>,
) -> Result<Json<AfterChange<MemberAnswer>>, Problem> {
    let role = role_of::<ProjectRole>(&body)?;
    let changed = state.authority.set_role(&caller, id, account, Some(role), condition).await?;
    let record = MemberAnswer::of(account, role);
    Ok(Json(AfterChange { record, revocation: Revocation::of(&changed.change) }))
}
