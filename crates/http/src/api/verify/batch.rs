//! `POST /v1/verify/batch`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use claviger_authority::CallerCredential;
use claviger_core::decide::Credential;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use utoipa::ToSchema;

use super::text;
use super::wire::{BATCH_REQUESTS_MAX, VerifyAnswer, VerifyRequest};
use crate::extract::{By, JsonText};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{Object, invalid};

/// Several questions.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"requests": [{"key": "sk_…", "action": "notebook:read", "target": "notebook:5e1f0c3a9b7d2468"}]}))]
pub struct VerifyBatch<'b> {
    /// The questions, at most 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<VerifyRequest>, max_items = 1000)]
    requests: Vec<Object<VerifyRequest<'b>>>,
}

/// Their answers.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `text::of_batch` writes")]
pub struct VerifyResults<'v> {
    /// The answers, in the order of the questions.
    results: Vec<VerifyAnswer<'v>>,
}

/// Verify many keys
///
/// The same as one by one, with one round trip. One question that cannot be read refuses the batch.
#[utoipa::path(
    post, path = "/v1/verify/batch", operation_id = "verify_batch", tag = "verify", request_body = VerifyBatch,
    responses(
        (status = 200, description = "What each key is worth", body = VerifyResults<'static>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn batch(
    State(state): State<AppState>,
    By(caller): By,
    body: JsonText,
) -> Result<Response, Problem> {
    state
        .authority
        .read(|view| state.authority.may_verify(view, caller.credential(view), caller.place()))??;
    let asked: VerifyBatch<'_> = body.read()?;
    if asked.requests.len() > BATCH_REQUESTS_MAX {
        return Err(invalid("requests", format_args!("at most {BATCH_REQUESTS_MAX} in one batch")));
    }
    let questions = asked.requests.iter().enumerate().map(|(n, Object(request))| {
        let place =
            |problem: Problem| Problem { detail: format!("`requests[{n}]`: {}", problem.detail), ..problem };
        request.read().map_err(place)
    });
    let questions = questions.collect::<Result<Vec<_>, _>>()?;
    // All are hashed first and then looked up together, so that memory is waited for once and not for each.
    let identified = questions.iter().map(|question| question.identify(&state)).collect::<Vec<_>>();
    let digests = identified.iter().filter_map(CallerCredential::digest).copied().collect::<Vec<_>>();
    let text = state.authority.read(|view| {
        let mut keys = Vec::with_capacity(digests.len());
        view.keys(&digests, &mut keys);
        let mut keys = keys.into_iter();
        let results = questions.iter().zip(&identified).map(|(question, identified)| {
            let key = identified.digest().and_then(|_| keys.next().flatten());
            question.answer(&state, view, key.map_or(Credential::Unknown, Credential::Key))
        });
        text::of_batch(&results.collect::<Vec<_>>())
    })?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response())
}
