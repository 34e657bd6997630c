//! `GET /v1/keys/imports/{id}`

use axum::Json;
use axum::extract::State;
use claviger_authority::imports::ImportId;

use super::wire::ImportAnswer;
use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Show how far an import is
///
/// For the caller that began it, until it is committed or abandoned.
#[utoipa::path(
    get, path = "/v1/keys/imports/{id}", operation_id = "show_import", tag = "keys",
    params(("id" = String, Path, description = "The import: `imp_…`")),
    responses(
        (status = 200, description = "How far it is", body = ImportAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ImportId>,
) -> Result<Json<ImportAnswer>, Problem> {
    Ok(Json(ImportAnswer::of(id, state.authority.import_progress(&caller, id)?, false)))
}
