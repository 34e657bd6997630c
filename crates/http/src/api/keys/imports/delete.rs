//! `DELETE /v1/keys/imports/{id}`

use axum::Json;
use axum::extract::State;
use claviger_authority::imports::ImportId;

use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Deleted;

/// Abandon an import
///
/// Nothing of it stays. For whoever began it and for operators. One that nobody goes on with for an hour is abandoned, so
/// is one whose caller is no longer accepted, and so is every one that is
/// under way when the server stops.
#[utoipa::path(
    delete, path = "/v1/keys/imports/{id}", operation_id = "abandon_import", tag = "keys",
    params(("id" = String, Path, description = "The import: `imp_…`")),
    responses(
        (status = 200, description = "The import is gone", body = Deleted),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ImportId>,
) -> Result<Json<Deleted>, Problem> {
    state.authority.abandon_import(&caller, id).await?;
    Ok(Json(Deleted { id: id.to_string(), deleted: true, revocation: None }))
}
