//! A tower layer that guards a service of one's own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ORIGIN;
use http::request::Parts;
use http::{Request, Response};
use tower::{Layer, Service};

use crate::credential::{self, Slots};
use crate::keys::Kind;
use crate::refusal::Refused;
use crate::verifier::{Unverified, Verifier};
use crate::verify::{Verdict, Verify};

/// Characters of a resource's id at most, as for the authority.
const ID_CHARACTERS_MAX: usize = 128;

/// Who calls, as the authority says: in the extensions of every request that a [`VerifyLayer`] lets through.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verified {
    /// The key, `key_…`.
    pub key_id: String,
    /// What it stands for: `account:acct_…`, `team:…`, `project:…`, `type:id` of a resource, or `operator`.
    pub subject: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Everything that the authority said.
    pub verdict: Verdict,
}

/// What a request is about: which action, on which target. Made from its head by [`VerifyLayer::asking`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `type:action`; none asks only whether the key is good.
    pub action: Option<String>,
    /// `type:id` of a resource, or a container such as `project:proj_…`. What no id can look like, as it may
    /// stand in somebody's address, is answered like what does not exist.
    pub target: Option<String>,
    /// Its version; the latest if absent.
    pub version: Option<u32>,
    /// The address of the caller, for keys that are restricted to addresses. Take it from the connection, or
    /// from a header only if a proxy of yours sets it.
    pub address: Option<String>,
}

type Asking = dyn Fn(&Parts) -> Asked + Send + Sync;

/// Lets requests through that carry a good key, with [`Verified`] in their extensions, and answers all others
/// with problem documents (RFC 9457). The key is taken out of the request: what comes after never sees it.
///
/// ```no_run
/// use claviger_client::{Asked, Client, Secret, Slots, Verified, VerifyLayer};
///
/// # fn example() -> claviger_client::Result<()> {
/// let key = Secret::new(std::env::var("CLAVIGER_KEY").unwrap_or_default());
/// let client = Client::builder("https://keys.example.org").key(key).build()?;
/// let layer = VerifyLayer::new(client)
///     .slots(Slots { query: true, ..Slots::HEADERS })
///     .asking(|head| Asked {
///         action: Some(if head.method == http::Method::GET { "report:read" } else { "report:write" }.into()),
///         ..Asked::default()
///     });
/// # let _ = layer; Ok(())
/// # }
/// ```
pub struct VerifyLayer<V> {
    verifier: Arc<V>,
    slots: Slots,
    optional: bool,
    pages: Option<Arc<str>>,
    asking: Arc<Asking>,
}

impl<V> Clone for VerifyLayer<V> {
    fn clone(&self) -> Self {
        let Self { verifier, slots, optional, pages, asking } = self;
        let (verifier, pages, asking) = (verifier.clone(), pages.clone(), asking.clone());
        Self { verifier, slots: *slots, optional: *optional, pages, asking }
    }
}

impl<V> std::fmt::Debug for VerifyLayer<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyLayer").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl<V: Verifier> VerifyLayer<V> {
    /// A layer that asks this verifier whether keys are good: every header is a slot, and a key is required.
    ///
    /// Without [`asking`](Self::asking) nothing is asked about actions: look at [`Verified::scopes`] then. A
    /// key of one resource is never good without its target. Operator keys are refused, whatever is asked: they
    /// manage Claviger and reach no application.
    pub fn new(verifier: V) -> Self {
        Self {
            verifier: Arc::new(verifier),
            slots: Slots::HEADERS,
            optional: false,
            pages: None,
            asking: Arc::new(|_| Asked::default()),
        }
    }

    /// Reads keys from these places.
    #[must_use]
    pub fn slots(self, slots: Slots) -> Self {
        Self { slots, ..self }
    }

    /// Lets requests without a key through, without [`Verified`]. A key that is not good is still refused.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Leads callers to the pages that explain problems: those of the authority at this public address.
    #[must_use]
    pub fn problem_pages(self, subject: &str) -> Self {
        Self { pages: Some(subject.trim_end_matches('/').into()), ..self }
    }

    /// Says what each request is about.
    #[must_use]
    pub fn asking(self, asking: impl Fn(&Parts) -> Asked + Send + Sync + 'static) -> Self {
        Self { asking: Arc::new(asking), ..self }
    }
}

impl<S, V: Verifier> Layer<S> for VerifyLayer<V> {
    type Service = VerifyService<S, V>;

    fn layer(&self, inner: S) -> Self::Service {
        VerifyService { inner, layer: self.clone() }
    }
}

/// What a [`VerifyLayer`] makes of a service.
#[derive(Debug)]
pub struct VerifyService<S, V> {
    inner: S,
    layer: VerifyLayer<V>,
}

impl<S: Clone, V> Clone for VerifyService<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, V, B, R> Service<Request<B>> for VerifyService<S, V>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    V: Verifier,
    B: Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes with the request; the clone waits for its own turn.
        let waiting = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, waiting);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            // What came from outside under this name is nobody's word.
            parts.extensions.remove::<Verified>();
            match layer.judge(&mut parts).await {
                Ok(verified) => {
                    verified.map(|verified| parts.extensions.insert(verified));
                    ready.call(Request::from_parts(parts, body)).await
                }
                Err(refused) => Ok(refused.render(layer.slots, layer.pages.as_deref())),
            }
        })
    }
}

impl<V: Verifier> VerifyLayer<V> {
    async fn judge(&self, parts: &mut Parts) -> Result<Option<Verified>, Refused> {
        let Some(key) = credential::take(parts, self.slots).map_err(Refused::unreadable)? else {
            return if self.optional { Ok(None) } else { Err(Refused::required()) };
        };
        let asked = (self.asking)(parts);
        if asked.target.as_deref().is_some_and(|target| !may_be(target)) {
            return Err(Refused::not_found());
        }
        let origin = parts.headers.get(ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let question = Verify {
            action: asked.action.clone(),
            target: asked.target,
            version: asked.version,
            ip: asked.address,
            origin,
            // So that a refusal can say what is missing; it is a use of the key all the same.
            explain: true,
            ..Verify::new(key)
        };
        let verdict = self.verifier.verify(question).await.map_err(|error| Refused::unverified(&error))?;
        if verdict.valid && verdict.kind == Some(Kind::Operator) {
            return Err(Refused::operator());
        }
        match (verdict.valid, &verdict.key_id, &verdict.subject) {
            (true, Some(key_id), Some(subject)) => Ok(Some(Verified {
                key_id: key_id.clone(),
                subject: subject.clone(),
                scopes: verdict.scopes.clone().unwrap_or_default(),
                verdict,
            })),
            // Good without a key to it cannot be: whoever says so is no authority.
            (true, _, _) => Err(Refused::unverified(&Unverified::Refused("no key is named".to_owned()))),
            (false, _, _) => Err(Refused::by(&verdict, asked.action.as_deref())),
        }
    }
}

/// Whether a resource can be called so. Of the others the authority knows better.
fn may_be(target: &str) -> bool {
    target.split_once(':').is_none_or(|(_, id)| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(fits)
    })
}
