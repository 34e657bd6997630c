//! `POST /v1/history`

use axum::Json;
use axum::extract::State;
use claviger_authority::reports::HostEntry;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::extract::{By, JsonBody};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Object, invalid};

/// Bytes of a report at most: a thousand rows with long details.
pub(super) const REPORT_BYTES_MAX: usize = 1024 * 1024;

/// What was done on your own site.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"entries": [{
    "target": "notebook:5e1f0c3a9b7d2468", "action": "run:create", "actor": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b", "detail": "nightly"
}]}))]
pub struct ReportHistory {
    /// At most 1,000; all of them are recorded, or none.
    #[schema(value_type = Vec<ReportedEntry>, max_items = 1000)]
    entries: Vec<Object<ReportedEntry>>,
}

/// Something that was done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedEntry {
    /// To what, such as `notebook:5e1f…`.
    target: String,
    /// What: an action of your own.
    #[schema(example = "run:create")]
    action: String,
    /// In words, at most 512 characters on one line.
    #[serde(default)]
    detail: String,
    /// Which account did it: `account:acct_…`; absent: the key itself. Only operators name an account other than that
    /// which the key acts for.
    actor: Option<String>,
}

/// How many rows were added.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedHistory {
    /// The rows.
    recorded: u64,
}

/// Report what your own site did
///
/// The rows stand in the history with origin `site`. For keys with the scope `history:create`.
#[utoipa::path(
    post, path = "/v1/history", operation_id = "report_history", tag = "history", request_body = ReportHistory,
    responses(
        (status = 201, description = "The rows were added", body = ReportedHistory),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    JsonBody(body): JsonBody<ReportHistory>,
) -> Result<(StatusCode, Json<ReportedHistory>), Problem> {
    let references = ReferenceReader::of(&state, &caller);
    let entry = |(n, Object(entry)): (usize, Object<ReportedEntry>)| {
        let account = |text: String| {
            let account =
                text.starts_with("account:").then(|| references.account("actor", &text).ok()).flatten();
            let detail = || format!("row {n}: write `account:acct_…` or `account:external:…`");
            account.ok_or_else(|| invalid("actor", detail()))
        };
        Ok(HostEntry {
            target: references.text(entry.target)?,
            action: entry.action,
            detail: entry.detail,
            actor: entry.actor.map(account).transpose()?,
        })
    };
    let entries = body.entries.into_iter().enumerate().map(entry).collect::<Result<Vec<_>, Problem>>()?;
    let recorded = state.authority.record_history(&caller, entries).await?;
    Ok((StatusCode::CREATED, Json(ReportedHistory { recorded })))
}
