//! Connections of the client and of the upstream: plain sockets, outside of what is counted.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// One connection of a client.
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option of a socket");
        stream.set_nonblocking(true).expect("an option of a socket");
        Self { stream, received: Vec::new() }
    }

    /// Sends a whole request in one segment.
    pub(crate) fn send(&mut self, request: &[u8]) {
        self.received.clear();
        let sent = self.stream.write(request).expect("the server reads");
        assert_eq!(sent, request.len(), "a request fits into the buffer of a socket");
    }

    /// The answer, if all of it has come.
    pub(crate) fn answer(&mut self) -> Option<&str> {
        let closed = read(&mut self.stream, &mut self.received);
        let text = str::from_utf8(&self.received).expect("an answer is text");
        assert!(!closed || is_complete(text), "the connection was closed: {text}");
        is_complete(text).then_some(text)
    }
}

/// What the gateway passes requests on to: it answers each one with the same bytes.
pub(crate) struct Upstream {
    listener: TcpListener,
    streams: Vec<TcpStream>,
    received: Vec<u8>,
    answer: Vec<u8>,
}

impl Upstream {
    pub(crate) fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("an option of a socket");
        Self { listener, streams: Vec::new(), received: Vec::new(), answer }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }

    /// Answers every request that has come. None has a body, and each comes in one piece.
    pub(crate) fn answer(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nodelay(true).expect("an option of a socket");
            stream.set_nonblocking(true).expect("an option of a socket");
            self.streams.push(stream);
        }
        for stream in &mut self.streams {
            self.received.clear();
            read(stream, &mut self.received);
            if self.received.is_empty() {
                continue;
            }
            assert!(self.received.ends_with(b"\r\n\r\n"), "a request without a body, in one piece");
            stream.write_all(&self.answer).expect("the gateway reads");
        }
    }
}

/// Reads what there is. Returns whether the other end has closed the connection.
fn read(stream: &mut TcpStream, into: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(length) => into.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("reading from a socket: {error}"),
        }
    }
}

/// Whether this is an answer with all of the body that it announces.
fn is_complete(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}
