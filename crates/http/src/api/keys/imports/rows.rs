//! `POST /v1/keys/imports/{id}/rows`

use axum::Json;
use axum::extract::State;
use claviger_authority::imports::ImportId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::read_row::{RawRow, read_rows};
use super::wire::{ImportedKey, RowOutcome};
use crate::extract::{By, JsonBody, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Rows to stage.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"rows": [
    {"name": "From elsewhere", "subject": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b", "key": "old_0123456789abcdefghijklmnopqrstuv"}
]}))]
pub struct StageRows {
    /// At most 5,000.
    #[schema(value_type = Vec<ImportedKey>, max_items = 5000)]
    rows: Vec<RawRow>,
}

/// What becomes of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct StagedRows {
    /// In the order of the rows.
    outcomes: Vec<RowOutcome>,
}

/// Stage rows of an import
///
/// A row that is invalid or refused does not keep the others from being imported.
#[utoipa::path(
    post, path = "/v1/keys/imports/{id}/rows", operation_id = "stage_import_rows", tag = "keys", request_body = StageRows,
    params(("id" = String, Path, description = "The import: `imp_…`")),
    responses(
        (status = 200, description = "What becomes of each row", body = StagedRows),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn stage(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ImportId>,
    JsonBody(body): JsonBody<StageRows>,
) -> Result<Json<StagedRows>, Problem> {
    let outcomes = state.authority.stage_read_rows(&caller, id, read_rows(body.rows)).await?;
    Ok(Json(StagedRows { outcomes: outcomes.into_iter().map(RowOutcome::of).collect() }))
}
