//! The reverse proxy: passes a request on that has been decided on, and passes the answer back.
//!
//! It runs in this order: [`check_request`] on what came in, then the decision (elsewhere), then
//! [`Proxy::forward`], which cleans the header fields, sets identity, and streams both bodies.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

mod body;
mod client;
mod error;
mod framing;
mod headers;
mod retry;
mod upgrade;

pub use body::{ProxyBody, ProxyBodyError};
pub use error::{Phase, ProxyError};
pub use framing::{BadRequest, HEADERS_MAX, check_request, states_body};
pub use headers::{forwarded_for, is_override, is_reserved, same_folded};
pub use upgrade::Tunnels;

use body::{Download, Upload, UploadState};
use client::{Connection, Lease, Pool, Slot};
use retry::Kept;

use crate::least_speed::{LEAST_SPEED, LeastSpeed};

/// How long each phase of a request may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyTimeouts {
    /// Resolving the name, connecting, and waiting for a slot among the requests of the upstream.
    pub connect: Duration,
    /// From the end of the request to the head of the answer.
    pub response_header: Duration,
    /// From one piece of an upload to the next.
    pub upload_idle: Duration,
    /// How slowly a client may send an upload.
    pub upload_speed: LeastSpeed,
    /// From one piece of an answer to the next.
    pub response_idle: Duration,
    /// The same for `text/event-stream`, which is silent when nothing happens.
    pub event_stream_idle: Duration,
    /// Silence in both directions of a tunnel.
    pub tunnel_idle: Duration,
}

impl Default for ProxyTimeouts {
    fn default() -> Self {
        Self {
            // Two retransmissions of a SYN that was lost, and an answer.
            connect: Duration::from_secs(5),
            // What nginx, HAProxy examples and cloud balancers use.
            response_header: Duration::from_secs(60),
            upload_idle: Duration::from_secs(30),
            upload_speed: LEAST_SPEED,
            response_idle: Duration::from_secs(60),
            // Beyond the comment line that servers send each 15 to 30 seconds, and most proxies in front.
            event_stream_idle: Duration::from_secs(600),
            // Browsers send no pings by themselves; applications do so each minute or less.
            tunnel_idle: Duration::from_secs(600),
        }
    }
}

/// What the proxy keeps and how much it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// How long a connection may stand unused. Below the 60 to 75 seconds after which servers close theirs,
    /// so that we close first and no request meets a connection that is about to go.
    pub idle_timeout: Duration,
    /// Unused connections kept per upstream.
    pub idle_connections_max: usize,
    /// Requests that an upstream may have at once, tunnels included.
    pub requests_max: usize,
    /// Requests that all upstreams together may have at once: each has a connection.
    pub requests_in_all_max: usize,
    /// The head of an answer in bytes, and its trailers.
    pub response_header_bytes_max: usize,
    /// Bytes buffered per connection and direction.
    pub buffer_bytes_max: usize,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(50),
            idle_connections_max: 256,
            requests_max: 16_384,
            requests_in_all_max: 16_384,
            response_header_bytes_max: 64 * 1024,
            buffer_bytes_max: 128 * 1024,
        }
    }
}

/// Where requests are passed on to.
#[derive(Clone, Debug)]
pub struct Upstream {
    authority: Authority,
    host: HeaderValue,
    /// Forward the host that the client named, instead of the upstream's own.
    pub preserve_host: bool,
    /// How long each phase may take.
    pub timeouts: ProxyTimeouts,
}

/// Why a text does not name an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It is not an absolute URL.
    #[error("not an address of an application; write http://host:port, such as http://127.0.0.1:3000")]
    NotAnUrl,
    /// It has another scheme than `http`.
    #[error(
        "applications are reached by plain http only; write http://host:port, such as http://127.0.0.1:3000"
    )]
    Scheme,
    /// It has a path, which would have to be put before the paths of requests, or a user.
    #[error(
        "an upstream has neither a path nor a user, since paths are passed on as they came; write http://host:port, such as http://127.0.0.1:3000"
    )]
    Surplus,
}

impl Upstream {
    /// Parses `http://host:port`, with the default time-outs and the client's host preserved.
    ///
    /// # Errors
    /// [`UpstreamError`] says what is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, UpstreamError> {
        let uri: Uri = url.parse().map_err(|_| UpstreamError::NotAnUrl)?;
        let authority = uri.authority().ok_or(UpstreamError::NotAnUrl)?;
        if uri.scheme().ok_or(UpstreamError::NotAnUrl)? != &Scheme::HTTP {
            return Err(UpstreamError::Scheme);
        }
        if uri.path_and_query().is_some_and(|path| path != "/") || authority.as_str().contains('@') {
            return Err(UpstreamError::Surplus);
        }
        // Not even a port can stand there that is none: `a:0`, `a:99999`.
        let has_port = authority.as_str().rsplit_once(':').is_some_and(|(_, rest)| !rest.ends_with(']'));
        let port = authority.port_u16().filter(|port| *port > 0);
        if authority.host().is_empty() || (has_port && port.is_none()) {
            return Err(UpstreamError::NotAnUrl);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| UpstreamError::NotAnUrl)?;
        let authority = match authority.port() {
            Some(_) => authority.clone(),
            None => format!("{authority}:80").parse().map_err(|_| UpstreamError::NotAnUrl)?,
        };
        Ok(Self { authority, host, preserve_host: true, timeouts: ProxyTimeouts::default() })
    }
}

/// How the client came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedProto {
    /// In the clear.
    Http,
    /// Encrypted, to us or to a proxy that is trusted.
    Https,
}

impl ForwardedProto {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What the decision says about how a request is passed on.
#[derive(Debug)]
pub struct Forward {
    /// The path and query to send, byte for byte; a credential in the query has been removed.
    pub target: PathAndQuery,
    /// The identity to set, after everything that came in has been cleaned.
    pub identity: Vec<(HeaderName, HeaderValue)>,
    /// The header fields that carried the credential or might carry one, to be removed in every spelling.
    pub strip: Vec<HeaderName>,
    /// The client's address, as [`forwarded_for`] writes it.
    pub forwarded_for: HeaderValue,
    /// How the client came to us.
    pub forwarded_proto: ForwardedProto,
    /// The largest body in bytes.
    pub body_bytes_max: u64,
}

/// The proxy with its connections.
#[derive(Clone)]
pub struct Proxy {
    pool: Arc<Pool>,
    tunnels: Tunnels,
}

impl Proxy {
    /// A proxy without connections. Its tunnels are among those given, which the drain ends.
    pub fn new(limits: ProxyLimits, tunnels: Tunnels) -> Self {
        Self { pool: Pool::new(limits), tunnels }
    }

    /// Passes a request on and its answer back. [`check_request`] must have passed it.
    ///
    /// Dropping the future, or the body of the answer, cancels the request at the upstream.
    ///
    /// # Errors
    /// [`ProxyError`] if there is no answer that can be passed back; nothing was sent to the client then.
    pub async fn forward(
        &self,
        upstream: &Upstream,
        mut request: Request<Incoming>,
        mut forward: Forward,
    ) -> Result<Response<ProxyBody>, ProxyError> {
        let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let (parts, incoming) = request.into_parts();
        let limit_bytes = forward.body_bytes_max;
        if incoming.size_hint().lower() > limit_bytes {
            return Err(ProxyError::BodyTooLarge { limit_bytes });
        }
        let empty = incoming.is_end_stream();
        let switch = upgrade::asked(&parts, empty);
        let switch_asked = switch.is_some();
        let head = outgoing(parts, upstream, &mut forward, switch, empty)?;
        let (body, upload) = if empty {
            (Upload::Empty, None)
        } else {
            let (body, state) = Upload::stream(incoming, limit_bytes, forward.strip);
            (body, Some(state))
        };
        let times = &upstream.timeouts;
        let slot = self.pool.slot(upstream.authority.as_str(), times).await?;
        let request = Request::from_parts(head, body);
        let usual = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        let (mut response, mut connection) = send(&slot, request, upload.as_deref(), times).await?;
        // Where a body is unusual, an application may have left it unread, to take it for the next request.
        connection.reusable = empty || usual;
        framing::check_response(&mut response, switch_asked).map_err(ProxyError::UpstreamProtocol)?;
        let lease = Lease { connection, slot };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(response, on_upgrade, lease, times.tunnel_idle);
        }
        Ok(answer(response, lease, upload, times))
    }

    /// Opens the tunnel that both sides have agreed on.
    fn switch(
        &self,
        mut response: Response<Incoming>,
        client: Option<OnUpgrade>,
        lease: Lease,
        idle: Duration,
    ) -> Result<Response<ProxyBody>, ProxyError> {
        let client = client.ok_or(ProxyError::UpstreamProtocol("it switched protocols unasked"))?;
        if !upgrade::agrees(response.headers()) {
            return Err(ProxyError::UpstreamProtocol("it switched to another protocol than was asked for"));
        }
        let upstream = hyper::upgrade::on(&mut response);
        self.tunnels.open_between(client, upstream, lease, idle);
        headers::to_client(response.headers_mut(), StatusCode::SWITCHING_PROTOCOLS);
        upgrade::confirm(response.headers_mut());
        Ok(response.map(|_| ProxyBody::default()))
    }
}

/// The head that goes to the upstream.
fn outgoing(
    mut parts: Parts,
    upstream: &Upstream,
    forward: &mut Forward,
    switch: Option<HeaderValue>,
    empty: bool,
) -> Result<Parts, ProxyError> {
    if !forward.target.as_str().starts_with('/') {
        return Err(BadRequest::TargetWithoutPath.into());
    }
    let named = parts.headers.get(HOST).cloned();
    let named = named.or_else(|| HeaderValue::from_str(parts.uri.authority()?.as_str()).ok());
    let named = named.ok_or(BadRequest::HostMissing)?;
    let host = if upstream.preserve_host { named.clone() } else { upstream.host.clone() };
    if parts.version >= Version::HTTP_2 {
        headers::join_cookies(&mut parts.headers);
    }
    headers::to_upstream(&mut parts.headers, forward, named, host, switch);
    if !parts.headers.contains_key(CONTENT_LENGTH) {
        if !empty {
            // hyper would take a GET of unknown length for one without a body.
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        } else if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) {
            // Some servers ask for a length where a body is usual (RFC 9110 section 8.6).
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }
    // Taken, not cloned: as long as a slice of what the client sent is held, its buffer cannot be used again.
    parts.uri = Uri::from(std::mem::replace(&mut forward.target, PathAndQuery::from_static("/")));
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(parts)
}

/// Sends a request on a connection of the pool or a new one.
///
/// A connection of the pool may have been closed just when we began to use it. The request is sent again
/// then, once and on a new connection, if it is a GET without a body. Nobody knows whether the application carried out
/// the first one, and a second DELETE or PUT of the same may meet what others have made in the meantime.
async fn send(
    slot: &Slot,
    request: Request<Upload>,
    upload: Option<&UploadState>,
    times: &ProxyTimeouts,
) -> Result<(Response<Incoming>, Connection), ProxyError> {
    let mut connection = match slot.pooled() {
        Some(connection) => connection,
        None => slot.connect(times).await?,
    };
    let repeatable = connection.reused && upload.is_none() && *request.method() == Method::GET;
    let kept = repeatable.then(|| Kept::new(&request));
    let error = match connection.exchange(request, upload, times).await {
        Ok(response) => return Ok((response, connection)),
        Err(error) => error,
    };
    let again = kept.filter(|_| matches!(error, ProxyError::UpstreamClosed(_))).and_then(Kept::into_request);
    let Some(again) = again else { return Err(error) };
    tracing::debug!(%error, "a connection was closed as it was taken from the pool; sending again");
    let mut connection = slot.connect(times).await?;
    let response = connection.exchange(again, None, times).await?;
    Ok((response, connection))
}

/// The answer that goes to the client.
fn answer(
    response: Response<Incoming>,
    mut lease: Lease,
    upload: Option<Arc<UploadState>>,
    times: &ProxyTimeouts,
) -> Response<ProxyBody> {
    let (mut parts, incoming) = response.into_parts();
    headers::to_client(&mut parts.headers, parts.status);
    parts.version = Version::HTTP_11;
    let idle_timeout =
        if is_event_stream(&parts.headers) { times.event_stream_idle } else { times.response_idle };
    // While the client is slow to take the answer nobody would drive the rest of the upload, and a client
    // that sends everything before it reads would wait forever.
    let upload = upload.filter(|upload| !upload.is_over());
    let upload = upload.and_then(|upload| Some((upload, lease.connection.detach()?)));
    let upload_speed = times.upload_speed;
    let download =
        Download { incoming, lease: Some(lease), idle_timeout, upload, upload_speed, silent: false };
    Response::from_parts(parts, ProxyBody::new(download))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type
        .and_then(|value| value.get(..TYPE.len()))
        .is_some_and(|value| value.eq_ignore_ascii_case(TYPE))
}

#[cfg(test)]
mod tests;
