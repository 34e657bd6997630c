//! `POST /v1/keys/import`

use axum::Json;
use axum::extract::State;
use claviger_authority::imports::{ImportId, ImportOptions, ImportOutcome, ImportProgress, ImportRow};
use claviger_authority::{Authority, Caller, Error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::read_row::{RawRow, read_rows};
use super::wire::{ImportAnswer, ImportedKey, RowOutcome};
use crate::extract::{By, JsonBody};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::invalid;

/// Rows of one request at most: it is answered when all of them are valid, and who has more wants to see how
/// far it is.
const ROWS_MAX: usize = 1_000;

/// Keys to import at once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"dry_run": true, "rows": [
    {"name": "From elsewhere", "subject": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b", "key": "old_0123456789abcdefghijklmnopqrstuv"}
]}))]
pub struct ImportKeys {
    /// At most 1,000; for more there is `/v1/keys/imports`.
    #[schema(value_type = Vec<ImportedKey>, max_items = 1000)]
    rows: Vec<RawRow>,
    /// Only say what would become of each row.
    #[serde(default)]
    dry_run: bool,
    /// Your statement that every digest is of a text with at least 128 random bits.
    #[serde(default)]
    digests_are_strong: bool,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportedKeys {
    /// In the order of the rows.
    outcomes: Vec<RowOutcome>,
    /// How many of each.
    import: ImportAnswer,
}

/// Import keys
///
/// Rows that can be imported are, all at once; of the others the outcomes say why not.
#[utoipa::path(
    post, path = "/v1/keys/import", operation_id = "import_keys", tag = "keys", request_body = ImportKeys,
    responses(
        (status = 200, description = "What became of each row", body = ImportedKeys),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn import(
    State(state): State<AppState>,
    By(caller): By,
    JsonBody(body): JsonBody<ImportKeys>,
) -> Result<Json<ImportedKeys>, Problem> {
    if body.rows.len() > ROWS_MAX {
        let detail = format!("at most {ROWS_MAX} in one request; for more, begin an import");
        return Err(invalid("rows", detail));
    }
    let options = ImportOptions { dry_run: body.dry_run, digests_are_strong: body.digests_are_strong };
    let rows = read_rows(body.rows);
    let (id, outcomes, progress) = all_of(&state.authority, &caller, options, rows).await?;
    let outcomes = outcomes.into_iter().map(RowOutcome::of).collect();
    Ok(Json(ImportedKeys { outcomes, import: ImportAnswer::of(id, progress, true) }))
}

/// Begins, stages and commits; what cannot be committed is abandoned.
async fn all_of(
    authority: &Authority,
    caller: &Caller,
    options: ImportOptions,
    rows: Vec<Result<ImportRow, String>>,
) -> Result<(ImportId, Vec<ImportOutcome>, ImportProgress), Error> {
    let id = authority.begin_import(caller, options).await?;
    let done = async {
        let outcomes = authority.stage_read_rows(caller, id, rows).await?;
        let committed = authority.commit_import(caller, id).await?;
        Ok((id, outcomes, committed.value))
    };
    let done = done.await;
    if done.is_err() {
        // Should that fail as well, the import is cleared away when nobody goes on with it.
        let _abandoned = authority.abandon_import(caller, id).await;
    }
    done
}
