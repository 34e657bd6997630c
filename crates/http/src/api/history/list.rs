//! `GET /v1/history`

use axum::Json;
use axum::extract::State;
use claviger_authority::{HistoryFilter, Page};
use claviger_core::history::{HistoryEntry, Origin};
use claviger_core::scope::Action;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::verify::ReasonAnswer;
use crate::extract::{By, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Listing, invalid, page_of, parse_time, time};

/// Which rows of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListHistory {
    /// Those listed under this subject. Absent: the caller's own; for operators, all.
    subject: Option<String>,
    /// Done by `account:acct_…`, `key:key_…`, `system` or `anonymous`.
    actor: Option<String>,
    /// Done with this key: `key_…`.
    key: Option<String>,
    /// This action, such as `key:create`.
    action: Option<String>,
    /// Done to this, such as `key:key_…` or `notebook:5e1f…`.
    target: Option<String>,
    /// By this way: `site`, `api`, `embed` or `cli`.
    origin: Option<String>,
    /// Of this request: the `X-Request-Id` of its answer. Each refusal with a known key is found by it.
    #[param(example = "req_9017ca29e43caff08f4a5b0c0b0bc764")]
    request_id: Option<String>,
    /// At this instant or later.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this instant.
    #[param(format = DateTime)]
    until: Option<String>,
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ListHistory {
    fn read(&self, references: ReferenceReader<'_>) -> Result<HistoryFilter, Problem> {
        let subject = |text: &String| references.read("subject", text).map(|reference| reference.to_string());
        let action = |text: &String| Action::parse(text).map(|_| text.clone());
        let actor = |text: &String| {
            let detail = "it is `account:acct_…`, `account:external:…`, `key:key_…`, `system` or `anonymous`";
            references.actor("actor", text, detail)
        };
        let origin = |word: &String| {
            let known = Origin::ALL.map(Origin::as_str).join("`, `");
            Origin::from_word(word).ok_or_else(|| invalid("origin", format_args!("it is one of `{known}`")))
        };
        let instant = |field: &str, text: &Option<String>| {
            text.as_deref().map(|text| parse_time(field, text)).transpose()
        };
        Ok(HistoryFilter {
            subject: self.subject.as_ref().map(subject).transpose()?,
            actor: self.actor.as_ref().map(actor).transpose()?,
            key: self.key.as_deref().map(str::parse).transpose().map_err(|e| invalid("key", e))?,
            target: self.target.clone().map(|text| references.text(text)).transpose()?,
            action: self.action.as_ref().map(action).transpose().map_err(|e| invalid("action", e))?,
            since: instant("since", &self.since)?,
            until: instant("until", &self.until)?,
            owned: None,
            origin: self.origin.as_ref().map(origin).transpose()?,
            request_id: self.request_id.clone(),
        })
    }
}

/// One row of the history.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryAnswer {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who: `account:acct_…`, `key:key_…`, `system` or `anonymous`.
    actor: String,
    /// With which key, if with one.
    key: Option<String>,
    /// What.
    #[schema(example = "key:create")]
    action: String,
    /// To what.
    target: String,
    /// The subject under which it is listed.
    subject: String,
    /// By which way: `site`, `api`, `embed` or `cli`.
    #[schema(example = "api")]
    origin: &'static str,
    /// From which address.
    address: Option<String>,
    /// The request, as `X-Request-Id` named it.
    request_id: Option<String>,
    /// `done`, or the code of the refusal.
    #[schema(example = "done")]
    outcome: String,
    /// What changed.
    detail: String,
    /// What led to a refusal, step by step; empty for what was done.
    reasons: Vec<ReasonAnswer>,
}

impl HistoryAnswer {
    fn of(entry: HistoryEntry) -> Self {
        Self {
            at: time(entry.at),
            actor: entry.actor.to_string(),
            key: entry.key.map(|key| key.to_string()),
            action: entry.action.into(),
            target: entry.target.into(),
            subject: entry.subject.into(),
            origin: entry.origin.as_str(),
            address: entry.address.map(|address| address.to_string()),
            request_id: entry.request_id.map(Into::into),
            outcome: entry.outcome.into(),
            detail: entry.detail.into(),
            reasons: entry.reasons.iter().map(ReasonAnswer::of).collect(),
        }
    }
}

/// List the history
///
/// The newest first. Operators see all; others what is listed under an account, team, project or resource
/// that they administer.
#[utoipa::path(
    get, path = "/v1/history", operation_id = "list_history", tag = "history", params(ListHistory),
    responses(
        (status = 200, description = "A page of the history", body = Listing<HistoryAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ListHistory>,
) -> Result<Json<Listing<HistoryAnswer>>, Problem> {
    let (limit, after) = page_of::<u64>(query.limit, query.cursor.as_deref())?;
    let rows = state
        .authority
        .history(&caller, query.read(ReferenceReader::of(&state, &caller))?, Page { after, limit: limit + 1 })
        .await?;
    Ok(Json(Listing::of(
        rows,
        limit,
        |(number, _)| number.to_string(),
        |(_, entry)| HistoryAnswer::of(entry),
    )))
}
