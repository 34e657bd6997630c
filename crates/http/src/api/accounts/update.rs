//! `PATCH /v1/accounts/{id}`

use axum::Json;
use axum::extract::State;
use claviger_authority::accounts::AccountPatch;
use claviger_core::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{AccountAnswer, email_of, name_of};
use crate::condition::{Condition, Tagged};
use crate::extract::{By, JsonBody, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation, external_id_of, given, or_none, present};

/// What to change of an account. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ada Lovelace"}))]
pub struct UpdateAccount {
    /// What people call it; null: nothing.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// With which it signs in; null: it no longer does. Operators only.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Your application's own identifier of it; operators only.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    external_id: Option<Option<String>>,
    /// Closed, or open again (operators only).
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    closed: Option<Option<bool>>,
}

/// Change an account
///
/// For operators, and for the account itself.
#[utoipa::path(
    patch, path = "/v1/accounts/{id}", operation_id = "update_account", tag = "accounts", request_body = UpdateAccount,
    params(
        ("id" = String, Path, description = "The account: `acct_…` or `external:…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The account as it is now", body = AfterChange<AccountAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<AccountId>,
    condition: Condition,
    JsonBody(body): JsonBody<UpdateAccount>,
) -> Result<Tagged<Json<AfterChange<AccountAnswer>>>, Problem> {
    let patch = AccountPatch {
        name: or_none(body.name, name_of)?,
        email: or_none(body.email, email_of)?,
        external_id: or_none(body.external_id, external_id_of)?,
        closed: given("closed", body.closed)?,
    };
    let changed = state.authority.update_account(&caller, id, patch, condition).await?;
    let record = AccountAnswer::of(&changed.value);
    let revocation = Revocation::of(&changed.change);
    Ok(Tagged(changed.value.revision, Json(AfterChange { record, revocation })))
}
