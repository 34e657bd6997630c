//! `POST /v1/keys/imports/{id}/commit`

use axum::Json;
use axum::extract::State;
use claviger_authority::imports::ImportId;

use super::wire::ImportAnswer;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Commit an import
///
/// Everything that was staged becomes valid at once. A dry run just ends.
#[utoipa::path(
    post, path = "/v1/keys/imports/{id}/commit", operation_id = "commit_import", tag = "keys",
    params(("id" = String, Path, description = "The import: `imp_…`")),
    responses(
        (status = 200, description = "The keys are valid", body = ImportAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn commit(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ImportId>,
) -> Result<Json<ImportAnswer>, Problem> {
    let progress = state.authority.commit_import(&caller, id).await?.value;
    Ok(Json(ImportAnswer::of(id, progress, true)))
}
