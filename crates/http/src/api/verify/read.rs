//! `GET /v1/verify`

use std::borrow::Cow;

use bytes::Bytes;
use claviger_authority::{Answer, Arriving, Counting, Denial, MayVerify, NotFresh};
use claviger_core::decide::{Place, Refusal, Verdict};
use claviger_core::quota::Metered;
use http::Request;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::arrival::{self, Arrival};
use super::accepted_somebody;
use super::wire::{Question, VerifyAnswer, VerifyRequest};
use crate::extract::query_of;
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// A key that asks about itself may know no more than itself.
const NOT_ALL: MayVerify = MayVerify { knows_all: false };

/// What is asked about the key itself.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct VerifySelf {
    /// The action to check, `type:action`. Absent: only whether it reaches the target.
    #[param(example = "notebook:read")]
    pub(super) action: Option<String>,
    /// To what: `type:id` of a resource, `account:acct_…`, `team:team_…`, `project:proj_…` or `operator`.
    pub(super) target: Option<String>,
    /// At which version; absent: the latest.
    #[param(minimum = 1)]
    pub(super) version: Option<u32>,
    /// `api`, or `embed` for a page of somebody else's; absent: `api`.
    pub(super) context: Option<String>,
    /// Whether to say step by step what led to the answer. Nothing is said that the key may not know: a target
    /// that is hidden from it is explained like one that does not exist.
    #[serde(default)]
    pub(super) explain: bool,
    /// Whether this counts as a use of the key; absent: it does. With `false` nothing of its rate and quota is
    /// used up, and the answer says what they would say.
    #[serde(default = "counts")]
    #[param(default = true, example = true)]
    pub(super) count: bool,
}

const fn counts() -> bool {
    true
}

impl Default for VerifySelf {
    fn default() -> Self {
        Self { action: None, target: None, version: None, context: None, explain: false, count: true }
    }
}

/// Verify the key itself
///
/// Checks the key that you call with: is it good for this action on this target, now? No scope is needed. The answer is
/// that of `POST /v1/verify`; a key that is not accepted at all is refused, here as everywhere.
#[utoipa::path(
    get, path = "/v1/verify", operation_id = "verify_own_key", tag = "verify", params(VerifySelf),
    responses(
        (status = 200, description = "What the key is worth", body = VerifyAnswer<'static>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) fn read<B>(
    state: &AppState,
    arrival: &Arrival,
    request: &Request<B>,
    rate: &mut Option<Metered>,
) -> Result<Result<Bytes, Problem>, NotFresh> {
    if let Err(problem) = arrival.secure() {
        return Ok(Err(problem));
    }
    let place = arrival.place(request.headers());
    // What is wrong with the question is told only to those whose credential is accepted.
    let query = arrival.uri_without(request.uri()).and_then(|uri| {
        let uri = uri.as_ref().unwrap_or(request.uri());
        if uri.query().is_some() { query_of(uri) } else { Ok(VerifySelf::default()) }
    });
    let asked = query.as_ref().map(VerifyRequest::about_itself);
    let question = match asked.as_ref().map(VerifyRequest::read) {
        Ok(Ok(question)) => Ok(question.asked_from(place)),
        Ok(Err(problem)) => Err(problem),
        Err(problem) => Err((*problem).clone()),
    };
    match question {
        Ok(question) if !question.counts() => asked_only(state, arrival, &question),
        question => counted(state, arrival, place, question, rate),
    }
}

/// A use of the key, whatever it is good for.
fn counted(
    state: &AppState,
    arrival: &Arrival,
    place: Place<'_>,
    question: Result<Question<'_>, Problem>,
    rate: &mut Option<Metered>,
) -> Result<Result<Bytes, Problem>, NotFresh> {
    let also = question.as_ref().ok().map(Question::request);
    let arriving = Arriving { credential: arrival.credential, place, also, counting: Counting::Count };
    state.authority.accept(&arriving, |answer| {
        *rate = accepted_somebody(&answer)?;
        let question = question?;
        let Ok(Some(Verdict { outcome, mut reasons })) = answer.outcome else {
            return Err(Problem::refused(Refusal::NotFound, ""));
        };
        if let Some(metered) = &answer.metered {
            reasons.meter(metered);
        }
        let outcome = outcome.map_err(Denial::Refused);
        let own = Answer { credential: answer.credential, outcome, metered: answer.metered, reasons };
        Ok(question.written(state, &own, NOT_ALL))
    })
}

/// A diagnosis: what the key would be told, without using anything up.
fn asked_only(
    state: &AppState,
    arrival: &Arrival,
    question: &Question<'_>,
) -> Result<Result<Bytes, Problem>, NotFresh> {
    state.authority.admit(&question.about(arrival.credential), |answer| match &answer.outcome {
        Err(denial @ Denial::Refused(refusal)) if refusal.is_of_the_credential() => {
            Err(arrival::denied(denial, answer.reasons))
        }
        _ => Ok(question.written(state, &answer, NOT_ALL)),
    })
}

impl<'q> VerifyRequest<'q> {
    /// The same question as that of an application, about whoever asks.
    fn about_itself(query: &'q VerifySelf) -> Self {
        Self::of(
            Cow::Borrowed(""),
            [query.action.as_deref(), query.target.as_deref(), query.context.as_deref()],
            query.version,
            (query.explain, query.count),
        )
    }
}
