//! One request through the gateway.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use claviger_authority::{Counting, Denial, Question, RequestRecord};
use claviger_core::decide::{Context, Place, Reasons, Request as Asked, Target};
use claviger_core::history::Origin;
use claviger_core::key::PresentedKey;
use claviger_core::quota::Metered;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    VARY,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;

use super::cors::{self, Origins};
use super::forward_auth::{Address, Asked as AskedFor, FrontProxy, Said, SetupFault, SetupWarnings, Unread};
use super::identity;
use super::pattern::Captures;
use super::proxy::{
    Forward, ForwardedProto, Proxy, ProxyBody, ProxyError, check_request, forwarded_for, states_body,
};
use super::route::{Found, Meant, Route, Routes};
use crate::client::{Client, client_of};
use crate::credential::{self, Slots, X_API_KEY};
use crate::problem::Problem;
use crate::rate;
use crate::request_id::{self, RequestId};
use crate::serve::Peer;
use crate::state::AppState;

const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// The body of an answer: streamed from the upstream, or a problem of ours.
pub type GateBody = http_body_util::Either<ProxyBody, Full<bytes::Bytes>>;

/// The routes and how requests are judged. Clones are the same gate.
#[derive(Clone)]
pub struct Gate {
    state: AppState,
    routes: Arc<RwLock<Arc<Routes>>>,
    warnings: Arc<SetupWarnings>,
}

/// A request that is to be decided about.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// Its head.
    pub parts: &'a Parts,
    /// Where a credential may stand in it.
    pub slots: Slots,
    /// Where it came in, as the history says it: `through the gateway`.
    pub entrance: &'static str,
}

/// What was decided about a request that may pass.
pub struct Passed {
    /// The identity headers.
    pub identity: Vec<(HeaderName, HeaderValue)>,
    /// The path and query to send on, without the credential.
    pub target: PathAndQuery,
    /// The headers that carried the credential.
    pub strip: Vec<HeaderName>,
    /// The version that will be served.
    pub version: Option<HeaderValue>,
    /// Whether the answer depends on a credential.
    pub secret: bool,
    /// Whether the credential stood in the address.
    pub in_address: bool,
    /// What is left of the key's rate, if it has one.
    pub rate: Option<Metered>,
}

impl Gate {
    /// A gate with these routes.
    #[must_use]
    pub fn new(state: AppState, routes: Routes) -> Self {
        Self { state, routes: Arc::new(RwLock::new(Arc::new(routes))), warnings: Arc::default() }
    }

    /// The routes in force.
    #[must_use]
    pub fn routes(&self) -> Arc<Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other routes in force. Requests under way keep those they began with.
    pub fn replace_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }

    /// Decides about a request on its route, from the credential in these slots: who it is, whether it may
    /// pass, and what the application is told.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn decide(
        &self,
        route: &Route,
        captures: &Captures<'_, '_>,
        request: Presented<'_>,
        client: Client,
        id: &RequestId,
    ) -> Result<Passed, Problem> {
        let Presented { parts, slots, .. } = request;
        let found = credential::read(&parts.headers, parts.uri.query(), slots)?;
        let key = found.key();
        let target = match &found.query_without {
            // A copy: a slice of the head would keep the client's read buffer from being used again.
            None => without_key(parts.uri.path(), parts.uri.query())?,
            Some(rest) => without_key(parts.uri.path(), rest.as_deref())?,
        };
        let mut strip = Vec::new();
        if found.in_authorization {
            strip.push(AUTHORIZATION);
        }
        if slots.x_api_key {
            // Wherever the key was: another spelling (`X_API_KEY`) is not read here, and an application might read it.
            strip.push(X_API_KEY);
        }
        let judged = self.judge(route, captures, (request, key), client, id)?;
        Ok(Passed {
            identity: judged.identity,
            target,
            strip,
            version: judged.version,
            secret: key.is_some(),
            in_address: found.query_without.is_some(),
            rate: judged.rate,
        })
    }

    /// The decision itself; it is counted, and recorded as the route says.
    fn judge(
        &self,
        route: &Route,
        captures: &Captures<'_, '_>,
        (Presented { parts, entrance, .. }, key): (Presented<'_>, Option<PresentedKey<'_>>),
        client: Client,
        id: &RequestId,
    ) -> Result<Judged, Problem> {
        let authority = &self.state.authority;
        let (matched, action) = (route.read(captures), route.action());
        let origin = parts.headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        let request = Asked {
            action,
            target: match matched.meant(route.hosted) {
                Meant::Target(target) => target,
                Meant::Impossible => Target::Impossible,
            },
            context: route.context,
            place: Place { address: client.address, origin },
            anonymous: route.anonymous,
            to_application: true,
        };
        let record = RequestRecord {
            action,
            method: parts.method.as_str(),
            target: matched.reference(),
            origin: if route.context == Context::Embed { Origin::Embed } else { Origin::Api },
            request_id: id,
            entrance,
            if_allowed: route.recorded.takes(action, &parts.method),
        };
        let credential = authority.identify(key);
        if key.is_some() && !client.secure {
            let (problem, address) = (Problem::insecure_transport(), request.place.address);
            authority.record_refused_call(credential, &record, problem.code, Reasons::default(), address)?;
            return Err(problem);
        }
        let (counting, record) = (Counting::Count, Some(&record));
        authority.admit(&Question { credential, request, counting, record }, |answer| {
            let code = answer.outcome.as_ref().map_or_else(Denial::code, |_| "allowed");
            self.state.metrics.decided("gateway", code);
            let permit = answer.outcome.map_err(|denial| match denial {
                Denial::Refused(refusal) => {
                    let action = action.map(|action| action.to_string()).unwrap_or_default();
                    Problem::refused(refusal, &action)
                }
                Denial::Limited(metered) => rate::limited(&metered),
            })?;
            Ok(Judged {
                identity: identity::headers(&permit, matched.reference(), id),
                version: permit.version().map(|version| HeaderValue::from(version.get())),
                rate: answer.metered,
            })
        })?
    }

    /// [`Gate::decide`], and again as soon as this node is up to date, if it is not.
    async fn decide_when_fresh(
        &self,
        route: &Route,
        captures: &Captures<'_, '_>,
        request: Presented<'_>,
        client: Client,
        id: &RequestId,
    ) -> Result<Passed, Problem> {
        loop {
            match self.decide(route, captures, request, client, id) {
                Err(problem) if problem.is_not_fresh() => self.state.authority.renewed().await?,
                decided => return decided,
            }
        }
    }
}

/// What came of a decision that lets a request pass.
struct Judged {
    identity: Vec<(HeaderName, HeaderValue)>,
    version: Option<HeaderValue>,
    rate: Option<Metered>,
}

/// The path and query without the credential.
fn without_key(path: &str, rest: Option<&str>) -> Result<PathAndQuery, Problem> {
    let text = rest.map_or_else(|| path.to_owned(), |rest| format!("{path}?{rest}"));
    PathAndQuery::try_from(text).map_err(|_| Problem::unreadable_address())
}

/// The gateway as a service for one connection, made by [`crate::serve::serve_with`].
#[derive(Clone)]
pub struct GatewayService(Arc<Connection>);

/// What the requests of one connection share.
struct Connection {
    gate: Gate,
    proxy: Proxy,
    peer: Peer,
    /// The address of the peer, written down once.
    peer_address: HeaderValue,
}

/// What the answer has to be given, whatever becomes of the request.
#[derive(Default)]
struct Finish {
    origins: Origins,
    origin: Option<HeaderValue>,
    slots: Option<Slots>,
    version: Option<HeaderValue>,
    secret: bool,
    in_address: bool,
    anonymous: bool,
    rate: Option<Metered>,
    /// The proxy in front that asked, if one did.
    asked_by: Option<FrontProxy>,
    /// A preflight request was answered.
    preflight: bool,
    /// The connection is not to be used again.
    close: bool,
}

impl GatewayService {
    /// The service for the connection of this peer.
    #[must_use]
    pub fn new(gate: Gate, proxy: Proxy, peer: Peer) -> Self {
        let peer_address = forwarded_for(Some(peer.address.ip().to_canonical()));
        Self(Arc::new(Connection { gate, proxy, peer, peer_address }))
    }
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Response<GateBody> {
        let id = RequestId::new(self.gate.state.authority.ports());
        // A copy, for the same reason as that of the target.
        let origin =
            request.headers().get(ORIGIN).and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
        let mut finish = Finish { origin, ..Finish::default() };
        let method = request.method().clone();
        let version = request.version();
        let outcome = self.pass(request, &id, &mut finish).await;
        let mut document = None;
        let mut response = outcome.unwrap_or_else(|problem| {
            let problem = match finish.slots {
                Some(slots) => problem.challenging(slots),
                None => problem,
            };
            let base = &self.gate.state.edge.public_url;
            document = finish.asked_by.and_then(|_| serde_json::to_string(&problem.document(base)).ok());
            written(&problem, base)
        });
        let headers = response.headers_mut();
        headers.insert(request_id::HEADER, id.header());
        if response.status().is_success()
            && let Some(version) = finish.version
        {
            response.headers_mut().insert(identity::VERSION, version);
        }
        let headers = response.headers_mut();
        if finish.secret {
            // The answer depends on a secret: no cache may give it to somebody else, whatever the application says.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        } else if finish.anonymous {
            headers.append(VARY, HeaderValue::from_static("authorization, x-api-key"));
        }
        if finish.in_address {
            // A page must not tell others its own address, whatever the application says.
            headers.insert(REFERRER_POLICY, NO_REFERRER);
        }
        rate::tell(finish.rate.as_ref(), headers);
        finish.origins.answer(finish.origin.as_ref(), headers);
        if finish.close && version < http::Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(proxy) = finish.asked_by {
            let origins = finish.preflight || !finish.origins.is_empty();
            let (secret, preflight, problem) = (finish.secret, finish.preflight, document.as_deref());
            proxy.translate(&mut response, &Said { origins, secret, preflight, problem });
        }
        tracing::debug!(%method, status = response.status().as_u16(), request_id = %id, "gateway");
        response
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        id: &RequestId,
        finish: &mut Finish,
    ) -> Result<Response<GateBody>, Problem> {
        let state = &self.gate.state;
        let (parts, body) = request.into_parts();
        let address = Address::of(parts.uri.path());
        if let Address::Proxy(proxy) = address {
            // First of all, so that every refusal has the form that the proxy understands.
            finish.asked_by = Some(proxy);
        }
        check_request(&parts)
            .map_err(|bad| Problem::bad_request("bad_request", format!("{}.", capital(&bad.to_string()))))?;
        let client = client_of(&self.peer, &parts.headers, &state.edge);
        let routes = self.gate.routes();
        match address {
            Address::Routes => {}
            Address::Nobody => return Err(crate::extract::not_found()),
            Address::Proxy(proxy) => {
                return self.forward_auth(proxy, &routes, &parts, client, (id, finish)).await;
            }
        }
        let host = host_of(&parts);
        if let Some(answer) = preflight(&routes, &parts, host) {
            return Ok(answer);
        }
        let has_body = states_body(&parts.headers) || !body.is_end_stream();
        let (route, captures) = route_of(&routes, &parts, host, has_body, finish)?;
        let upstream = route.upstream.as_ref().ok_or_else(without_upstream)?;
        let slots = route.slots(&parts.method);
        let request = Presented { parts: &parts, slots, entrance: "through the gateway" };
        let passed = self.gate.decide_when_fresh(route, &captures, request, client, id).await?;
        finish.secret = passed.secret;
        finish.in_address = passed.in_address;
        finish.rate = passed.rate;
        finish.version = passed.version;
        let forward = Forward {
            target: passed.target,
            identity: passed.identity,
            strip: passed.strip,
            forwarded_for: if client.address == Some(self.peer.address.ip().to_canonical()) {
                self.peer_address.clone()
            } else {
                forwarded_for(client.address)
            },
            forwarded_proto: if client.scheme == "https" {
                ForwardedProto::Https
            } else {
                ForwardedProto::Http
            },
            body_bytes_max: route.body_bytes_max,
        };
        let request = Request::from_parts(parts, body);
        let response =
            self.proxy.forward(upstream, request, forward).await.map_err(|error| failed(&error, id))?;
        Ok(response.map(http_body_util::Either::Left))
    }

    /// Answers a proxy in front about a request that it will pass on itself.
    async fn forward_auth(
        &self,
        proxy: FrontProxy,
        routes: &Routes,
        parts: &Parts,
        client: Client,
        (id, finish): (&RequestId, &mut Finish),
    ) -> Result<Response<GateBody>, Problem> {
        let peer = self.peer.address.ip().to_canonical();
        let fault = |fault: SetupFault| {
            self.gate.warnings.warn(fault, proxy, peer);
            fault.problem(proxy)
        };
        if !self.gate.state.edge.trusts(peer) {
            return Err(fault(SetupFault::NotTrusted));
        }
        let asked = AskedFor::read(proxy, parts).map_err(|unread| match unread {
            Unread::Setup(setup) => fault(setup),
            Unread::Refused(problem) => problem,
        })?;
        let host = Some(asked.host.as_str());
        if let Some(answer) = preflight(routes, &asked.parts, host) {
            finish.preflight = true;
            return Ok(answer);
        }
        let (route, captures) = route_of(routes, &asked.parts, host, asked.has_body, finish)?;
        let slots = Slots { query: false, ..route.slots(&asked.parts.method) };
        finish.slots = Some(slots);
        let request = Presented { parts: &asked.parts, slots, entrance: proxy.entrance() };
        let passed = self.gate.decide_when_fresh(route, &captures, request, client, id).await;
        let passed = passed.map_err(|problem| match problem.code {
            "insecure_transport" => fault(SetupFault::PlainHttp),
            _ => problem,
        })?;
        finish.secret = passed.secret;
        finish.rate = passed.rate;
        // Without a body: nginx keeps its connection to us alive only then.
        let mut response = Response::new(http_body_util::Either::Right(Full::default()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(passed.identity);
        Ok(response)
    }
}

/// The host that a request names: in its target, or in the header.
fn host_of(parts: &Parts) -> Option<&str> {
    let named = parts.uri.authority().map(http::uri::Authority::as_str);
    named.or_else(|| parts.headers.get(HOST)?.to_str().ok())
}

/// The route of a request, if its path leads to no other and it has no body where none belongs.
fn route_of<'r, 'p>(
    routes: &'r Routes,
    parts: &'p Parts,
    host: Option<&str>,
    has_body: bool,
    finish: &mut Finish,
) -> Result<(&'r Route, Captures<'r, 'p>), Problem> {
    let (method, path) = (&parts.method, parts.uri.path());
    let (route, captures) = match routes.find(method, host, path) {
        Found::Route(route, captures) => (route, captures),
        Found::OtherMethods(methods) => {
            // Scripts that may call the route may read why this was refused.
            finish.origins = routes.origins(host, path).cloned().unwrap_or_default();
            return Err(other_methods(&methods));
        }
        Found::Nothing => return Err(crate::extract::not_found()),
    };
    finish.origins = route.origins.clone();
    finish.slots = Some(route.slots(method));
    finish.anonymous = route.anonymous;
    if has_body && !route.get_body && matches!(*method, http::Method::GET | http::Method::HEAD) {
        finish.close = true;
        let detail = "A GET or HEAD has no body. Send it without one, with neither a `Content-Length` other than 0 nor a `Transfer-Encoding`.";
        return Err(Problem::bad_request("body_not_allowed", detail));
    }
    if routes.ambiguous((route, &captures), method, host, path) {
        let detail = "The path could be read as that of another route. Send it in its plain form: no empty or dot segments, no encoded letters, digits, slashes or encodings, and spelled as the route is.";
        return Err(Problem::bad_request("ambiguous_path", detail));
    }
    Ok((route, captures))
}

/// The answer to a preflight request on a route that says which origins may call it. No credential is asked for.
fn preflight(routes: &Routes, parts: &Parts, host: Option<&str>) -> Option<Response<GateBody>> {
    let method = cors::preflight(&parts.method, &parts.headers)?;
    let Found::Route(route, _) = routes.find(&method, host, parts.uri.path()) else { return None };
    if route.origins.is_empty() {
        return None;
    }
    let mut response = Response::new(http_body_util::Either::Right(Full::default()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    cors::preflight_answer(&route.origins, &parts.headers, &method, response.headers_mut());
    Some(response)
}

/// A route that another proxy passes requests on for.
fn without_upstream() -> Problem {
    let detail = "The route has no `upstream`: it is for forward-auth, where another proxy passes requests on. Send the request to that proxy.";
    Problem::new(StatusCode::NOT_FOUND, "no_upstream", detail)
}

fn other_methods(methods: &[&http::Method]) -> Problem {
    let mut names = methods.iter().map(|method| method.as_str()).collect::<Vec<_>>();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.dedup();
    let problem = Problem::method_not_allowed();
    match HeaderValue::from_str(&names.join(", ")) {
        Ok(allow) => problem.with(ALLOW, allow),
        Err(_) => problem,
    }
}

/// What the client is told when the upstream did not answer. The log knows more.
fn failed(error: &ProxyError, id: &RequestId) -> Problem {
    let status = error.status();
    let code = match error {
        ProxyError::BadRequest(_) | ProxyError::ClientBody => "bad_request",
        ProxyError::BodyTooLarge { .. } => "too_large",
        ProxyError::ClientTimeout(_) | ProxyError::ClientTooSlow => "request_timeout",
        ProxyError::UpstreamBusy => "unavailable",
        ProxyError::UpstreamTimeout(..) => "upstream_timeout",
        ProxyError::UpstreamUnreachable(_) => "upstream_unreachable",
        ProxyError::UpstreamClosed(_) | ProxyError::UpstreamResponse(_) | ProxyError::UpstreamProtocol(_) => {
            "upstream_failed"
        }
    };
    if status.is_server_error() {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, cause, request_id = %id, "a request could not be passed on");
    }
    let problem = Problem::new(status, code, format!("{}.", capital(&error.to_string())));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return problem.with(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    problem
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// A problem as an answer of the gateway.
fn written(problem: &Problem, base: &str) -> Response<GateBody> {
    let (mut parts, _) = problem.render(base).into_parts();
    // Browsers make links of the addresses in it.
    parts.headers.insert(REFERRER_POLICY, NO_REFERRER);
    let body = serde_json::to_vec(&problem.document(base)).unwrap_or_default();
    Response::from_parts(parts, http_body_util::Either::Right(Full::new(body.into())))
}

impl hyper::service::Service<Request<Incoming>> for GatewayService {
    type Response = Response<GateBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let connection = Arc::clone(&self.0);
        Box::pin(async move { Ok(connection.answer(request).await) })
    }
}
