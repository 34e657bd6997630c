//! Whether what was committed is also what readers of the index see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// The health of the one thread that writes. While it is healthy, every committed change reaches the index
/// before its caller gets an answer. It never recovers: once it is lost, nothing that is read from the index
/// may be trusted, and only a new start, which loads everything again, helps.
///
/// Clones are the same health. Asking costs one load of a flag.
#[derive(Debug, Clone)]
pub struct WriterHealth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The flag that readers look at, apart from the reason, so that they never wait.
    healthy: AtomicBool,
    lost: watch::Sender<Option<Lost>>,
}

/// Why the writer is not healthy any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The store was closed on purpose.
    Closed,
    /// Something failed that must not fail; what, for the log.
    Failed(Arc<str>),
}

impl Default for WriterHealth {
    fn default() -> Self {
        Self(Arc::new(Inner { healthy: AtomicBool::new(true), lost: watch::Sender::new(None) }))
    }
}

impl WriterHealth {
    /// Whether everything committed was applied and the writer can go on.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.0.healthy.load(Ordering::Acquire)
    }

    /// Marks the writer as failed. The first reason is kept.
    pub fn fail(&self, reason: impl Into<Arc<str>>) {
        self.lose(Lost::Failed(reason.into()));
    }

    /// Marks the store as closed: another process may open and change it from now on.
    pub fn close(&self) {
        self.lose(Lost::Closed);
    }

    fn lose(&self, why: Lost) {
        self.0.healthy.store(false, Ordering::Release);
        self.0.lost.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(why);
            }
            first
        });
    }

    /// Why the writer is not healthy, if it is not.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        self.0.lost.borrow().clone()
    }

    /// Waits until the writer is lost, and returns why.
    pub async fn when_lost(&self) -> Lost {
        let mut lost = self.0.lost.subscribe();
        // The sender lives in `self`, so waiting ends with a reason only.
        match lost.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Lost::Closed),
            Err(_) => Lost::Closed,
        }
    }

    /// Marks the writer as failed if the scope that holds the guard is left by a panic.
    #[must_use]
    pub fn guard(&self, doing: &'static str) -> HealthGuard<'_> {
        HealthGuard { health: self, doing }
    }
}

/// See [`WriterHealth::guard`].
#[derive(Debug)]
pub struct HealthGuard<'h> {
    health: &'h WriterHealth,
    doing: &'static str,
}

impl Drop for HealthGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.fail(format!("a panic while {}", self.doing));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_is_kept() {
        let health = WriterHealth::default();
        let seen = health.clone();
        assert!(seen.is_healthy() && seen.lost().is_none());
        health.fail("a");
        health.fail("b");
        health.close();
        assert!(!seen.is_healthy());
        assert_eq!(seen.when_lost().await, Lost::Failed("a".into()));
    }

    #[test]
    fn a_panic_is_noticed_before_the_scope_is_left() {
        let health = WriterHealth::default();
        let inside = health.clone();
        drop(health.guard("nothing"));
        assert!(health.is_healthy());
        let outcome = std::panic::catch_unwind(move || {
            let _guard = inside.guard("applying a change");
            panic!("on purpose");
        });
        assert!(outcome.is_err());
        assert_eq!(health.lost(), Some(Lost::Failed("a panic while applying a change".into())));
    }
}
