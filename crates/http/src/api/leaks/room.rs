//! Room for large bodies that need no credential: without a limit, a few dozen connections would fill the memory.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::api::network::network_of;

/// Large bodies read at once, of everybody together.
const AT_ONCE_MAX: usize = 4;
/// How long a report waits for room.
const WAIT: Duration = Duration::from_secs(10);

/// Whose large bodies are being read. Clones are the same.
#[derive(Clone, Default)]
pub(in super::super) struct LargeBodies(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// One for each network at a time, so that nobody takes all the room.
    reading: Mutex<HashSet<Option<IpAddr>>>,
    released: Notify,
}

/// Room for one body, given back when this is dropped.
pub(super) struct Room(Arc<Shared>, Option<IpAddr>);

impl LargeBodies {
    /// Waits for room for a body from this address; none if there was none for too long.
    pub(super) async fn room(&self, address: Option<IpAddr>) -> Option<Room> {
        let network = address.map(network_of);
        let waiting = async {
            loop {
                let released = self.0.released.notified();
                let mut released = std::pin::pin!(released);
                // Before looking: what is released in between is not missed.
                released.as_mut().enable();
                if self.take(network) {
                    return Room(Arc::clone(&self.0), network);
                }
                released.await;
            }
        };
        tokio::time::timeout(WAIT, waiting).await.ok()
    }

    fn take(&self, network: Option<IpAddr>) -> bool {
        let mut reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.len() < AT_ONCE_MAX && reading.insert(network)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
        self.0.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn four_at_once_and_one_of_each() {
        let bodies = LargeBodies::default();
        let first = bodies.room(address("192.0.2.1")).await.unwrap();
        assert!(bodies.room(address("::ffff:192.0.2.1")).await.is_none(), "a second one from there");
        let _second = bodies.room(address("2001:db8::1")).await.unwrap();
        assert!(bodies.room(address("2001:db8::ffff:1")).await.is_none(), "the same network");
        let _third = bodies.room(address("2001:db8:0:1::1")).await.unwrap();
        let _fourth = bodies.room(None).await.unwrap();
        assert!(bodies.room(address("192.0.2.2")).await.is_none(), "a fifth one");
        let waiting = tokio::spawn({
            let bodies = bodies.clone();
            async move { bodies.room(address("192.0.2.2")).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap(), "as soon as there is room");
    }
}
