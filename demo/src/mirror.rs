//! Telling the authority what there is to protect.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::catalog::Resource;
use crate::config::MirrorKey;

/// How long the authority may take to come up: it is often started in the same moment.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one request may take; far more than a healthy authority needs.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);
/// The first pause between two tries; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Where the pauses stop growing, so that an authority that is up is noticed soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What an answer may be long; a resource or a problem document is far smaller.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why the resources could not be mirrored.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The authority's address cannot be used.
    #[error("`{0}` is not an address of the form http://HOST:PORT")]
    Address(String),
    /// The key contains what no header can carry.
    #[error("the mirror key is not a key: it contains characters that no header can carry")]
    Key,
    /// The authority refused.
    #[error("the authority refused to mirror {resource}: {status}{}{detail}", if .detail.is_empty() { "" } else { ": " })]
    Refused {
        /// The resource, such as `notebook:5e1f0c3a9b7d2468`.
        resource: String,
        /// The status of the answer.
        status: StatusCode,
        /// The answer's `detail`, where it has one.
        detail: String,
    },
    /// The authority could not be asked in time.
    #[error("the authority did not answer within {} s while mirroring {resource}: {reason}", PATIENCE.as_secs())]
    Unreachable {
        /// The resource, such as `notebook:5e1f0c3a9b7d2468`.
        resource: String,
        /// What happened at the last try.
        reason: String,
    },
    /// A document could not be written; a mistake in the sample data.
    #[error("a resource cannot be described as JSON")]
    Document(#[from] serde_json::Error),
}

/// The part of a problem document that is for people.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    detail: String,
}

/// What one try came to.
enum Outcome {
    Done,
    Refused(StatusCode, String),
    TryAgain(String),
}

/// Puts every resource to the authority, waiting for it to come up if need be.
pub(crate) async fn mirror(
    authority: &str,
    key: &MirrorKey,
    resources: &[Resource],
) -> Result<(), MirrorError> {
    let base = check_address(authority)?;
    let mut bearer =
        HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| MirrorError::Key)?;
    bearer.set_sensitive(true);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let deadline = Instant::now() + PATIENCE;
    for resource in resources {
        let name = format!("{}:{}", resource.kind, resource.id);
        let address = format!("{base}/v1/resources/{name}");
        let uri = Uri::try_from(address).map_err(|_| MirrorError::Address(authority.to_owned()))?;
        let document = Bytes::from(serde_json::to_vec(resource)?);
        put(&client, &name, &uri, &bearer, &document, deadline).await?;
    }
    tracing::info!(resources = resources.len(), "mirrored to the authority");
    Ok(())
}

fn check_address(authority: &str) -> Result<&str, MirrorError> {
    let base = authority.trim_end_matches('/');
    let wrong = || MirrorError::Address(authority.to_owned());
    let uri: Uri = base.parse().map_err(|_| wrong())?;
    // The authority is a neighbour on this machine or this network; a TLS stack would have no other use here.
    let usable = uri.scheme_str() == Some("http") && uri.host().is_some() && uri.query().is_none();
    usable.then_some(base).ok_or_else(wrong)
}

/// Asks until there is an answer or the time is up. Safe to repeat: a `PUT` says how things are.
async fn put(
    client: &Client<HttpConnector, Full<Bytes>>,
    name: &str,
    uri: &Uri,
    bearer: &HeaderValue,
    document: &Bytes,
    deadline: Instant,
) -> Result<(), MirrorError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut request = Request::new(Full::new(document.clone()));
        *request.method_mut() = http::Method::PUT;
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let reason = match timeout(REQUEST_PATIENCE, once(client, request)).await {
            Ok(Outcome::Done) => return Ok(()),
            Ok(Outcome::Refused(status, detail)) => {
                return Err(MirrorError::Refused { resource: name.to_owned(), status, detail });
            }
            Ok(Outcome::TryAgain(reason)) => reason,
            Err(_) => "no answer".to_owned(),
        };
        if Instant::now() + pause > deadline {
            return Err(MirrorError::Unreachable { resource: name.to_owned(), reason });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn once(client: &Client<HttpConnector, Full<Bytes>>, request: Request<Full<Bytes>>) -> Outcome {
    let response = match client.request(request).await {
        Ok(response) => response,
        Err(error) => return Outcome::TryAgain(chain(&error)),
    };
    let status = response.status();
    // Read even when it is not needed, so that the connection can be used again.
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    if status.is_success() {
        return Outcome::Done;
    }
    let refusal = body.ok().and_then(|body| serde_json::from_slice::<Refusal>(&body.to_bytes()).ok());
    let detail = refusal.map(|refusal| refusal.detail).unwrap_or_default();
    if is_passing(status) {
        Outcome::TryAgain(format!("{status} {detail}"))
    } else {
        Outcome::Refused(status, detail)
    }
}

/// Whether the same request may well succeed a little later.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The error with its causes; the client's own text alone says little.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
