//! `GET /v1/accounts/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::AccountId;

use super::wire::AccountAnswer;
use crate::condition::Tagged;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Show an account
///
/// For operators, and for the account itself.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", operation_id = "read_account", tag = "accounts",
    params(("id" = String, Path, description = "The account: `acct_…` or `external:…`")),
    responses(
        (status = 200, description = "What is known of the account", body = AccountAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<AccountId>,
) -> Result<Tagged<Json<AccountAnswer>>, Problem> {
    let record = state.authority.account(&caller, id).await?;
    Ok(Tagged(record.revision, Json(AccountAnswer::of(&record))))
}
