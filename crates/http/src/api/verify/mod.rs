//! `/v1/verify`
//!
//! The batch goes through the router like everything else. A single verification does not: it is asked for each
//! request of somebody's API, and what a router does for any handler costs more than the decision.

mod batch;
mod create;
mod read;
mod text;
mod wire;

use std::sync::Arc;

use axum::BoxError;
use axum::extract::DefaultBodyLimit;
use bytes::Bytes;
use claviger_authority::{Answer, NotFresh};
use claviger_core::decide::{Credential, Refusal};
use claviger_core::quota::Metered;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{Either, Full};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::arrival::{self, Arrival};
use super::{Answering, ApiBody, Shared, finish};
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::serve::Peer;
use crate::state::AppState;

pub(super) use wire::ReasonAnswer;

/// Where a key is verified.
pub(super) const PATH: &str = "/v1/verify";

/// Fields in the head of an answer: those of every answer, and two each of a rate and a quota.
const FIELDS: usize = 10;

/// What is answered without the router, for the description.
#[derive(OpenApi)]
#[openapi(paths(read::read, create::create))]
struct Direct;

/// What goes through the router, and the description of all.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Direct::openapi())
        .routes(routes!(batch::batch))
        .layer(DefaultBodyLimit::max(wire::BATCH_BODY_BYTES_MAX))
}

/// Answers a request to [`PATH`].
pub(super) fn answer<B>(shared: &Arc<Shared>, peer: Option<Peer>, request: Request<B>) -> Answering
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let id = RequestId::new(shared.state.authority.ports());
    let now = |outcome| Answering::Now(Some(response(shared, outcome, None, &id)));
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
        let allow = HeaderValue::from_static("GET,HEAD,POST");
        return now(Err(Problem::method_not_allowed().with(ALLOW, allow)));
    }
    let arrival = match Arrival::read(&shared.state, peer, &request) {
        Ok(arrival) => arrival,
        Err(problem) => return now(Err(problem)),
    };
    if *request.method() == Method::POST {
        let shared = Arc::clone(shared);
        return Answering::Later(Box::pin(async move {
            let mut rate = None;
            let outcome = create::create(&shared.state, &arrival, request, &mut rate).await;
            finished(&shared, outcome, rate, (&Method::POST, &arrival), &id)
        }));
    }
    let mut rate = None;
    match read::read(&shared.state, &arrival, &request, &mut rate) {
        Ok(outcome) => {
            let outcome = finished(shared, outcome, rate, (request.method(), &arrival), &id);
            Answering::Now(Some(outcome))
        }
        // Those who need not wait are answered at once; now there is something to wait for.
        Err(NotFresh) => {
            Answering::Later(Box::pin(again(Arc::clone(shared), arrival, request.map(drop), id)))
        }
    }
}

/// Answers about the key itself as soon as this node is up to date.
async fn again(
    shared: Arc<Shared>,
    arrival: Arrival,
    request: Request<()>,
    id: RequestId,
) -> Response<ApiBody> {
    let mut rate = None;
    let ask = || read::read(&shared.state, &arrival, &request, &mut rate);
    let outcome = shared.state.authority.when_fresh(ask).await;
    let outcome = outcome.unwrap_or_else(|stale| Err(stale.into()));
    finished(&shared, outcome, rate, (request.method(), &arrival), &id)
}

/// The answer; a refusal is recorded.
fn finished(
    shared: &Shared,
    outcome: Result<Bytes, Problem>,
    rate: Option<Metered>,
    (method, arrival): (&Method, &Arrival),
    id: &RequestId,
) -> Response<ApiBody> {
    if let Err(problem) = &outcome {
        shared.record(problem, (arrival.credential, arrival.address), (method, PATH), id);
    }
    response(shared, outcome, rate.as_ref(), id)
}

/// Whoever asks has to be somebody who is accepted. Returns what is left of the key's rate.
///
/// # Errors
/// As everywhere: nothing is read, looked up or told before authentication.
fn accepted_somebody<P>(answer: &Answer<'_, P>) -> Result<Option<Metered>, Problem> {
    let metered = arrival::accepted(answer)?;
    if matches!(answer.credential, Credential::Anonymous) {
        return Err(Problem::refused(Refusal::CredentialsRequired, ""));
    }
    Ok(metered)
}

fn response(
    shared: &Shared,
    outcome: Result<Bytes, Problem>,
    rate: Option<&Metered>,
    id: &RequestId,
) -> Response<ApiBody> {
    let response = match outcome {
        Ok(text) => {
            let mut response = Response::new(Either::Left(Full::new(text)));
            *response.headers_mut() = HeaderMap::with_capacity(FIELDS);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        Err(problem) => shared.refused(problem).map(Either::Right),
    };
    tracing::debug!(status = response.status().as_u16(), request_id = %id, "verify");
    finish(response, rate, id)
}
