//! Forward-auth: a proxy in front (nginx `auth_request`, Caddy, Traefik, HAProxy) asks about each request, and
//! passes it on itself. Same routes, same decision, same headers as the gateway.
//!
//! Each proxy has an address of its own, at which only the headers are read that this proxy is configured to set:
//! what a client sends under the names of another proxy means nothing there. The query slot is off: the proxy could
//! neither strip a key from the address nor keep it out of its log.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Response, StatusCode, Uri};

use super::host::is_host;
use super::proxy::{same_folded, states_body};
use crate::client::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::problem::Problem;

/// Everything below is for proxies; there is no route here.
const PREFIX: &str = "/forward-auth";
/// The true status of an answer, where the proxy has to be given another one.
const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");
/// The problem document, for nginx, which drops the body of a refusal.
const PROBLEM: HeaderName = HeaderName::from_static("x-claviger-problem");
/// Present if the route has `origins`, so that what the application says about origins does not count.
const ORIGINS: HeaderName = HeaderName::from_static("x-claviger-origins");
/// The `Cache-Control` that the answer has to have, if any.
const CACHE: HeaderName = HeaderName::from_static("x-claviger-cache-control");

/// How a question of nginx begins.
pub(crate) const NGINX_QUESTION: &[u8] = b"GET /forward-auth/nginx ";

/// Brings the refusal of a question that could not even be read into the form that nginx understands.
pub(crate) fn refuse_nginx<B>(response: &mut Response<B>, document: &str) {
    let said = Said { origins: false, secret: false, preflight: false, problem: Some(document) };
    FrontProxy::Nginx.translate(response, &said);
}

/// A proxy that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrontProxy {
    Nginx,
    Caddy,
    Traefik,
    Haproxy,
}

/// Whom an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// Clients: it may have a route.
    Routes,
    /// This proxy.
    Proxy(FrontProxy),
    /// Nobody.
    Nobody,
}

impl Address {
    pub(super) fn of(path: &str) -> Self {
        let Some(rest) = path.strip_prefix(PREFIX) else { return Self::Routes };
        match rest {
            "/nginx" => Self::Proxy(FrontProxy::Nginx),
            "/caddy" => Self::Proxy(FrontProxy::Caddy),
            "/traefik" => Self::Proxy(FrontProxy::Traefik),
            "/haproxy" => Self::Proxy(FrontProxy::Haproxy),
            _ if rest.is_empty() || rest.starts_with('/') => Self::Nobody,
            _ => Self::Routes,
        }
    }
}

/// The headers in which a proxy says which request it asks about.
struct Names {
    method: HeaderName,
    target: HeaderName,
    host: HeaderName,
    /// The `Content-Length` and the `Transfer-Encoding` of the request, where the proxy can say them.
    body: Option<[HeaderName; 2]>,
}

/// What keeps a set-up from working. Each is logged once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetupFault {
    /// The proxy is not in `trusted_proxies`.
    NotTrusted,
    /// It does not say which request it asks about.
    HeadersMissing,
    /// It does not say that the request came over TLS.
    PlainHttp,
}

/// Which set-up faults have been logged.
#[derive(Debug, Default)]
pub(super) struct SetupWarnings([AtomicBool; 3]);

impl SetupWarnings {
    /// Logs the fault, unless that was done before.
    pub(super) fn warn(&self, fault: SetupFault, proxy: FrontProxy, peer: std::net::IpAddr) {
        if self.0[fault as usize].swap(true, Ordering::Relaxed) {
            return;
        }
        let (name, text) = (proxy.name(), fault.text(proxy));
        tracing::warn!(%peer, "forward-auth for {name} cannot work: {text}");
    }
}

impl SetupFault {
    /// What is wrong, and what to write.
    fn text(self, proxy: FrontProxy) -> String {
        match self {
            Self::NotTrusted => "the address of the proxy is not in `trusted_proxies`; add it, such as `trusted_proxies = [\"127.0.0.1\"]`".to_owned(),
            Self::HeadersMissing => {
                let names = proxy.names();
                format!(
                    "the proxy does not send `{}` and `{}`; configure it as docs/GATEWAY.md shows",
                    shown(&names.method),
                    shown(&names.target)
                )
            }
            Self::PlainHttp => "the proxy does not say that the request came over TLS, so keys are refused; serve HTTPS there, and have the proxy send `X-Forwarded-Proto: https`".to_owned(),
        }
    }

    /// The answer.
    pub(super) fn problem(self, proxy: FrontProxy) -> Problem {
        let detail = format!("Forward-auth cannot work: {}.", self.text(proxy));
        match self {
            Self::NotTrusted => Problem::new(StatusCode::FORBIDDEN, "proxy_not_trusted", detail),
            Self::HeadersMissing => Problem::new(StatusCode::BAD_REQUEST, "proxy_headers_missing", detail),
            Self::PlainHttp => Problem::new(StatusCode::FORBIDDEN, "insecure_transport", detail),
        }
    }
}

impl FrontProxy {
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Where a request came in that this proxy asks about, as the history says it after the method.
    pub(super) fn entrance(self) -> &'static str {
        match self {
            Self::Nginx => "through forward-auth for nginx",
            Self::Caddy => "through forward-auth for Caddy",
            Self::Traefik => "through forward-auth for Traefik",
            Self::Haproxy => "through forward-auth for HAProxy",
        }
    }

    fn names(self) -> Names {
        let name = HeaderName::from_static;
        match self {
            Self::Nginx => Names {
                method: name("x-original-method"),
                target: name("x-original-uri"),
                host: HOST,
                body: Some([name("x-original-content-length"), name("x-original-transfer-encoding")]),
            },
            Self::Caddy | Self::Traefik | Self::Haproxy => Names {
                method: name("x-forwarded-method"),
                target: name("x-forwarded-uri"),
                host: name("x-forwarded-host"),
                // Traefik cannot be told to send them, so there a client might.
                body: (self != Self::Traefik)
                    .then(|| [name("x-forwarded-content-length"), name("x-forwarded-transfer-encoding")]),
            },
        }
    }

    /// Brings an answer into the form that this proxy understands. `problem` is the document of a refusal.
    pub(super) fn translate<B>(self, response: &mut Response<B>, said: &Said<'_>) {
        let status = response.status();
        let headers = response.headers_mut();
        if said.origins {
            headers.insert(ORIGINS, HeaderValue::from_static("route"));
        }
        if said.secret || said.problem.is_some() {
            headers.insert(CACHE, HeaderValue::from_static("no-store"));
        }
        // nginx before 1.23 sees the first value of a header only.
        join(headers);
        if status == StatusCode::NO_CONTENT && !said.preflight {
            return;
        }
        headers.insert(STATUS, HeaderValue::from(status.as_u16()));
        if let Some(document) = said.problem
            && self == Self::Nginx
            && let Ok(document) = HeaderValue::from_str(&ascii(document))
        {
            headers.insert(PROBLEM, document);
        }
        let known = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if said.preflight || (self == Self::Nginx && !known) {
            // An answer of ours to a preflight request is no leave to pass it on.
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
    }
}

/// What a proxy has to know about an answer beside the answer itself.
pub(super) struct Said<'a> {
    /// The route says which origins may call it.
    pub(super) origins: bool,
    /// The answer depends on a credential.
    pub(super) secret: bool,
    /// It is the answer to a preflight request.
    pub(super) preflight: bool,
    /// The document of a refusal.
    pub(super) problem: Option<&'a str>,
}

/// The request that a proxy asks about.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its head.
    pub(super) parts: Parts,
    /// The host that it names.
    pub(super) host: String,
    /// Whether it announces a body.
    pub(super) has_body: bool,
}

/// Why the request that a proxy asks about is not known.
#[derive(Debug)]
pub(super) enum Unread {
    /// The proxy is not set up as it has to be.
    Setup(SetupFault),
    /// The request is refused.
    Refused(Problem),
}

impl Asked {
    /// Reads what the proxy says of the request.
    ///
    /// # Errors
    /// Headers are missing, doubled or in two spellings, or name a request that cannot be decided about.
    pub(super) fn read(proxy: FrontProxy, parts: &Parts) -> Result<Self, Unread> {
        let names = proxy.names();
        let headers = &parts.headers;
        let of_body = names.body.as_ref().map_or(&[][..], |names| names);
        let read = [&names.method, &names.target, &names.host, &X_FORWARDED_FOR, &X_FORWARDED_PROTO];
        for name in read.into_iter().chain(of_body) {
            check_single(headers, name).map_err(Unread::Refused)?;
        }
        let (Some(method), Some(target)) = (headers.get(&names.method), headers.get(&names.target)) else {
            return Err(Unread::Setup(SetupFault::HeadersMissing));
        };
        let method = Method::from_bytes(method.as_bytes()).ok();
        let method = method.filter(|method| !matches!(*method, Method::CONNECT | Method::TRACE));
        let method = method.ok_or_else(|| {
            let detail = "The method of the request cannot be read, or is CONNECT or TRACE. Use another one.";
            Unread::Refused(Problem::bad_request("bad_request", detail))
        })?;
        let target = target_of(target).ok_or_else(|| {
            let detail = "The target of the request could be read in two ways: it has to begin with a slash and be printable ASCII without `#`. Send it percent-encoded.";
            Unread::Refused(Problem::bad_request("ambiguous_path", detail))
        })?;
        // A host that cannot be read must not count as none: the request would miss the routes that are pinned to it.
        let host = headers.get(&names.host).filter(|host| is_host(host.as_bytes()));
        let host = host.and_then(|host| host.to_str().ok()).map(str::to_owned).ok_or_else(|| {
            let detail = format!(
                "The host of the request is missing or not valid. Send one `Host` header with a name or an address, and a port if needed, such as `example.org:8443`; the proxy passes it on as `{}`.",
                shown(&names.host)
            );
            Unread::Refused(Problem::bad_request("bad_request", detail))
        })?;
        let mut body = HeaderMap::new();
        for (theirs, plain) in of_body.iter().zip([CONTENT_LENGTH, TRANSFER_ENCODING]) {
            // A proxy that has no way to leave a header out sends it empty.
            let value = headers.get(theirs).filter(|value| !value.is_empty());
            value.map(|value| body.insert(plain, value.clone()));
        }
        let mut original = parts.clone();
        original.method = method;
        original.uri = Uri::from(target);
        Ok(Self { parts: original, host, has_body: states_body(&body) })
    }
}

/// Refuses a header that is there twice, or that CGI and its heirs could take for the one of this name.
fn check_single(headers: &HeaderMap, name: &HeaderName) -> Result<(), Problem> {
    let twice = headers.get_all(name).iter().nth(1).is_some();
    let spelled = headers.keys().any(|other| other != name && same_folded(other.as_str(), name.as_str()));
    if !twice && !spelled {
        return Ok(());
    }
    let detail = format!(
        "`{}` is there twice or in a second spelling, so the request that is meant is not clear. Send no header of this name; the proxy sets it.",
        shown(name)
    );
    Err(Problem::bad_request("ambiguous_proxy_headers", detail))
}

/// The target, if it is one that every parser reads alike: in origin form, and the same after it was parsed.
fn target_of(value: &HeaderValue) -> Option<PathAndQuery> {
    let text = value.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !text.starts_with('/') || !text.bytes().all(plain) {
        return None;
    }
    let target = PathAndQuery::try_from(text).ok()?;
    (target.as_str() == text).then_some(target)
}

/// Joins what is there several times (RFC 9110, section 5.3). No answer here has `Set-Cookie`, which must not be.
fn join(headers: &mut HeaderMap) {
    let several = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    let names: Vec<HeaderName> = headers.keys().filter(several).cloned().collect();
    for name in names {
        let values: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&values.join(&b", "[..])) {
            headers.insert(name, joined);
        }
    }
}

/// A JSON document in characters that a header can carry.
fn ascii(document: &str) -> String {
    let mut text = String::with_capacity(document.len());
    for character in document.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units).iter() {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// A name as people write it.
fn shown(name: &HeaderName) -> String {
    let word = |word: &str| match word {
        "uri" => "URI".to_owned(),
        word => word[..1].to_ascii_uppercase() + &word[1..],
    };
    let name = name.as_str().split('-').map(word).collect::<Vec<_>>().join("-");
    name.replace("X-Forwarded-URI", "X-Forwarded-Uri")
}

#[cfg(test)]
mod tests;
