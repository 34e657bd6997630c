//! Requests and answers: addresses, time-outs, repeats.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER,
    USER_AGENT,
};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::address::Base;
use crate::connect::{Connector, connector};
use crate::error::{Error, Problem, ProblemDocument, Result};
use crate::secret::Secret;

/// How long one attempt may take, unless said otherwise: an authority answers from memory or after one
/// commit, so this is for networks.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long making a connection may take, unless said otherwise: who does not answer a knock within this is not
/// there, and another attempt may find another address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a call waits in all because the authority asked it to, unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a call is repeated because the authority asked it to wait.
const WAITS_MAX: u32 = 3;
/// Connections that are kept for each authority; further ones are made and closed as needed.
const IDLE_PER_HOST_MAX: usize = 32;
/// Shorter than the time after which an authority closes an idle connection (30 s), so that a request seldom
/// meets a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer at most. The largest there is says what became of 5,000 rows of an import, in words.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

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
    connect_timeout: Duration,
    patience: Duration,
    plain_http: bool,
    roots: Option<Vec<u8>>,
}

/// One request.
pub(crate) struct Call {
    method: Method,
    target: String,
    body: Option<Bytes>,
    if_match: Option<String>,
    /// Only if it does not exist yet.
    creates: bool,
    idempotency_key: Option<String>,
    /// Whether asking twice does the same as asking once, as far as the method says.
    idempotent: bool,
}

/// An answer that is no problem.
struct Answer {
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

    /// How long making a connection may take, within the attempt; 3 seconds unless said otherwise.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
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

    /// Trusts these root certificates, as PEM, and no others: for an authority whose certificate is of a root of
    /// your own. Without this, the roots of the machine are trusted.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::Address`] for an address or root certificates that cannot be used, [`Error::Key`] for a key that no
    /// header can carry.
    pub fn build(self) -> Result<Client> {
        let base = Base::read(&self.url, self.plain_http)?;
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
            .build(connector(&base, self.roots.as_deref(), self.connect_timeout)?);
        let inner =
            Inner { base: base.text, authorization, http, timeout: self.timeout, patience: self.patience };
        Ok(Client { inner: Arc::new(inner) })
    }
}

impl Client {
    /// A client of the authority at this address, such as `https://keys.example.org`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder {
            url: url.into(),
            key: None,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            patience: PATIENCE,
            plain_http: false,
            roots: None,
        }
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

    /// Asks and reads the answer, with the tag of the record that it shows.
    pub(crate) async fn ask_tagged<T: DeserializeOwned>(&self, call: Call) -> Result<(T, Option<String>)> {
        let answer = self.send(call).await?;
        Ok((answer.read(self)?, answer.etag()))
    }

    /// Asks, waits where the authority asks for it, and repeats what may be repeated.
    async fn send(&self, call: Call) -> Result<Answer> {
        let (mut waits, mut waited, mut broke) = (0, Duration::ZERO, false);
        loop {
            let failed = match self.attempt(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match &failed {
                Error::Unreachable { .. } if call.repeatable() && !broke => broke = true,
                Error::Problem(problem) if may_wait(problem, call.repeatable()) => {
                    let Some(pause) = problem.retry_after else { return Err(failed) };
                    // Whatever the answer says: a sum that does not fit is more than anybody waits.
                    let total = waited.saturating_add(pause);
                    if waits == WAITS_MAX || total > self.inner.patience {
                        return Err(failed);
                    }
                    waits += 1;
                    waited = total;
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
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    let reason = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
                    Error::Answer { address: inner.base.clone(), status: head.status, reason }
                } else {
                    self.unreachable(&*error)
                }
            });
            let body = body?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let timed = timeout(inner.timeout, exchange).await;
        let answer =
            timed.map_err(|_| Error::Timeout { address: inner.base.clone(), after: inner.timeout })??;
        if answer.status.is_success() { Ok(answer) } else { Err(answer.into_error(self)) }
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>> {
        let address = format!("{}{}", self.inner.base, call.target);
        let uri = Uri::try_from(address).map_err(|_| Error::Request {
            reason: "an identifier or a filter of it is too long".to_owned(),
        })?;
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
        if call.creates {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        for (name, value) in [(IF_MATCH, &call.if_match), (IDEMPOTENCY_KEY, &call.idempotency_key)] {
            let value = value.as_deref().map(HeaderValue::from_str).transpose();
            let value = value.map_err(|_| Error::Request {
                reason: format!("`{name}` has characters that no header can carry"),
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
    /// Whether it may be sent again where it is not known if it was carried out. With `If-Match` it may not: had it
    /// been carried out, its own change would make the second one a 412.
    fn repeatable(&self) -> bool {
        self.idempotency_key.is_some() || (self.idempotent && self.if_match.is_none())
    }

    fn new(method: Method, target: impl Into<String>, idempotent: bool) -> Self {
        let target = target.into();
        Self { method, target, body: None, if_match: None, creates: false, idempotency_key: None, idempotent }
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

    /// A PUT says how things are, so it may be repeated, unless it carries `If-Match`.
    pub(crate) fn put(target: impl Into<String>, body: &impl Serialize) -> Result<Self> {
        Self::new(Method::PUT, target, true).with(body)
    }

    /// Only if it does not exist yet. Not repeated: the first time may have made it.
    pub(crate) fn creating(mut self) -> Self {
        self.creates = true;
        self.idempotent = false;
        self
    }

    pub(crate) fn if_match(mut self, tag: Option<String>) -> Self {
        self.if_match = tag;
        self
    }

    /// With a name the request is carried out once however often it is sent, so it may be repeated.
    pub(crate) fn idempotency_key(mut self, key: Option<String>) -> Self {
        self.idempotency_key = key;
        self
    }

    fn with(mut self, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|error| Error::Request { reason: format!("it is no JSON: {error}") })?;
        self.body = Some(body.into());
        Ok(self)
    }
}

impl Answer {
    /// The `ETag` of the record that it shows.
    fn etag(&self) -> Option<String> {
        self.headers.get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    fn read<T: DeserializeOwned>(&self, client: &Client) -> Result<T> {
        // Every answer of an authority says what was done; an empty one is somebody else's.
        serde_json::from_slice(&self.body).map_err(|error| Error::Answer {
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
                change: document.change,
            })),
            Err(_) => Error::Answer {
                address: client.inner.base.clone(),
                status: self.status,
                reason: if self.status.is_redirection() {
                    "it leads elsewhere, and the key is not carried there; name the right address".to_owned()
                } else {
                    "it holds no problem document; is something else listening there?".to_owned()
                },
            },
        }
    }
}

/// Whether the call was not carried out, so that it may be sent again after a pause. A 503 leaves it open
/// whether a change was made, unless its code is `unavailable`.
fn may_wait(problem: &Problem, repeatable: bool) -> bool {
    match problem.status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => repeatable || problem.code == "unavailable",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_not_repeated_when_it_may_have_been_made() {
        let coded = |status: u16, code: &str| Problem {
            status: StatusCode::from_u16(status).unwrap(),
            code: code.to_owned(),
            detail: String::new(),
            title: String::new(),
            kind: String::new(),
            request_id: None,
            retry_after: None,
            change: None,
        };
        let problem = |status: u16| coded(status, "");
        assert!(may_wait(&coded(503, "unavailable"), false), "it was certainly not made");
        assert!(!may_wait(&coded(503, "outcome_unknown"), false));
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
