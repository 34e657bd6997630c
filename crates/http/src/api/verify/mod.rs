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
use claviger_authority::index::View;
use claviger_core::decide::{Credential, Place, Refusal};
use claviger_core::quota::Metered;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{Either, Full};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answering, ApiBody, Shared, arrival, finish};
use crate::problem::Problem;
use crate::request_id::RequestId;
use crate::serve::Peer;
use crate::state::AppState;

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
    match *request.method() {
        Method::GET | Method::HEAD => {
            let mut rate = None;
            let outcome = read::read(&shared.state, peer, &request, &mut rate);
            Answering::Now(Some(response(shared, outcome, rate.as_ref(), &id)))
        }
        Method::POST => {
            let shared = Arc::clone(shared);
            Answering::Later(Box::pin(async move {
                let mut rate = None;
                let outcome = create::create(&shared.state, peer, request, &mut rate).await;
                response(&shared, outcome, rate.as_ref(), &id)
            }))
        }
        _ => {
            let problem =
                Problem::method_not_allowed().with(ALLOW, HeaderValue::from_static("GET,HEAD,POST"));
            Answering::Now(Some(response(shared, Err(problem), None, &id)))
        }
    }
}

/// Counts the use of whoever asks, who has to be accepted. Returns what is left of the key's rate.
///
/// # Errors
/// As everywhere: nothing is read, looked up or told before authentication.
fn accept(
    state: &AppState,
    view: &View<'_>,
    credential: Credential<'_>,
    place: Place<'_>,
) -> Result<Option<Metered>, Problem> {
    let counted = arrival::count(state, view, credential, place)?;
    if matches!(credential, Credential::Anonymous) {
        return Err(Problem::refused(Refusal::CredentialsRequired, ""));
    }
    counted.accepted.map_err(|refusal| Problem::refused(refusal, ""))?;
    Ok(counted.rate)
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
