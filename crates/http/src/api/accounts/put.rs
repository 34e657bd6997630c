//! `PUT /v1/accounts/external:{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::subject::external_id;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{AccountAnswer, email_of, name_of};
use crate::condition::Tagged;
use crate::extract::{By, JsonBody, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::invalid;

/// What a new account has besides its external id. An account that is there already stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ada"}))]
pub struct PutAccount {
    /// What people call it.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// With which it signs in.
    #[schema(example = "ada@example.org")]
    email: Option<String>,
}

/// Get or create the account with an external id
///
/// For operators. Ask as often as you like: the first request makes the account, and each later one answers with it
/// as it is, whatever the body says.
#[utoipa::path(
    put, path = "/v1/accounts/{id}", operation_id = "put_account", tag = "accounts", request_body = PutAccount,
    params(("id" = String, Path, description = "Your application's own identifier: `external:user-4711`", example = "external:user-4711")),
    responses(
        (status = 200, description = "The account, which was there already", body = AccountAnswer),
        (status = 201, description = "The account was made", body = AccountAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<String>,
    JsonBody(body): JsonBody<PutAccount>,
) -> Result<(StatusCode, Tagged<Json<AccountAnswer>>), Problem> {
    let given = external_id(&id).ok_or_else(|| {
        invalid("id", "write `external:` and your own identifier, such as `external:user-4711`; change an account that has an `acct_…` with PATCH")
    })?;
    let given = given.map_err(|error| invalid("id", format_args!("an external id {error}")))?;
    let name = body.name.as_deref().map(name_of).transpose()?;
    let email = body.email.as_deref().map(email_of).transpose()?;
    let (account, made) = state.authority.put_account(&caller, given, name, email).await?;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Tagged(account.value.revision, Json(AccountAnswer::of(&account.value)))))
}
