//! `POST /v1/verify`

use axum::BoxError;
use bytes::Bytes;
use claviger_core::quota::Metered;
use http::Request;

use super::super::BODY_BYTES_MAX;
use super::super::arrival::Arrival;
use super::wire::{VerifyAnswer, VerifyRequest};
use super::{accept, text};
use crate::extract::JsonText;
use crate::problem::{Problem, ProblemDocument};
use crate::serve::Peer;
use crate::state::AppState;

/// Verify a key
///
/// For the application that was presented with a key: is it good for this action on this target, now? The
/// caller's own key needs the scope `key:verify`, which operators grant. Answered from memory, always with
/// 200: a key that is refused is an answer, not an error.
#[utoipa::path(
    post, path = "/v1/verify", operation_id = "verify", tag = "verify", request_body = VerifyRequest,
    responses(
        (status = 200, description = "What the key is worth", body = VerifyAnswer<'static>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create<B>(
    state: &AppState,
    peer: Option<Peer>,
    request: Request<B>,
    rate: &mut Option<Metered>,
) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let arrival = Arrival::read(state, peer, &request)?;
    {
        let place = arrival.place(request.headers());
        state.authority.read(|view| {
            let credential = arrival.credential.look_up(view);
            *rate = accept(state, view, credential, place)?;
            state.authority.may_verify(view, credential, place).map_err(Problem::from)
        })??;
    }
    let (parts, body) = request.into_parts();
    let body = JsonText::whole(&parts.headers, body, BODY_BYTES_MAX).await?;
    let asked: VerifyRequest<'_> = body.read()?;
    let question = asked.read()?;
    let text = state.authority.read(|view| {
        let credential = question.identify(state).look_up(view);
        text::of(&question.answer(state, view, credential))
    })?;
    Ok(text.into())
}
