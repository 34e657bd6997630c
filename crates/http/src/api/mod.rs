//! The REST API. The folders below mirror its addresses: `keys/create.rs` is `POST /v1/keys`.

mod accounts;
mod changes;
mod group;
mod history;
mod keys;
mod leaks;
mod openapi;
pub(crate) mod patience;
mod problems;
mod projects;
mod resources;
mod teams;
mod usage;
mod verify;
mod whoami;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::{Extension, Router};
use claviger_authority::Caller;
use claviger_core::decide::{Credential, Reasons, authenticate};
use claviger_core::history::Origin;
use claviger_core::rate::RateDecision;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use hyper::body::Incoming;
use tower::ServiceExt;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::patience::Patience;
use crate::client::client_of;
use crate::credential::{self, Slots};
use crate::problem::Problem;
use crate::rate;
use crate::request_id::{self, RequestId};
use crate::serve::Peer;
use crate::state::AppState;

pub use leaks::{GithubKey, GithubKeyError};

/// Bytes of a body at most; what takes more has its own limit.
pub const BODY_BYTES_MAX: usize = 256 * 1024;

/// The router, and its description from the same source.
pub fn router(state: AppState) -> (Router, Document) {
    let (router, document) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(keys::router())
        .merge(leaks::router())
        .merge(verify::router())
        .merge(whoami::router())
        .merge(changes::router())
        .merge(accounts::router())
        .merge(teams::router())
        .merge(projects::router())
        .merge(resources::router())
        .merge(history::router())
        .merge(usage::router())
        .merge(problems::router())
        .routes(routes!(openapi::read))
        .split_for_parts();
    let router = router
        .layer(Extension(openapi::Written::of(&document)))
        .fallback(|| async { crate::extract::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address does not take this method; `Allow` names those it does.",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state);
    (router, document)
}

/// The API as a service for [`crate::serve`]: it reads the credential, takes it out of the request, and
/// writes problems down.
#[derive(Clone)]
pub struct ApiService {
    router: Router,
    state: AppState,
}

impl ApiService {
    /// The service.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        Self { router: router(state.clone()).0, state }
    }

    /// Answers one request.
    pub async fn answer(&self, mut request: Request<Body>) -> Response {
        let id = RequestId::new(self.state.authority.ports());
        let prepared = self.prepare(&mut request, &id);
        let response = match prepared {
            Err(problem) => problem.challenging(Slots::ALL).render(&self.state.edge.public_url),
            Ok(rate) => {
                let method = request.method().clone();
                let Ok(mut response) = self.router.clone().oneshot(request).await;
                if let Some(problem) = response.extensions_mut().remove::<Problem>() {
                    let allow = response.headers_mut().remove(http::header::ALLOW);
                    response = problem.challenging(Slots::ALL).render(&self.state.edge.public_url);
                    if let Some(allow) = allow {
                        response.headers_mut().insert(http::header::ALLOW, allow);
                    }
                }
                rate::tell(rate.as_ref(), response.headers_mut());
                // Neither path nor query: people put keys where they do not belong, and a log is the wrong place to find them.
                tracing::debug!(%method, status = response.status().as_u16(), request_id = %id, "api");
                response
            }
        };
        finish(response, &id)
    }

    /// Reads the credential, takes it out of the request and counts its use. Returns what is left of the
    /// key's rate, if it has one.
    fn prepare(&self, request: &mut Request<Body>, id: &RequestId) -> Result<Option<RateDecision>, Problem> {
        let peer = request.extensions().get::<Peer>().copied();
        let client = peer.map(|peer| client_of(&peer, request.headers(), &self.state.edge));
        let slots = Slots { query: request.method() == http::Method::GET, ..Slots::ALL };
        let (credential, query_without, presented) = {
            let found = credential::read(request.headers(), request.uri().query(), slots)?;
            let key = found.key();
            (self.state.authority.identify(key), found.query_without.clone(), key.is_some())
        };
        if presented && client.is_some_and(|client| !client.secure) {
            let detail = "The key travelled over plain HTTP. Use HTTPS, and consider replacing the key.";
            return Err(Problem::new(StatusCode::FORBIDDEN, "insecure_transport", detail));
        }
        if let Some(rest) = query_without {
            *request.uri_mut() = with_query(request.uri(), rest.as_deref())?;
        }
        request.headers_mut().remove(http::header::AUTHORIZATION);
        request.headers_mut().remove(credential::X_API_KEY);
        let web_origin =
            request.headers().get(http::header::ORIGIN).and_then(|value| value.to_str().ok()).map(Box::from);
        let caller = Caller {
            credential,
            address: client.map(|client| client.address),
            web_origin,
            origin: Origin::Api,
            request_id: Some(id.to_string().into()),
        };
        let rate = self.count(&caller)?;
        request.extensions_mut().insert(caller);
        Ok(rate)
    }

    /// Counts the use of a known key: as one that was let through if it is accepted and its rate allows it.
    /// Whether it may do what is asked is for the handler to find out.
    fn count(&self, caller: &Caller) -> Result<Option<RateDecision>, Problem> {
        let authority = &self.state.authority;
        let view = authority.index().view();
        let Credential::Key(key) = caller.credential(&view) else { return Ok(None) };
        let (now, mut reasons) = (authority.now(), Reasons::default());
        let accepted = authenticate(&view, Credential::Key(key), caller.place(), now, &mut reasons).is_ok();
        let rate = if accepted { authority.check_rate(key, now) } else { None };
        let refusal = rate::refusal(rate.as_ref());
        authority.record_use(key.id, caller.address, now, accepted && refusal.is_none());
        refusal.map_or(Ok(rate), Err)
    }
}

/// The address with another query.
fn with_query(uri: &Uri, query: Option<&str>) -> Result<Uri, Problem> {
    let text = match query {
        None => uri.path().to_owned(),
        Some(query) => format!("{}?{query}", uri.path()),
    };
    let mut parts = uri.clone().into_parts();
    let unreadable = |_| Problem::bad_request("bad_request", "The address cannot be read.");
    parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(unreadable)?);
    Uri::from_parts(parts).map_err(|_| Problem::bad_request("bad_request", "The address cannot be read."))
}

/// What every answer of ours carries. Answers about keys depend on a secret, so nobody may keep them.
fn finish(mut response: Response, id: &RequestId) -> Response {
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.header());
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY"));
    response
}

impl hyper::service::Service<Request<Incoming>> for ApiService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request.map(|body| Body::new(Patience::with(body)))).await) })
    }
}
