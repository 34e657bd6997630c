//! `GET /v1/usage`

use axum::Json;
use axum::extract::State;
use claviger_authority::{UsageBucket, UsageStep};
use claviger_core::{KeyId, UnixSeconds};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{By, QueryOf, not_found};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{invalid, parse_second, time};

/// What is asked for if no span is named: the last day.
const SPAN_SECONDS: u64 = 86_400;

/// Which counters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReadUsage {
    /// Of this key: `key_…`.
    key: String,
    /// From the step that this second lies in; absent: a day before `to`.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Up to the step before this second; absent: until now.
    #[param(format = DateTime)]
    to: Option<String>,
    /// `minute` (kept for a day), `hour` or `day`; absent: `hour`.
    step: Option<String>,
}

/// How often a key was used in one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageAnswer {
    /// When the step begins.
    start: String,
    /// Uses that were let through.
    allowed: u64,
    /// Uses that were refused.
    refused: u64,
}

/// The steps in which a key was used, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageList {
    /// The steps; those without a use are left out.
    items: Vec<UsageAnswer>,
}

/// Read how often a key was used
///
/// For those who may read the key, and for the key itself. What was counted in the last second may be missing.
#[utoipa::path(
    get, path = "/v1/usage", operation_id = "read_usage", tag = "usage", params(ReadUsage),
    responses(
        (status = 200, description = "How often the key was used", body = UsageList),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ReadUsage>,
) -> Result<Json<UsageList>, Problem> {
    let id = query.key.parse::<KeyId>().map_err(|_| not_found())?;
    let until = match &query.to {
        Some(text) => parse_second("to", text)?,
        None => state.authority.now().seconds().plus(1),
    };
    let from = match &query.from {
        Some(text) => parse_second("from", text)?,
        None => UnixSeconds::new(until.get().saturating_sub(SPAN_SECONDS)).unwrap_or(until),
    };
    let step = UsageStep::from_word(query.step.as_deref().unwrap_or("hour"));
    let step = step.ok_or_else(|| invalid("step", "it is `minute`, `hour` or `day`"))?;
    let buckets = state.authority.usage(&caller, id, from, until, step).await?;
    let answer = |bucket: UsageBucket| UsageAnswer {
        start: time(bucket.start),
        allowed: bucket.allowed,
        refused: bucket.refused,
    };
    Ok(Json(UsageList { items: buckets.into_iter().map(answer).collect() }))
}
