//! `DELETE /v1/keys/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::KeyId;

use crate::condition::Condition;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Deleted;

/// Delete a key
///
/// When this has answered, no node accepts the key any more. A key may delete itself, unless it is one of a
/// resource: those stand in public pages.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", operation_id = "delete_key", tag = "keys",
    params(
        ("id" = String, Path, description = "The key: `key_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to delete"),
    ),
    responses(
        (status = 200, description = "The key is gone", body = Deleted),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<KeyId>,
    condition: Condition,
) -> Result<Json<Deleted>, Problem> {
    let changed = state.authority.delete_key(&caller, id, condition).await?;
    Ok(Json(Deleted::of(id, &changed.change)))
}
