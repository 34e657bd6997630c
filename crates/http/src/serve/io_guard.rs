//! A client's socket: what was read of it to tell the protocol is read again, a client that takes nothing
//! is given up, and the connection counts as open for as long as the socket lives, also as a tunnel.
//!
//! An answer to a client of HTTP/1.0 may end with its connection. Where it breaks off, the connection ends with
//! a reset, which is the only way to tell that client that something is missing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::activity::Activity;
use super::refusal::Refusal;

/// What a client with prior knowledge of HTTP/2 sends first (RFC 9113 section 3.4).
const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The slot among the connections, and the server's knowledge that this one is open.
pub(super) type OpenGuard = (OwnedSemaphorePermit, TaskTrackerToken);

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// The bytes that were read to find out.
#[derive(Debug, Default)]
pub(super) struct Sniffed {
    bytes: [u8; H2_PREFACE.len()],
    taken: usize,
    length: usize,
}

/// Reads until the bytes are the preface of HTTP/2 or cannot be. `None` if the client leaves before.
pub(super) async fn sniff<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Option<(Protocol, Sniffed)>> {
    let mut sniffed = Sniffed::default();
    loop {
        let read = io.read(&mut sniffed.bytes[sniffed.length..]).await?;
        if read == 0 {
            return Ok(None);
        }
        sniffed.length += read;
        if !H2_PREFACE.starts_with(&sniffed.bytes[..sniffed.length]) {
            return Ok(Some((Protocol::Http1, sniffed)));
        }
        if sniffed.length == H2_PREFACE.len() {
            return Ok(Some((Protocol::Http2, sniffed)));
        }
    }
}

/// A socket that can end in a way that the peer takes for an error.
pub(super) trait Resets {
    /// Makes the close that follows a reset. What was written and not yet taken is lost.
    fn reset_on_close(&self);
}

impl Resets for TcpStream {
    fn reset_on_close(&self) {
        // It fails only where the connection is gone already.
        let _ = self.set_zero_linger();
    }
}

/// The socket of a client.
pub(super) struct IoGuard<T: Resets> {
    io: T,
    /// Whether the end of what is written has been said.
    said_all: bool,
    sniffed: Sniffed,
    stall_timeout: Duration,
    /// Made at the first stall; most connections never have one.
    stall: Option<Pin<Box<Sleep>>>,
    stalled: bool,
    /// Told of every write, so that a slow download is not taken for idleness.
    activity: Option<Arc<Activity>>,
    /// HTTP/1 only.
    refusal: Option<Refusal>,
    _open: OpenGuard,
}

impl<T: Resets> IoGuard<T> {
    pub(super) fn new(
        io: T,
        sniffed: Sniffed,
        stall_timeout: Duration,
        activity: Option<Arc<Activity>>,
        refusal: Option<Refusal>,
        open: OpenGuard,
    ) -> Self {
        Self {
            io,
            said_all: false,
            sniffed,
            stall_timeout,
            stall: None,
            stalled: false,
            activity,
            refusal,
            _open: open,
        }
    }

    /// Writes a refusal in place of the bytes that hyper answers with by itself.
    fn poll_refuse(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>>
    where
        T: AsyncWrite + Unpin,
    {
        let refusal = self.refusal.as_mut()?;
        while let Some(left) = refusal.left(bytes) {
            match Pin::new(&mut self.io).poll_write(cx, left) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(written)) if refusal.wrote(written) => {
                    return Some(Poll::Ready(Ok(bytes.len())));
                }
                Poll::Ready(Ok(_)) => {}
                other => return Some(other),
            }
        }
        None
    }

    /// Bounds how long writes may stay pending.
    fn watch<R>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.stalled = false;
            if let Some(activity) = &self.activity {
                activity.step();
            }
            return written;
        }
        let timeout = self.stall_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if !self.stalled {
            self.stalled = true;
            stall.as_mut().reset(Instant::now() + timeout);
        }
        match stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: Resets> Drop for IoGuard<T> {
    fn drop(&mut self) {
        let broken_off =
            !self.said_all && self.activity.as_ref().is_some_and(|activity| activity.ends_with_connection());
        if broken_off {
            self.io.reset_on_close();
        }
    }
}

impl<T: AsyncRead + Resets + Unpin> AsyncRead for IoGuard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let sniffed = &mut this.sniffed;
        if sniffed.taken < sniffed.length {
            let left = &sniffed.bytes[sniffed.taken..sniffed.length];
            let fits = left.len().min(buffer.remaining());
            if let Some(refusal) = &mut this.refusal {
                refusal.read(left);
            }
            buffer.put_slice(&left[..fits]);
            sniffed.taken += fits;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        if let Some(refusal) = &mut this.refusal {
            refusal.read(&buffer.filled()[before..]);
        }
        read
    }
}

impl<T: AsyncRead + AsyncWrite + Resets + Unpin> AsyncWrite for IoGuard<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match this.poll_refuse(cx, bytes) {
            Some(refused) => refused,
            None => {
                this.refusal.as_mut().map(Refusal::answered);
                Pin::new(&mut this.io).poll_write(cx, bytes)
            }
        };
        this.watch(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // hyper's own answers are one piece.
        let refused = if let [one] = slices { this.poll_refuse(cx, one) } else { None };
        let written = refused.unwrap_or_else(|| {
            this.refusal.as_mut().map(Refusal::answered);
            Pin::new(&mut this.io).poll_write_vectored(cx, slices)
        });
        this.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Only a body that came to its end is followed by this.
        this.said_all = true;
        ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        if let Some(refusal) = &mut this.refusal {
            ready!(refusal.poll_linger(Pin::new(&mut this.io), cx));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(input: &[u8], expect: Option<Protocol>) {
        let mut left = input;
        let found = sniff(&mut left).await.unwrap();
        assert_eq!(found.as_ref().map(|(protocol, _)| *protocol), expect, "{}", input.escape_ascii());
        if let Some((_, sniffed)) = found {
            let again = [&sniffed.bytes[..sniffed.length], left].concat();
            assert_eq!(again, input, "bytes are lost");
        }
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol() {
        check(b"", None).await;
        check(b"P", None).await;
        check(b"PRI * HTTP/2.0\r\n", None).await;
        check(b"GET / HTTP/1.1\r\n\r\n", Some(Protocol::Http1)).await;
        check(b"POST / HTTP/1.1\r\n\r\n", Some(Protocol::Http1)).await;
        check(b"PRI * HTTP/1.1\r\n\r\n", Some(Protocol::Http1)).await;
        check(H2_PREFACE, Some(Protocol::Http2)).await;
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0", Some(Protocol::Http2)).await;
    }
}
