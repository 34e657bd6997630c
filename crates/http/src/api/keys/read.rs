//! `GET /v1/keys/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::KeyId;

use super::wire::KeyAnswer;
use crate::condition::Tagged;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Show a key
///
/// For those who manage it, and for the key itself. The key's text is not shown: it never is again.
#[utoipa::path(
    get, path = "/v1/keys/{id}", operation_id = "read_key", tag = "keys",
    params(("id" = String, Path, description = "The key: `key_…`")),
    responses(
        (status = 200, description = "What is known of the key", body = KeyAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<KeyId>,
) -> Result<Tagged<Json<KeyAnswer>>, Problem> {
    let stored = state.authority.key(&caller, id).await?;
    Ok(Tagged(stored.record.revision, Json(KeyAnswer::of(&stored, state.authority.now()))))
}
