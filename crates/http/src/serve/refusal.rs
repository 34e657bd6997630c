//! What hyper answers by itself to a request of HTTP/1 that it cannot read, written as a problem document.
//!
//! hyper writes such an answer straight to the socket, without a body, and no service hears of it. Its head is
//! recognised on the way out: it has fields that only hyper writes, while each answer of a service has more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue};
use http::{Response, StatusCode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use crate::gate::forward_auth::{NGINX_QUESTION, refuse_nginx};
use crate::problem::Problem;

/// hyper's own head has about a hundred bytes.
const HEAD_BYTES_MAX: usize = 256;
/// What is read and thrown away after a refusal: a socket that is closed with unread bytes resets the connection,
/// and the client might never see the answer.
const LINGER_BYTES_MAX: usize = 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// The refusal of one connection.
pub(super) struct Refusal {
    /// Where the pages about problems are.
    public_url: Arc<str>,
    /// What is written in place of hyper's answer, and how much of it was.
    text: Vec<u8>,
    written: usize,
    /// Whether nginx asks about a request, which understands few statuses.
    nginx_asks: bool,
    lingered: usize,
    linger: Option<Pin<Box<Sleep>>>,
}

impl Refusal {
    pub(super) fn new(public_url: Arc<str>) -> Self {
        Self { public_url, text: Vec::new(), written: 0, nginx_asks: false, lingered: 0, linger: None }
    }

    /// Takes note of what a client sends. A proxy sends no request before the last one is answered, so a head begins
    /// where a read does.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.nginx_asks |= bytes.starts_with(NGINX_QUESTION);
    }

    /// Takes note that a service has answered.
    pub(super) fn answered(&mut self) {
        self.nginx_asks = false;
    }

    /// What is left to write, if these bytes are an answer of hyper's own.
    pub(super) fn left(&mut self, bytes: &[u8]) -> Option<&[u8]> {
        if self.text.is_empty() {
            // One look at the first byte of the status for every other answer.
            let (status, date) = own_answer(bytes)?;
            self.text = written(status, date, &bytes[..8], &self.public_url, self.nginx_asks);
        }
        (self.written < self.text.len()).then(|| &self.text[self.written..])
    }

    /// Whether that was all, after so many bytes more.
    pub(super) fn wrote(&mut self, bytes: usize) -> bool {
        self.written += bytes;
        self.written >= self.text.len()
    }

    /// Reads what the client is still sending, so that it gets to see the refusal.
    pub(super) fn poll_linger(&mut self, io: Pin<&mut impl AsyncRead>, cx: &mut Context<'_>) -> Poll<()> {
        if self.text.is_empty() {
            return Poll::Ready(());
        }
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER_TIMEOUT)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut io = io;
        let mut space = [0; 4096];
        while self.lingered < LINGER_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(io.as_mut().poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

/// The status of an answer that hyper made by itself, and its date.
fn own_answer(bytes: &[u8]) -> Option<(StatusCode, &str)> {
    if bytes.get(9) != Some(&b'4') || bytes.len() > HEAD_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.strip_suffix("\r\n\r\n")?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse::<StatusCode>().ok()?;
    let (mut empty, mut date) = (false, "");
    for line in lines {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => empty = value.trim() == "0",
            "connection" => {}
            "date" => date = value.trim(),
            _ => return None,
        }
    }
    empty.then_some((status, date))
}

fn written(status: StatusCode, date: &str, version: &[u8], public_url: &str, nginx_asks: bool) -> Vec<u8> {
    let problem = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Problem::new(
            status,
            "headers_too_large",
            "The head of the request is too large, or has too many header fields. Send fewer or shorter ones, such as smaller cookies.",
        ),
        StatusCode::URI_TOO_LONG => Problem::new(
            status,
            "address_too_long",
            "The address of the request is too long. Send long values in a body.",
        ),
        _ => Problem::new(
            status,
            "bad_request",
            "The request is not valid HTTP: its first line or a header field cannot be read.",
        ),
    };
    let body = serde_json::to_string(&problem.document(public_url)).unwrap_or_default();
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Ok(date) = HeaderValue::from_str(date)
        && !date.is_empty()
    {
        headers.insert(DATE, date);
    }
    if nginx_asks {
        refuse_nginx(&mut response, &body);
    }
    let status = response.status();
    let mut text = version.to_vec();
    let line = format!(" {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
    text.extend_from_slice(line.as_bytes());
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hyper_answers_by_itself_is_replaced() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: Tue, 01 Dec 2026 14:00:00 GMT\r\n\r\n";
        let mut refusal = Refusal::new("https://keys.example".into());
        let text = String::from_utf8(refusal.left(own.as_bytes()).unwrap().to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{head}");
        assert!(head.contains("date: Tue, 01 Dec 2026 14:00:00 GMT"), "{head}");
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(document["type"], "https://keys.example/problems/headers_too_large");
        assert!(!refusal.wrote(10) && refusal.wrote(text.len() - 10));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nabc",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\n",
            "",
            "abcdefghi4",
        ] {
            assert!(Refusal::new("".into()).left(other.as_bytes()).is_none(), "{other}");
        }
    }
}
