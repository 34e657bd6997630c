//! `GET /v1/whoami`

use axum::Json;
use axum::extract::State;
use claviger_authority::keys::Whoami;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::keys::wire::KeyAnswer;
use crate::extract::By;
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// What a credential is.
#[derive(Serialize, ToSchema)]
pub struct WhoamiAnswer {
    /// `key`, or `account` for a session.
    #[schema(example = "key")]
    kind: &'static str,
    /// The key, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<KeyAnswer>,
    /// The account that signed in, if one did: `acct_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
}

/// Show what this credential is
///
/// Every credential that is accepted may ask, whatever its scopes.
#[utoipa::path(
    get, path = "/v1/whoami", operation_id = "whoami", tag = "whoami",
    responses(
        (status = 200, description = "What the credential is", body = WhoamiAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
) -> Result<Json<WhoamiAnswer>, Problem> {
    Ok(Json(match state.authority.whoami(&caller).await? {
        Whoami::Key(stored) => {
            let key = KeyAnswer::of(&stored, state.authority.now());
            WhoamiAnswer { kind: "key", key: Some(key), account: None }
        }
        Whoami::Account(id) => WhoamiAnswer { kind: "account", key: None, account: Some(id.to_string()) },
    }))
}
