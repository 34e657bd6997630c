//! `POST /v1/keys/imports`

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::wire::{BeginImport, ImportAnswer};
use crate::extract::{By, JsonBody};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Begin an import
///
/// For keys that were made elsewhere, as many as you like: begin, stage rows in batches, commit. Nothing is
/// valid before the commit, and after it everything is.
#[utoipa::path(
    post, path = "/v1/keys/imports", operation_id = "begin_import", tag = "keys", request_body = BeginImport,
    responses(
        (status = 201, description = "The import was begun", body = ImportAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    JsonBody(body): JsonBody<BeginImport>,
) -> Result<(StatusCode, Json<ImportAnswer>), Problem> {
    let id = state.authority.begin_import(&caller, body.read()).await?;
    let progress = state.authority.import_progress(&caller, id)?;
    Ok((StatusCode::CREATED, Json(ImportAnswer::of(id, progress, false))))
}
