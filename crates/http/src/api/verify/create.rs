//! `POST /v1/verify`

use axum::BoxError;
use bytes::Bytes;
use claviger_authority::{Answer, Arriving, Counting, MayVerify};
use claviger_core::decide::{Refusal, Verdict};
use claviger_core::quota::Metered;
use http::Request;

use super::super::BODY_BYTES_MAX;
use super::super::arrival::Arrival;
use super::accepted_somebody;
use super::wire::{VerifyAnswer, VerifyRequest};
use crate::extract::JsonText;
use crate::problem::{Problem, ProblemDocument};
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
    arrival: &Arrival,
    request: Request<B>,
    rate: &mut Option<Metered>,
) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    arrival.secure()?;
    let (metered, asker) = {
        let place = arrival.place(request.headers());
        let also = Some(MayVerify::request(place));
        let arriving = Arriving { credential: arrival.credential, place, also, counting: Counting::Count };
        let accept = || state.authority.accept(&arriving, asker);
        state.authority.when_fresh(accept).await??
    };
    *rate = metered;
    let asker = asker?;
    let (parts, body) = request.into_parts();
    let body = JsonText::whole(&parts.headers, body, BODY_BYTES_MAX).await?;
    let asked: VerifyRequest<'_> = body.read()?;
    let question = asked.read()?;
    let about = question.about(question.identify(state));
    let ask = || state.authority.admit(&about, |answer| question.written(state, &answer, asker));
    Ok(state.authority.when_fresh(ask).await?)
}

/// What is left of the caller's rate, and whether it may have keys verified.
fn asker(
    answer: Answer<'_, Option<Verdict<'_>>>,
) -> Result<(Option<Metered>, Result<MayVerify, Problem>), Problem> {
    let metered = accepted_somebody(&answer)?;
    let verdict = answer.outcome.ok().flatten();
    let required = || Problem::refused(Refusal::CredentialsRequired, "");
    let asker = verdict.map_or_else(|| Err(required()), |verdict| Ok(MayVerify::of(&verdict)?));
    Ok((metered, asker))
}
