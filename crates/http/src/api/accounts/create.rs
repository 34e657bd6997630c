//! `POST /v1/accounts`

use axum::Json;
use axum::extract::State;
use claviger_authority::accounts::NewAccount;
use claviger_authority::password::Password;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{AccountAnswer, email_of, name_of};
use crate::condition::Tagged;
use crate::extract::{By, OnceBody};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{external_id_of, invalid};

/// An account to be made: one that signs in has an `email`, one that your application manages an `external_id`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Ada", "external_id": "user-4711"}))]
pub struct CreateAccount {
    /// What people call it.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// With which it signs in.
    #[schema(example = "ada@example.org")]
    email: Option<String>,
    /// With which it proves who it is: 8 to 256 characters.
    #[schema(write_only)]
    password: Option<String>,
    /// Your application's own identifier of it.
    external_id: Option<String>,
}

/// Create an account
///
/// For operators.
#[utoipa::path(
    post, path = "/v1/accounts", operation_id = "create_account", tag = "accounts", request_body = CreateAccount,
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request, so that it is carried out once")),
    responses(
        (status = 201, description = "The account was made", body = AccountAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    OnceBody(body, once): OnceBody<CreateAccount>,
) -> Result<(StatusCode, Tagged<Json<AccountAnswer>>), Problem> {
    if once.is_some() && body.password.is_some() {
        // What is remembered of a request is a fast hash of it, which is no way to keep a password.
        return Err(invalid(
            "Idempotency-Key",
            "it cannot be sent with a password; the e-mail address guards against a repeat",
        ));
    }
    let new = NewAccount {
        password: body.password.map(Password::new).transpose().map_err(|e| invalid("password", e))?,
        name: body.name.as_deref().map(name_of).transpose()?,
        email: body.email.as_deref().map(email_of).transpose()?,
        external_id: body.external_id.as_deref().map(external_id_of).transpose()?,
    };
    let record = state.authority.create_account_once(&caller, new, once).await?.value;
    Ok((StatusCode::CREATED, Tagged(record.revision, Json(AccountAnswer::of(&record)))))
}
