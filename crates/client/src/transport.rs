//! Requests and answers: addresses, time-outs, repeats.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::error::{Error, Problem, ProblemDocument, Result};
use crate::secret::Secret;

/// How long one attempt may take, unless said otherwise: an authority answers from memory or after one
/// commit, so this is for networks.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call waits in all because the authority asked it to, unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a call is repeated because the authority asked it to wait.
const WAITS_MAX: u32 = 3;
/// Connections that are kept for each authority; further ones are made and closed as needed.
const IDLE_PER_HOST_MAX: usize = 32;
/// Shorter than the time after which an authority closes an idle connection (30 s), so that a request seldom
/// meets a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer at most: what a million imported rows come to is asked for in batches.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;

/// A client of one authority. Clones share their connections.
///
/// ```no_run
/// # async fn example() -> claviger_client::Result<()> {
/// use claviger_client::{Client, NewKey, Secret};
///
/// let key = std::env::var("CLAVIGER_KEY").unwrap_or_default();
/// let client = Client::builder("https://keys.example.org").key(Secret::new(key)).build()?;
/// let created = client.keys().create(&NewKey::new("CI runner", "project:proj_…")).await?;
/// assert!(created.secret.expose().starts_with("sk-project-"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    base: String,
    authorization: Option<HeaderValue>,
    http: HyperClient<Connector, Full<Bytes>>,
    timeout: Duration,
    patience: Duration,
}

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Builder {
    url: String,
    key: Option<Secret>,
    timeout: Duration,
    patience: Duration,
    plain_http: bool,
}

/// One request.
pub(crate) struct Call {
    method: Method,
    target: String,
    body: Option<Bytes>,
    if_match: Option<String>,
    idempotency_key: Option<String>,
    /// Whether asking twice does the same as asking once.
    repeatable: bool,
}

/// An answer that is no problem.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.inner.base)
    }
}

impl Builder {
    /// The key that the client presents. Without one only what is public can be asked.
    #[must_use]
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// How long one attempt may take; 10 seconds unless said otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a call waits in all where the authority asks for it (`Retry-After` on 429 and 503); 5 seconds
    /// unless said otherwise. With zero such an answer is returned at once.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Allows `http://` to hosts that are not this machine. The key can be read by everybody on the way then:
    /// for networks that are yours alone.
    #[must_use]
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.plain_http = allow;
        self
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    /// An address that cannot be used, or a key that no header can carry.
    pub fn build(self) -> Result<Client> {
        let base = checked_base(&self.url, self.plain_http)?;
        let bearer = |key: Secret| {
            let value = zeroize::Zeroizing::new(format!("Bearer {}", key.expose()));
            let mut value = HeaderValue::from_str(&value).map_err(|_| Error::Key)?;
            value.set_sensitive(true);
            Ok(value)
        };
        let authorization = self.key.map(bearer).transpose()?;
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector(&base)?);
        let inner = Inner { base, authorization, http, timeout: self.timeout, patience: self.patience };
        Ok(Client { inner: Arc::new(inner) })
    }
}

impl Client {
    /// A client of the authority at this address, such as `https://keys.example.org`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder { url: url.into(), key: None, timeout: TIMEOUT, patience: PATIENCE, plain_http: false }
    }

    /// The address of the authority, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.base
    }

    /// Asks and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.send(call).await?.read(self)
    }

    /// Asks, waits where the authority asks for it, and repeats what may be repeated.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer> {
        let (mut waits, mut waited, mut broke) = (0, Duration::ZERO, false);
        loop {
            let failed = match self.attempt(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match &failed {
                Error::Unreachable { .. } if call.repeatable && !broke => broke = true,
                Error::Problem(problem) if may_wait(problem, call.repeatable) => {
                    let Some(pause) = problem.retry_after else { return Err(failed) };
                    if waits == WAITS_MAX || waited + pause > self.inner.patience {
                        return Err(failed);
                    }
                    waits += 1;
                    waited += pause;
                    sleep(pause).await;
                }
                _ => return Err(failed),
            }
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer> {
        let inner = &self.inner;
        let exchange = async {
            let response = inner.http.request(self.request(call)?).await;
            let response = response.map_err(|error| self.unreachable(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| self.unreachable(&*error))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let timed = timeout(inner.timeout, exchange).await;
        let answer =
            timed.map_err(|_| Error::Timeout { address: inner.base.clone(), after: inner.timeout })??;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.into_error(self)) }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>> {
        let address = format!("{}{}", self.inner.base, call.target);
        let uri = Uri::try_from(address)
            .map_err(|_| Error::Address { address: self.inner.base.clone(), reason: UNREADABLE })?;
        let mut request = Request::new(Full::new(call.body.clone().unwrap_or_default()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let agent = concat!("claviger-client/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(authorization) = &self.inner.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in [(IF_MATCH, &call.if_match), (IDEMPOTENCY_KEY, &call.idempotency_key)] {
            let value = value.as_deref().map(HeaderValue::from_str).transpose();
            let value = value.map_err(|_| Error::Address {
                address: self.inner.base.clone(),
                reason: "a header that goes with this call has characters that no header can carry",
            })?;
            value.map(|value| headers.insert(name, value));
        }
        Ok(request)
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let reason = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        Error::Unreachable { address: self.inner.base.clone(), reason }
    }
}

impl Call {
    fn new(method: Method, target: impl Into<String>, repeatable: bool) -> Self {
        let target = target.into();
        Self { method, target, body: None, if_match: None, idempotency_key: None, repeatable }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target, true)
    }

    pub(crate) fn delete(target: impl Into<String>) -> Self {
        Self::new(Method::DELETE, target, false)
    }

    pub(crate) fn post(target: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        Self::new(Method::POST, target, false).with(body)
    }

    pub(crate) fn post_nothing(target: impl Into<String>) -> Self {
        Self::new(Method::POST, target, false)
    }

    /// A POST that only asks.
    pub(crate) fn question(target: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        Self::new(Method::POST, target, true).with(body)
    }

    pub(crate) fn patch(target: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        Self::new(Method::PATCH, target, false).with(body)
    }

    /// A PUT says how things are, so it may be repeated.
    pub(crate) fn put(target: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        Self::new(Method::PUT, target, true).with(body)
    }

    pub(crate) fn if_match(mut self, tag: Option<String>) -> Self {
        self.if_match = tag;
        self
    }

    pub(crate) fn idempotency_key(mut self, key: Option<String>) -> Self {
        self.idempotency_key = key;
        self
    }

    fn with(mut self, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Answer {
            address: self.target.clone(),
            status: StatusCode::BAD_REQUEST,
            reason: format!("the request cannot be written: {error}"),
        })?;
        self.body = Some(body.into());
        Ok(self)
    }
}

impl Answer {
    /// The `ETag` of the record that it shows.
    pub(crate) fn etag(&self) -> Option<String> {
        self.headers.get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, client: &Client) -> Result<T> {
        // An empty answer, such as a 204, says nothing more than that it was done.
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| Error::Answer {
            address: client.inner.base.clone(),
            status: self.status,
            reason: format!("line {}, column {} is not as expected", error.line(), error.column()),
        })
    }

    fn into_error(self, client: &Client) -> Error {
        let text = |name: HeaderName| {
            self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let retry_after = text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        match serde_json::from_slice::<ProblemDocument>(&self.body) {
            Ok(document) => Error::Problem(Box::new(Problem {
                status: self.status,
                code: document.code,
                detail: document.detail,
                title: document.title,
                kind: document.kind,
                request_id: text(REQUEST_ID),
                retry_after,
            })),
            Err(_) => Error::Answer {
                address: client.inner.base.clone(),
                status: self.status,
                reason: "it holds no problem document; is something else listening there?".to_owned(),
            },
        }
    }
}

/// Whether the call was not carried out, so that it may be sent again after a pause. A 503 leaves it open
/// whether a change was made.
fn may_wait(problem: &Problem, repeatable: bool) -> bool {
    match problem.status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => repeatable,
        _ => false,
    }
}

const UNREADABLE: &str = "write it as `https://host` or `http://127.0.0.1:8400`";

fn checked_base(url: &str, plain_http: bool) -> Result<String> {
    let base = url.trim_end_matches('/');
    let wrong = |reason| Error::Address { address: base.to_owned(), reason };
    let uri: Uri = base.parse().map_err(|_| wrong(UNREADABLE))?;
    let host = uri.host().unwrap_or_default();
    let inside = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if inside {
        // Not repeated: what stands before the `@` may be a password.
        let address = format!("…@{host}");
        return Err(Error::Address { address, reason: "an address holds no name and no password" });
    }
    match uri.scheme_str() {
        _ if host.is_empty() || uri.query().is_some() => Err(wrong(UNREADABLE)),
        Some("https") if cfg!(feature = "tls") => Ok(base.to_owned()),
        Some("https") => Err(wrong("this program was built without TLS")),
        Some("http") if plain_http || is_this_machine(host) => Ok(base.to_owned()),
        Some("http") => {
            Err(wrong("a key would travel over plain HTTP, readable by everybody on the way; use https://"))
        }
        _ => Err(wrong(UNREADABLE)),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

fn http_connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

#[cfg(feature = "tls")]
fn connector(base: &str) -> Result<Connector> {
    let mut http = http_connector();
    http.enforce_http(false);
    let builder = hyper_rustls::HttpsConnectorBuilder::new();
    // The roots of the machine, so that an authority of one's own can have a certificate of one's own. They
    // are read for https only: a machine that talks to itself needs none.
    let builder = if base.starts_with("https:") {
        builder.with_native_roots().map_err(|_| Error::Address {
            address: base.to_owned(),
            reason: "this machine has no root certificates; install its package `ca-certificates`",
        })?
    } else {
        builder.with_tls_config(no_roots(base)?)
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

#[cfg(feature = "tls")]
fn no_roots(base: &str) -> Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder
        .map_err(|_| Error::Address { address: base.to_owned(), reason: "TLS could not be set up" })?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as with TLS")]
fn connector(_base: &str) -> Result<Connector> {
    Ok(http_connector())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |url: &str, expect: Result<&str, &str>| {
            let told = checked_base(url, false).map_err(|error| error.to_string());
            match (told, expect) {
                (Ok(base), Ok(expect)) => assert_eq!(base, expect),
                (Err(told), Err(expect)) => assert!(told.contains(expect), "{url}: {told}"),
                (told, _) => panic!("{url}: {told:?}"),
            }
        };
        check("http://127.0.0.1:8400/", Ok("http://127.0.0.1:8400"));
        check("http://[::1]:8400", Ok("http://[::1]:8400"));
        check("http://localhost", Ok("http://localhost"));
        check("http://keys.example.org", Err("plain HTTP"));
        check("http://localhost.example.org", Err("plain HTTP"));
        check("http://name:secret@127.0.0.1", Err("`…@127.0.0.1`"));
        check("ftp://keys.example.org", Err("write it as"));
        check("keys.example.org", Err("write it as"));
        check("https://keys.example.org?x", Err("write it as"));
        check("", Err("write it as"));
        assert!(checked_base("http://keys.example.org", true).is_ok());
        assert_eq!(checked_base("https://keys.example.org", false).is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn a_change_is_not_repeated_when_it_may_have_been_made() {
        let problem = |status: u16| Problem {
            status: StatusCode::from_u16(status).unwrap(),
            code: String::new(),
            detail: String::new(),
            title: String::new(),
            kind: String::new(),
            request_id: None,
            retry_after: None,
        };
        assert!(may_wait(&problem(429), false) && may_wait(&problem(429), true));
        assert!(!may_wait(&problem(503), false) && may_wait(&problem(503), true));
        assert!(!may_wait(&problem(500), true) && !may_wait(&problem(401), true));
    }

    #[test]
    fn a_client_prints_no_key() {
        let builder = Client::builder("http://127.0.0.1:1").key("sk_secret");
        assert!(!format!("{builder:?}").contains("sk_secret"));
        assert_eq!(format!("{:?}", builder.build().unwrap()), "Client(http://127.0.0.1:1)");
        assert!(matches!(Client::builder("http://127.0.0.1:1").key("a\nb").build(), Err(Error::Key)));
    }
}
