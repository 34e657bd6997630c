//! `GET /v1/verify`

use std::borrow::Cow;

use bytes::Bytes;
use claviger_core::quota::Metered;
use http::Request;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::arrival::Arrival;
use super::wire::{VerifyAnswer, VerifyRequest};
use super::{accept, text};
use crate::extract::query_of;
use crate::problem::{Problem, ProblemDocument};
use crate::serve::Peer;
use crate::state::AppState;

/// What is asked about the key itself.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct VerifySelf {
    /// What it shall do, `type:action`. Absent: only whether it reaches the target.
    #[param(example = "notebook:read")]
    pub(super) action: Option<String>,
    /// To what: `type:id` of a resource, `account:acct_…`, `team:team_…`, `project:proj_…` or `operator`.
    pub(super) target: Option<String>,
    /// At which version; absent: the latest.
    #[param(minimum = 1)]
    pub(super) version: Option<u32>,
    /// `api`, or `embed` for a page of somebody else's; absent: `api`.
    pub(super) context: Option<String>,
    /// Whether to say step by step what led to the answer.
    #[serde(default)]
    pub(super) explain: bool,
}

/// Verify the key itself
///
/// For whoever holds a key: is it good for this action on this target, now? No scope is needed. The answer is
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
    peer: Option<Peer>,
    request: &Request<B>,
    rate: &mut Option<Metered>,
) -> Result<Bytes, Problem> {
    let arrival = Arrival::read(state, peer, request)?;
    let place = arrival.place(request.headers());
    state.authority.read(|view| {
        let credential = arrival.credential.look_up(view);
        *rate = accept(state, view, credential, place)?;
        let uri = arrival.uri_without(request.uri())?;
        let uri = uri.as_ref().unwrap_or(request.uri());
        let query = if uri.query().is_some() { query_of(uri)? } else { VerifySelf::default() };
        let asked = VerifyRequest::about_itself(&query);
        let question = asked.read()?.asked_from(place);
        Ok(text::of(&question.answer_for(state, view, credential)).into())
    })?
}

impl<'q> VerifyRequest<'q> {
    /// The same question as that of an application, about whoever asks.
    fn about_itself(query: &'q VerifySelf) -> Self {
        Self::of(
            Cow::Borrowed(""),
            [query.action.as_deref(), query.target.as_deref(), query.context.as_deref()],
            query.version,
            query.explain,
        )
    }
}
