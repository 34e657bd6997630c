//! A request kept for the case that it has to be sent again.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::body::Upload;

/// Everything of a request without a body, in memory of its own.
///
/// A clone of the request would do, but its values are slices of the buffer that the client's connection
/// reads into. While any of them lives that buffer cannot be used again, and a new one for each request
/// costs more than copying these few hundred bytes.
pub(super) struct Kept {
    method: Method,
    /// The target, then the values.
    text: Vec<u8>,
    target_length: usize,
    /// The names, and the lengths of their values.
    fields: Vec<(HeaderName, usize)>,
}

impl Kept {
    /// Copies the head of a request.
    pub(super) fn new(request: &Request<Upload>) -> Self {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let headers = request.headers();
        let length = headers.values().map(HeaderValue::len).sum::<usize>();
        let mut kept = Self {
            method: request.method().clone(),
            text: Vec::with_capacity(target.len() + length),
            target_length: target.len(),
            fields: Vec::with_capacity(headers.len()),
        };
        kept.text.extend_from_slice(target.as_bytes());
        for (name, value) in headers {
            kept.text.extend_from_slice(value.as_bytes());
            kept.fields.push((name.clone(), value.len()));
        }
        kept
    }

    /// The request once more. What was valid once is valid again, so there always is one.
    pub(super) fn into_request(self) -> Option<Request<Upload>> {
        let mut text = Bytes::from(self.text);
        let mut request = Request::new(Upload::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from_maybe_shared(text.split_to(self.target_length)).ok()?;
        for (name, length) in self.fields {
            request.headers_mut().append(name, HeaderValue::from_maybe_shared(text.split_to(length)).ok()?);
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_request() {
        let mut request = Request::put("/a%2Fb//c?x=%20+\u{e9}").body(Upload::Empty).unwrap();
        for (name, value) in
            [("host", "a"), ("x-one", ""), ("accept", "b"), ("accept", "c"), ("x-raw", "\u{e9}")]
        {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        let again = Kept::new(&request).into_request().unwrap();
        assert_eq!((again.method(), again.uri()), (request.method(), request.uri()));
        assert_eq!(again.headers(), request.headers());
    }
}
