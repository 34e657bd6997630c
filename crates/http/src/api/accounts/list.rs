//! `GET /v1/accounts`

use axum::Json;
use axum::extract::State;
use claviger_authority::{AccountFilter, Page};
use claviger_core::AccountId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{AccountAnswer, email_of};
use crate::extract::{By, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{Listing, external_id_of, page_of};

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListAccounts {
    /// The one with this identifier of your application.
    external_id: Option<String>,
    /// The one with this address.
    email: Option<String>,
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List accounts
///
/// For operators; the newest first.
#[utoipa::path(
    get, path = "/v1/accounts", operation_id = "list_accounts", tag = "accounts", params(ListAccounts),
    responses(
        (status = 200, description = "A page of accounts", body = Listing<AccountAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ListAccounts>,
) -> Result<Json<Listing<AccountAnswer>>, Problem> {
    let (limit, after) = page_of::<AccountId>(query.limit, query.cursor.as_deref())?;
    let filter = AccountFilter {
        external_id: query.external_id.as_deref().map(external_id_of).transpose()?,
        email: query.email.as_deref().map(email_of).transpose()?,
    };
    let rows = state.authority.accounts(&caller, filter, Page { after, limit: limit + 1 }).await?;
    Ok(Json(Listing::of(rows, limit, |row| row.account.id.to_string(), |row| AccountAnswer::of(&row))))
}
