//! Connections to upstreams: made, kept, taken out again, and driven.
//!
//! A connection is driven by the task of the request that has it, not by a task of its own. That saves the
//! hand-over between tasks for each request; a request that is dropped takes its connection with it at once;
//! and a connection that died in the pool is noticed when it is taken out.

use std::collections::HashMap;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, RwLock, Weak};
use std::task::{Context, Poll, Waker, ready};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::body::{Fault, Upload, UploadState, Waiting};
use super::error::{Phase, ProxyError};
use super::{ProxyLimits, ProxyTimeouts};

/// How often within the idle time-out the pool is searched for connections that are dead or too old. At two
/// they are gone after one and a half times the time-out; a request never gets one older than it.
const REAPER_LOOKS: u32 = 2;

/// What moves the bytes of a connection. hyper gives the type no name. Not to be polled once it is ready.
pub(super) type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The connections of all upstreams.
pub(super) struct Pool {
    hosts: RwLock<HashMap<Box<str>, Arc<Host>>>,
    limits: ProxyLimits,
    reaper: Once,
}

/// The connections of one upstream.
pub(super) struct Host {
    authority: Box<str>,
    idle: Mutex<Vec<Connection>>,
    slots: Arc<Semaphore>,
    limits: ProxyLimits,
}

/// A connection to an upstream.
pub(super) struct Connection {
    sender: http1::SendRequest<Upload>,
    /// `None` once the connection has ended, or is driven by somebody else.
    pub(super) driver: Option<Driver>,
    /// One timer for all the waits of all requests: to move it on is cheaper than to make one.
    pub(super) timer: Pin<Box<Sleep>>,
    pub(super) reused: bool,
    /// Whether another request may be sent on it once this one has been answered.
    pub(super) reusable: bool,
    idle_since: Instant,
}

/// A connection on loan, and its slot among the requests that the upstream may get at once.
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) slot: Slot,
}

/// The right to send an upstream one request.
pub(super) struct Slot {
    host: Arc<Host>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(limits: ProxyLimits) -> Arc<Self> {
        Arc::new(Self { hosts: RwLock::default(), limits, reaper: Once::new() })
    }

    /// Waits for the right to send the upstream a request.
    pub(super) async fn slot(
        self: &Arc<Self>,
        authority: &str,
        times: &ProxyTimeouts,
    ) -> Result<Slot, ProxyError> {
        let host = self.host(authority);
        let slots = Arc::clone(&host.slots);
        if let Ok(permit) = Arc::clone(&slots).try_acquire_owned() {
            return Ok(Slot { host, _permit: permit });
        }
        match tokio::time::timeout(times.connect, slots.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot { host, _permit: permit }),
            _ => Err(ProxyError::UpstreamBusy),
        }
    }

    fn host(self: &Arc<Self>, authority: &str) -> Arc<Host> {
        if let Some(host) = self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(authority) {
            return Arc::clone(host);
        }
        self.reaper.call_once(|| {
            tokio::spawn(reap(Arc::downgrade(self), self.limits.idle_timeout / REAPER_LOOKS));
        });
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.entry(authority.into()).or_insert_with(|| Host::new(authority, &self.limits));
        Arc::clone(host)
    }
}

impl Slot {
    /// Takes a connection from the pool that is alive, as far as can be known without sending on it.
    pub(super) fn pooled(&self) -> Option<Connection> {
        loop {
            // The one used last is the least likely to have been closed.
            let mut connection = self.host.idle().pop()?;
            if connection.is_usable(&self.host.limits) {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    /// Makes a new connection.
    pub(super) async fn connect(&self, times: &ProxyTimeouts) -> Result<Connection, ProxyError> {
        let connecting = TcpStream::connect(&*self.host.authority);
        let connected = tokio::time::timeout(times.connect, connecting)
            .await
            .map_err(|_| ProxyError::UpstreamTimeout(Phase::Connect, times.connect))?;
        let stream = connected.map_err(ProxyError::UpstreamUnreachable)?;
        stream.set_nodelay(true).map_err(ProxyError::UpstreamUnreachable)?;
        let (sender, driver) = http1::Builder::new()
            .max_header_size(self.host.limits.response_header_bytes_max)
            .max_buf_size(self.host.limits.buffer_bytes_max)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ProxyError::UpstreamUnreachable(io::Error::other(error)))?;
        Ok(Connection {
            sender,
            driver: Some(Box::pin(driver.with_upgrades())),
            timer: Box::pin(tokio::time::sleep(times.response_header)),
            reused: false,
            reusable: true,
            idle_since: Instant::now(),
        })
    }
}

impl Lease {
    /// Gives the connection back once an answer has been read to its end. It goes into the pool only if it
    /// is good for another request: kept alive by both sides, the request sent, and not a byte too many.
    pub(super) fn release(self) {
        let Self { mut connection, slot } = self;
        if !connection.reusable {
            return;
        }
        let Some(driver) = &mut connection.driver else { return };
        // Nobody waits for an idle connection, and whoever takes it polls it again.
        let mut cx = Context::from_waker(Waker::noop());
        if driver.as_mut().poll(&mut cx).is_ready() || !connection.sender.is_ready() {
            return;
        }
        connection.idle_since = Instant::now();
        let mut idle = slot.host.idle();
        if idle.len() < slot.host.limits.idle_connections_max {
            idle.push(connection);
        }
    }
}

impl Host {
    fn new(authority: &str, limits: &ProxyLimits) -> Arc<Self> {
        Arc::new(Self {
            authority: authority.into(),
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(limits.requests_max)),
            limits: limits.clone(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Upload>,
        upload: Option<&UploadState>,
        times: &ProxyTimeouts,
    ) -> Result<Response<Incoming>, ProxyError> {
        let started = Instant::now();
        self.timer.as_mut().reset(started + times.response_header);
        let mut answer = pin!(self.sender.send_request(request));
        let (driver, timer) = (&mut self.driver, &mut self.timer);
        std::future::poll_fn(|cx| {
            // The driver first: it alone can bring the answer about.
            if let Some(driving) = driver
                && driving.as_mut().poll(cx).is_ready()
            {
                // The error, if any, has gone to the answer.
                *driver = None;
            }
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer.map_err(|error| blame(error, upload)));
            }
            loop {
                let (due, late) = deadline(started, upload, times);
                let now = Instant::now();
                if due <= now {
                    return Poll::Ready(Err(late));
                }
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                ready!(timer.as_mut().poll(cx));
            }
        })
        .await
    }

    /// Drives the connection in a task of its own, for as long as the returned guard is held. The connection
    /// cannot be used again.
    pub(super) fn detach(&mut self) -> Option<Detached> {
        let driver = self.driver.take()?;
        let task = tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to an upstream ended with an error");
            }
        });
        Some(Detached(task.abort_handle()))
    }

    /// Whether a connection in the pool can be used: young enough, open, and with nothing to read on it.
    fn is_usable(&mut self, limits: &ProxyLimits) -> bool {
        if self.idle_since.elapsed() >= limits.idle_timeout {
            return false;
        }
        let Some(driver) = &mut self.driver else { return false };
        let mut cx = Context::from_waker(Waker::noop());
        driver.as_mut().poll(&mut cx).is_pending() && self.sender.is_ready()
    }
}

/// A task that ends when this is dropped.
pub(super) struct Detached(tokio::task::AbortHandle);

impl Drop for Detached {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// When the wait for an answer is over, and whose fault it is then. A body that is on its way counts from
/// its last progress, for it may take as long as it likes as long as it gets on.
fn deadline(started: Instant, upload: Option<&UploadState>, times: &ProxyTimeouts) -> (Instant, ProxyError) {
    let (waiting, progress) = match upload {
        Some(upload) => upload.waiting(),
        None => (Waiting::Nobody, started),
    };
    match waiting {
        Waiting::Client => (progress + times.upload_idle, ProxyError::ClientTimeout(times.upload_idle)),
        Waiting::Upstream => {
            let late = ProxyError::UpstreamTimeout(Phase::Upload, times.upload_idle);
            (progress + times.upload_idle, late)
        }
        Waiting::Nobody => {
            let late = ProxyError::UpstreamTimeout(Phase::Response, times.response_header);
            (progress + times.response_header, late)
        }
    }
}

/// Whose fault an error is.
fn blame(error: hyper::Error, upload: Option<&UploadState>) -> ProxyError {
    match upload.and_then(UploadState::fault) {
        Some(Fault::Broken) => ProxyError::ClientBody,
        Some(Fault::TooLarge { limit_bytes }) => ProxyError::BodyTooLarge { limit_bytes },
        None if error.is_parse() => ProxyError::UpstreamResponse(error),
        None => ProxyError::UpstreamClosed(error),
    }
}

/// Closes idle connections that are dead or too old, and forgets upstreams that nobody uses any more.
async fn reap(pool: Weak<Pool>, every: std::time::Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        let hosts: Vec<_> =
            pool.hosts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for host in hosts {
            // Closed after the lock is released.
            let _dead: Vec<_> =
                host.idle().extract_if(.., |connection| !connection.is_usable(&pool.limits)).collect();
        }
        // A reload may have dropped an upstream; one that is idle now comes back when it is asked for.
        let mut hosts = pool.hosts.write().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, host| Arc::strong_count(host) > 1 || !host.idle().is_empty());
    }
}
