//! `DELETE /v1/whoami/key`

use axum::Json;
use axum::extract::State;

use crate::extract::By;
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Deleted;

/// Delete this key itself
///
/// For anyone who finds a key, or no longer needs one: no scope is needed. Keys of a resource stand in public
/// pages by design, so those do not end themselves; their managers end them.
#[utoipa::path(
    delete, path = "/v1/whoami/key", operation_id = "delete_own_key", tag = "whoami",
    responses(
        (status = 200, description = "The key is gone", body = Deleted),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete_key(
    State(state): State<AppState>,
    By(caller): By,
) -> Result<Json<Deleted>, Problem> {
    let deleted = state.authority.delete_own_key(&caller).await?;
    Ok(Json(Deleted::of(deleted.value, &deleted.change)))
}
