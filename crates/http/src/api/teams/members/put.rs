//! `PUT /v1/teams/{id}/members/{account}`

use axum::Json;
use axum::extract::State;
use claviger_core::principal::TeamRole;
use claviger_core::{AccountId, TeamId};

use crate::api::group::{MemberAnswer, PutMember, role_of};
use crate::condition::Condition;
use crate::extract::{By, JsonBody, NamedPair};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Give an account a role in a team
///
/// `member`, `admin` or `owner`. Only owners and operators make or unmake owners, and one owner always stays.
#[utoipa::path(
    put, path = "/v1/teams/{id}/members/{account}", operation_id = "put_team_member", tag = "teams", request_body = PutMember,
    params(
        ("id" = String, Path, description = "The team: `team_…` or `external:…`"),
        ("account" = String, Path, description = "The account: `acct_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state of the team to change"),
    ),
    responses(
        (status = 200, description = "The account has this role", body = AfterChange<MemberAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(state): State<AppState>,
    By(caller): By,
    NamedPair(id, account): NamedPair<TeamId, AccountId>,
    condition: Condition,
    JsonBody(body): JsonBody<PutMember>,
) -> Result<Json<AfterChange<MemberAnswer>>, Problem> {
    let role = role_of::<TeamRole>(&body)?;
    let changed = state.authority.set_role(&caller, id, account, Some(role), condition).await?;
    let record = MemberAnswer::of(account, role);
    Ok(Json(AfterChange { record, revocation: Revocation::of(&changed.change) }))
}
