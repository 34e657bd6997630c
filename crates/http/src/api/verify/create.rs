//! `POST /v1/verify`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::wire::{VerifyAnswer, VerifyRequest};
use crate::extract::{By, JsonText};
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
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    body: JsonText,
) -> Result<Response, Problem> {
    state.authority.may_verify(&caller)?;
    let asked: VerifyRequest<'_> = body.read()?;
    let question = asked.read()?;
    let view = state.authority.index().view();
    Ok(Json(question.answer(&state, &view)).into_response())
}
