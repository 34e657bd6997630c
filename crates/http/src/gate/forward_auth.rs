//! Forward-auth: a proxy in front (nginx `auth_request`, Caddy `forward_auth`, Traefik, HAProxy) asks about
//! each request, and passes it on itself. Same routes, same decision, same headers as the gateway.
//!
//! The original method and address are believed from trusted proxies only. The query slot is off: the proxy
//! could neither strip a key from the address nor keep it out of its log.

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Uri};

use crate::problem::Problem;

/// Where a proxy asks.
pub const PATH: &str = "/forward-auth";
/// The true status of a refusal, where the proxy knows 401 and 403 only.
const STATUS: HeaderName = HeaderName::from_static("x-claviger-status");

/// What nginx is configured to send.
const ORIGINAL: [HeaderName; 2] =
    [HeaderName::from_static("x-original-method"), HeaderName::from_static("x-original-uri")];
/// What Caddy, Traefik and others send.
const FORWARDED: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-forwarded-uri")];

/// The request that a proxy asks about.
pub(super) struct Asked {
    /// Its head.
    pub(super) parts: Parts,
    /// Whether the proxy takes every answer but 2xx, 401 and 403 for an error (nginx).
    pub(super) narrow: bool,
}

impl Asked {
    /// Reads what the proxy says of the request.
    ///
    /// # Errors
    /// A problem that says which headers are missing or cannot be read.
    pub(super) fn read(parts: &Parts) -> Result<Self, Problem> {
        let narrow = parts.headers.contains_key(&ORIGINAL[1]);
        let [method, uri] = if narrow { &ORIGINAL } else { &FORWARDED };
        let one = |name: &HeaderName| {
            let mut values = parts.headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
        };
        let unreadable = || {
            let detail = "The proxy has to say which request it asks about: `X-Original-Method` and `X-Original-URI` (nginx), or `X-Forwarded-Method` and `X-Forwarded-Uri`, each once.";
            Problem::bad_request("bad_request", detail)
        };
        let method =
            one(method).and_then(|text| Method::from_bytes(text.as_bytes()).ok()).ok_or_else(unreadable)?;
        let uri = one(uri).filter(|text| text.starts_with('/')).and_then(|text| text.parse::<Uri>().ok());
        let mut original = parts.clone();
        original.method = method;
        original.uri = uri.ok_or_else(unreadable)?;
        Ok(Self { parts: original, narrow })
    }

    /// The problem as this proxy understands it.
    pub(super) fn refusal(&self, mut problem: Problem) -> Problem {
        let status = problem.status;
        problem = problem.with(STATUS, HeaderValue::from(status.as_u16()));
        if self.narrow && !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            problem.status = StatusCode::FORBIDDEN;
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Asked, Problem> {
        let mut request = Request::new(());
        for (name, value) in pairs {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Asked::read(&request.into_parts().0)
    }

    #[test]
    fn what_proxies_say() {
        let nginx = read(&[("x-original-method", "POST"), ("x-original-uri", "/d/x.js?v=3")]).unwrap();
        assert_eq!(
            (nginx.parts.method.as_str(), nginx.parts.uri.to_string().as_str()),
            ("POST", "/d/x.js?v=3")
        );
        assert!(nginx.narrow);
        let caddy = read(&[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/")]).unwrap();
        assert!(!caddy.narrow);
        assert!(read(&[]).is_err());
        assert!(read(&[("x-forwarded-method", "GET")]).is_err());
        assert!(read(&[("x-forwarded-method", "GET"), ("x-forwarded-uri", "http://x/")]).is_err());
        let twice = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a"), ("x-forwarded-uri", "/b")];
        assert!(read(&twice).is_err());
    }

    #[test]
    fn nginx_is_told_403_for_what_it_does_not_know() {
        let check = |narrow: bool, status: u16, expect: u16| {
            let asked = Asked { parts: Request::new(()).into_parts().0, narrow };
            let status = StatusCode::from_u16(status).unwrap();
            let told = asked.refusal(Problem::new(status, "not_found", ""));
            assert_eq!(told.status.as_u16(), expect);
            assert_eq!(told.headers[0].1, HeaderValue::from(status.as_u16()));
        };
        check(true, 404, 403);
        check(true, 401, 401);
        check(true, 403, 403);
        check(false, 404, 404);
    }
}
