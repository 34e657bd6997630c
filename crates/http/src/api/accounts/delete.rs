//! `DELETE /v1/accounts/{id}`

use axum::Json;
use axum::extract::State;
use claviger_authority::accounts::AccountPatch;
use claviger_core::AccountId;

use super::wire::AccountAnswer;
use crate::condition::{Condition, Tagged};
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Close an account
///
/// Its record stays, for the history. When this has answered, no node accepts any key that stands for it.
#[utoipa::path(
    delete, path = "/v1/accounts/{id}", operation_id = "delete_account", tag = "accounts",
    params(
        ("id" = String, Path, description = "The account: `acct_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The account is closed", body = AfterChange<AccountAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<AccountId>,
    condition: Condition,
) -> Result<Tagged<Json<AfterChange<AccountAnswer>>>, Problem> {
    let patch = AccountPatch { closed: Some(true), ..AccountPatch::default() };
    let changed = state.authority.update_account(&caller, id, patch, condition).await?;
    let record = AccountAnswer::of(&changed.value);
    let revocation = Revocation::of(&changed.change);
    Ok(Tagged(changed.value.revision, Json(AfterChange { record, revocation })))
}
