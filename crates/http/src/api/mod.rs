//! The REST API. The folders below mirror its addresses: `keys/create.rs` is `POST /v1/keys`.

mod accounts;
mod arrival;
mod carried;
mod changes;
mod group;
mod history;
mod html;
mod keys;
mod leaks;
mod network;
mod openapi;
pub(crate) mod patience;
mod playground;
mod problems;
mod projects;
mod resources;
mod teams;
mod usage;
mod verify;
mod whoami;

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::{BoxError, Extension, Router};
use bytes::Bytes;
use claviger_authority::{
    Answer, Arriving, Caller, CallerCredential, Counting, Denial, NamedByCaller, RequestRecord,
};
use claviger_core::history::Origin;
use claviger_core::quota::Metered;
use claviger_core::scope::Action;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::ServiceExt;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::arrival::Arrival;
use self::carried::{Carriage, Passage};
use self::patience::Patience;
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
        .merge(playground::router())
        .routes(routes!(openapi::read))
        .split_for_parts();
    let whole = openapi::whole(&document);
    let router = router
        .layer(Extension(openapi::Written::of(&whole)))
        .layer(Extension(playground::Page::of(&whole)))
        .layer(Extension(leaks::LargeBodies::default()))
        .fallback(|| async { crate::extract::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state);
    (router, document)
}

/// What an answer of the API consists of: a verification is in one piece, everything else comes from the router.
pub type ApiBody = Either<Full<Bytes>, Body>;

/// The API as a service for one connection, made by [`crate::serve::serve_with`]. It reads the credential, takes
/// it out of the request, and writes problems down.
#[derive(Clone)]
pub struct ApiService {
    shared: Arc<Shared>,
    peer: Option<Peer>,
}

struct Shared {
    router: Router,
    state: AppState,
    carriage: Carriage,
    /// The addresses of the API, as the description has them.
    paths: Vec<String>,
}

impl ApiService {
    /// The service, for whoever says in the extensions of a request which [`Peer`] it came from.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        let (router, document) = router(state.clone());
        let paths = document.paths.paths.into_keys().collect();
        Self { shared: Arc::new(Shared { router, state, carriage: Carriage::default(), paths }), peer: None }
    }

    /// The service for the connection of this peer.
    #[must_use]
    pub fn at(&self, peer: Peer) -> Self {
        Self { shared: Arc::clone(&self.shared), peer: Some(peer) }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<ApiBody>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let Ok(response) = self.begin(request).await;
        response
    }

    /// Verifications do not go through the router: each request to somebody's own API may bring one, and those
    /// without a body are answered by the time this returns.
    fn begin<B>(&self, mut request: Request<B>) -> Answering
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let peer = self.peer.or_else(|| request.extensions_mut().remove::<Peer>());
        let request = request.map(Patience::with);
        if request.uri().path() == verify::PATH {
            return verify::answer(&self.shared, peer, request);
        }
        let shared = Arc::clone(&self.shared);
        if !Carriage::takes(request.method(), request.uri().path()) {
            let answer = async move { shared.through_router(peer, request.map(Body::new), None).await };
            return Answering::Later(Box::pin(answer));
        }
        let answer = self.shared.carriage.start(&self.shared.state.authority, |passage| {
            let request = request.map(|body| Body::new(passage.body(body)));
            async move { shared.through_router(peer, request, Some(&passage)).await }
        });
        Answering::Later(Box::pin(answer))
    }
}

impl Shared {
    /// Answers through the router, a request that is carried on or another one.
    async fn through_router(
        &self,
        peer: Option<Peer>,
        mut request: Request<Body>,
        passage: Option<&Passage>,
    ) -> Response<ApiBody> {
        let id = RequestId::new(self.state.authority.ports());
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let mut who = (CallerCredential::Anonymous, None);
        let prepared = self.prepare(&mut request, peer, &id, &mut who).await.and_then(|rate| {
            passage.map_or(Ok(()), |passage| passage.sent_by(who, (&method, uri.path())))?;
            Ok(rate)
        });
        let (response, rate) = match prepared {
            Err(problem) => {
                self.record(&problem, who, (&method, uri.path()), &id);
                (self.refused(problem), None)
            }
            Ok(rate) => {
                let Ok(mut response) = self.router.clone().oneshot(request).await;
                if let Some(problem) = response.extensions_mut().remove::<Problem>() {
                    self.record(&problem, who, (&method, uri.path()), &id);
                    let allow = response.headers_mut().remove(ALLOW);
                    response = self.refused(problem);
                    if let Some(allow) = allow {
                        response.headers_mut().insert(ALLOW, allow);
                    }
                }
                // Neither path nor query: people put keys where they do not belong, and a log is the wrong place to find them.
                tracing::debug!(%method, status = response.status().as_u16(), request_id = %id, "api");
                (response, rate)
            }
        };
        finish(response.map(Either::Right), rate.as_ref(), &id)
    }

    fn refused(&self, problem: Problem) -> Response<Body> {
        problem.challenging(Slots::ALL).render(&self.state.edge.public_url)
    }

    /// Reads the credential, takes it out of the request and counts its use. Returns what is left of the
    /// key's rate, if it has one.
    async fn prepare(
        &self,
        request: &mut Request<Body>,
        peer: Option<Peer>,
        id: &RequestId,
        who: &mut (CallerCredential, Option<IpAddr>),
    ) -> Result<Option<Metered>, Problem> {
        let arrival = Arrival::read(&self.state, peer, request)?;
        *who = (arrival.credential, arrival.address);
        arrival.secure()?;
        if let Some(uri) = arrival.uri_without(request.uri())? {
            *request.uri_mut() = uri;
        }
        request.headers_mut().remove(AUTHORIZATION);
        request.headers_mut().remove(credential::X_API_KEY);
        let caller = Caller {
            credential: arrival.credential,
            address: arrival.address,
            web_origin: arrival::web_origin(request.headers()).map(Box::from),
            origin: Origin::Api,
            request_id: Some(id.to_string().into()),
            named: NamedByCaller::default(),
        };
        let (credential, counting) = (caller.credential, Counting::Count);
        let arriving = Arriving { credential, place: caller.place(), also: None, counting };
        let accept = || self.state.authority.accept(&arriving, |answer| turned_away(&answer));
        let rate = self.state.authority.when_fresh(accept).await??;
        request.extensions_mut().insert(caller);
        Ok(rate)
    }

    /// Records a refusal of a credential in the history, if its key is known.
    fn record(
        &self,
        problem: &Problem,
        (credential, address): (CallerCredential, Option<IpAddr>),
        (method, path): (&Method, &str),
        id: &RequestId,
    ) {
        let Some(refusal) = &problem.refusal else { return };
        let record = RequestRecord {
            // What is not found has no name here: by which step it was missed must not show.
            action: Action::parse(&refusal.action).ok().filter(|_| problem.status != StatusCode::NOT_FOUND),
            method: method.as_str(),
            target: None,
            origin: Origin::Api,
            request_id: id,
            entrance: template(&self.paths, path),
            if_allowed: false,
        };
        let authority = &self.state.authority;
        // A node that is not up to date answers 503 to everything, so there is no refusal to record.
        let _recorded =
            authority.record_refused_call(credential, &record, problem.code, refusal.reasons, address);
    }
}

/// Refuses a key that was used more often than it may. Whether the credential is accepted at all each handler
/// finds out by itself: some pages are for everybody.
fn turned_away<P>(answer: &Answer<'_, P>) -> Result<Option<Metered>, Problem> {
    match &answer.outcome {
        Err(denial @ Denial::Limited(_)) => Err(arrival::denied(denial, answer.reasons)),
        Ok(_) | Err(Denial::Refused(_)) => Ok(answer.metered),
    }
}

/// The address of the description that a path belongs to, since a path may hold anything that somebody sent.
fn template<'t>(templates: &'t [String], path: &str) -> &'t str {
    let fits = |template: &&String| {
        let (mut parts, mut segments) = (template.split('/'), path.split('/'));
        loop {
            match (parts.next(), segments.next()) {
                (None, None) => return true,
                (Some(part), Some(segment)) if part == segment || part.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    // A word is narrower than a parameter.
    let found = templates.iter().filter(fits).min_by_key(|template| template.matches('{').count());
    found.map_or("", |template| template)
}

/// What every answer of ours carries. Answers about keys depend on a secret, so nobody may keep them.
fn finish<B>(mut response: Response<B>, rate: Option<&Metered>, id: &RequestId) -> Response<B> {
    let headers = response.headers_mut();
    rate::tell(rate, headers);
    headers.insert(request_id::HEADER, id.header());
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// An answer that is there already, or on its way.
pub enum Answering {
    /// Taken when it is polled.
    Now(Option<Response<ApiBody>>),
    /// It waits for a body, or for the store.
    Later(Pin<Box<dyn Future<Output = Response<ApiBody>> + Send>>),
}

impl Future for Answering {
    type Output = Result<Response<ApiBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(response) => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
            Self::Later(future) => future.as_mut().poll(cx).map(Ok),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for ApiService {
    type Response = Response<ApiBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.begin(request)
    }
}
