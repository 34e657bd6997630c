//! Which scripts of which web origins may call a route (Fetch standard, section 3.2).

use claviger_core::restriction::WebOrigin;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, Method};

/// How long a browser may remember the answer to a preflight request.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");
/// What scripts may read of our answers besides the usual.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-claviger-version, www-authenticate, retry-after, ratelimit, ratelimit-policy, etag, content-disposition, content-range, link, location",
);
/// What a browser may send if it does not say what it wants to.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("authorization, x-api-key, content-type");

/// Origins whose scripts may call a route.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    any: bool,
    some: Vec<WebOrigin>,
}

impl Origins {
    /// Reads the configuration: `*`, or origins.
    ///
    /// # Errors
    /// The text that is no origin.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let mut origins = Self::default();
        for text in texts {
            match WebOrigin::parse(text) {
                _ if text == "*" => origins.any = true,
                Ok(origin) => origins.some.push(origin),
                Err(_) => return Err(text.clone()),
            }
        }
        Ok(origins)
    }

    /// Whether the route says anything about origins.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.any && self.some.is_empty()
    }

    /// Whether scripts of this origin may call the route.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        self.any || self.some.iter().any(|allowed| allowed.as_str() == origin)
    }

    /// Sets what an answer tells browsers; what an upstream said about it is replaced, but for the headers of
    /// its own that scripts may read. Where there is no `Origin` it is said all the same, as a cache may give
    /// that answer to a script later.
    pub fn answer(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        let theirs: Vec<_> = headers.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().cloned().collect();
        for name in ACCESS_CONTROL {
            headers.remove(name);
        }
        if !self.any {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let named = origin.filter(|value| value.to_str().is_ok_and(|origin| self.allow(origin)));
        let allowed = if self.any { Some(HeaderValue::from_static("*")) } else { named.cloned() };
        let Some(allowed) = allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        for value in theirs {
            headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, value);
        }
    }
}

/// What an upstream might say about origins.
const ACCESS_CONTROL: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
    http::header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
];

/// The method that a preflight request asks about, if it is one.
#[must_use]
pub fn preflight(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if *method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

/// What the answer to an allowed preflight request tells the browser.
pub fn preflight_answer(origins: &Origins, asked: &HeaderMap, method: &Method, headers: &mut HeaderMap) {
    origins.answer(asked.get(ORIGIN), headers);
    headers.append(
        VARY,
        HeaderValue::from_static("access-control-request-method, access-control-request-headers"),
    );
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
    if let Ok(method) = HeaderValue::from_str(method.as_str()) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
    }
    let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|value| is_list_of_names(value));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.cloned().unwrap_or(ALLOWED_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
}

/// Whether the value is a list of header names, so that it can be said back.
fn is_list_of_names(value: &HeaderValue) -> bool {
    let byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b',' | b' ');
    value.len() <= 1024 && value.as_bytes().iter().all(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(origins: &[&str], origin: Option<&'static str>) -> (Option<String>, Option<String>) {
        let origins = Origins::parse(&origins.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://upstream.example"));
        origins.answer(origin.map(HeaderValue::from_static).as_ref(), &mut headers);
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (text(ACCESS_CONTROL_ALLOW_ORIGIN), text(VARY))
    }

    #[test]
    fn what_scripts_may_read() {
        let origins = Origins::parse(&["*".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-total"));
        headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        origins.answer(None, &mut headers);
        let exposed: Vec<_> = headers.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().collect();
        assert_eq!(exposed, [EXPOSED, HeaderValue::from_static("x-total")], "ours, and the application's");
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn only_what_the_route_allows() {
        let upstreams = Some("https://upstream.example".to_owned());
        assert_eq!(told(&[], Some("https://a.example")), (upstreams, None), "a route that says nothing");
        for origin in [Some("https://a.example"), Some("null"), None] {
            assert_eq!(told(&["*"], origin), (Some("*".into()), None));
        }
        assert_eq!(
            told(&["https://a.example"], Some("https://a.example")),
            (Some("https://a.example".into()), Some("origin".into()))
        );
        for origin in [None, Some("https://b.example"), Some("null"), Some("https://a.example.evil.example")]
        {
            assert_eq!(told(&["https://a.example"], origin), (None, Some("origin".into())));
        }
    }

    proptest! {
        /// An origin has one form, and only the very same origin is allowed by it.
        #[test]
        fn an_origin_is_read_in_one_form(
            text in "\\PC{0,40}|https?://[A-Za-z0-9.:\\[\\]-]{0,30}",
            other in "https?://[a-z0-9.:-]{0,12}",
        ) {
            if let Ok(origin) = WebOrigin::parse(&text) {
                prop_assert_eq!(WebOrigin::parse(origin.as_str()), Ok(origin.clone()));
                let origins = Origins::parse(&[text]).unwrap();
                prop_assert!(origins.allow(origin.as_str()));
                prop_assert!(!origins.allow(&other) || other == origin.as_str());
                prop_assert!(!origins.allow("null"));
            }
        }

        #[test]
        fn any_origin_header_is_answered(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            Origins::parse(&["https://a.example".to_owned()]).unwrap().answer(Some(&value), &mut headers);
            prop_assert!(value == "https://a.example" || !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        }
    }
}
