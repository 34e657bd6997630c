//! A client of HTTP/1.1 that does what it is told: every byte of a request can be chosen, and every header of
//! the answer can be seen. One connection for each request.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How long an answer may take; far more than any should, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// The value of `Authorization` with the key as the user name and an empty password.
#[must_use]
pub fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:")))
}

/// Somebody to ask.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
}

/// A request on its way.
#[derive(Debug, Clone)]
pub struct Request {
    client: Client,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header fields in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of HTTP.
    pub body: Vec<u8>,
}

impl Client {
    /// A client for `http://ADDRESS:PORT`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        Self { address: address.parse().expect("an address and port") }
    }

    /// Where it asks.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request with this method and target.
    #[must_use]
    pub fn request(self, method: &str, target: &str) -> Request {
        Request {
            client: self,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A POST of JSON.
    #[must_use]
    pub fn post(self, target: &str, body: &Value) -> Request {
        self.request("POST", target).json(body)
    }

    /// A PATCH with JSON.
    #[must_use]
    pub fn patch(self, target: &str, body: &Value) -> Request {
        self.request("PATCH", target).json(body)
    }

    /// Sends these bytes and reads the answer.
    ///
    /// # Errors
    /// The connection broke, or what came is not an answer.
    pub fn raw(self, bytes: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        stream.write_all(bytes)?;
        let mut received = Vec::new();
        // A reset after the answer is what a peer does that has not read all of a request it refused.
        match stream.read_to_end(&mut received) {
            Err(error) if received.is_empty() => return Err(error),
            _ => {}
        }
        let head_only = bytes.starts_with(b"HEAD ");
        parse(&received, head_only).ok_or_else(|| {
            let text = String::from_utf8_lossy(&received).into_owned();
            io::Error::new(io::ErrorKind::InvalidData, format!("not a complete answer: {text:?}"))
        })
    }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Authorization: Bearer KEY`.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    /// Sends this body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("Content-Type", "application/json")
    }

    /// Sends it.
    ///
    /// # Errors
    /// There was no answer.
    pub fn try_send(&self) -> io::Result<Answer> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        text.extend_from_slice(format!("Host: {}\r\nConnection: close\r\n", self.client.address).as_bytes());
        for (name, value) in &self.headers {
            text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS") {
            text.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&self.body);
        self.client.raw(&text)
    }

    /// Sends it.
    ///
    /// # Panics
    /// There was no answer.
    #[must_use]
    pub fn send(&self) -> Answer {
        match self.try_send() {
            Ok(answer) => answer,
            Err(error) => panic!("{} {}: {error}", self.method, self.target),
        }
    }
}

impl Answer {
    /// The first value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header, joined as HTTP joins them; empty if there is none.
    #[must_use]
    pub fn joined(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The `code` of a problem; empty if it is none.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The same answer without what differs between any two: its id and its date.
    #[must_use]
    pub fn timeless(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        self
    }

    /// The answer itself, if it has this status.
    ///
    /// # Panics
    /// It has another one.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

fn parse(received: &[u8], head_only: bool) -> Option<Answer> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = (std::str::from_utf8(&received[..end]).ok()?, &received[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .map(|line| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    let mut answer = Answer { status, headers, body: Vec::new() };
    let chunked =
        answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = answer.header("content-length").and_then(|value| value.parse::<usize>().ok());
    answer.body = match length {
        _ if head_only => Vec::new(),
        _ if chunked => dechunk(rest)?,
        Some(length) => rest.get(..length)?.to_vec(),
        None => rest.to_vec(),
    };
    Some(answer)
}

/// The content of a chunked body (RFC 9112, section 7.1); nothing unless it is complete.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_are_read_to_their_end() {
        let body = |text: &str| parse(text.as_bytes(), false).map(|answer| answer.text());
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").as_deref(), Some("ok"));
        assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"), None);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(body(chunked).as_deref(), Some("ok"));
        assert_eq!(body("HTTP/1.1 200 OK\r\n"), None);
    }
}
