//! The one way to read the index.
//!
//! A reader looks up and *then* asks whether what it saw may still be trusted. The order matters: an answer
//! that was trusted before the look-up says nothing about what the look-up found.

use claviger_store::Lost;

use crate::authority::Authority;
use crate::error::{Error, Result};
use crate::index::View;

/// What this node has in memory may lack a committed change, so nothing may be decided by it: 503, never 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node may lack a committed change")]
pub struct NotFresh;

impl Authority {
    /// Looks something up in the index, and returns it if the view may still be trusted *after* the look-up.
    /// Nothing is waited for and nothing is allocated.
    ///
    /// # Errors
    /// [`NotFresh`]: whatever was looked up is dropped. Those who can wait go on with
    /// [`Authority::read_or_wait`], or call [`Authority::renewed`] and try again.
    pub fn read<R>(&self, look: impl FnOnce(&View<'_>) -> R) -> Result<R, NotFresh> {
        let view = self.shared.index.view();
        let found = look(&view);
        self.check_freshness()?;
        Ok(found)
    }

    /// The same for those who can wait until the node is up to date again.
    ///
    /// # Errors
    /// [`NotFresh`] if it cannot be had in time.
    pub async fn read_or_wait<R>(&self, look: impl Fn(&View<'_>) -> R) -> Result<R, NotFresh> {
        loop {
            match self.read(&look) {
                Ok(found) => return Ok(found),
                Err(NotFresh) => self.renewed().await?,
            }
        }
    }

    /// Whether what was seen of the index up to now may be trusted: the writer is alive, and whatever it
    /// committed was applied. Every way to a verdict asks here, after its look-up.
    ///
    /// # Errors
    /// [`NotFresh`].
    pub fn check_freshness(&self) -> Result<(), NotFresh> {
        if self.shared.health.is_healthy() { Ok(()) } else { Err(NotFresh) }
    }

    /// Waits until the index may be trusted again. A node with a store of its own never recovers by itself: a
    /// writer that was lost stays lost until the next start, so there is nothing to wait for.
    ///
    /// # Errors
    /// [`NotFresh`] if that does not happen in time.
    #[expect(clippy::unused_async, reason = "with many nodes this waits for the renewal under way")]
    pub async fn renewed(&self) -> Result<(), NotFresh> {
        self.check_freshness()
    }

    /// Waits until this node cannot be trusted any more because something failed, and returns what. The
    /// process ends then: only a new start, which loads everything again, helps. It never returns for an
    /// authority that was closed on purpose.
    pub async fn failed(&self) -> String {
        match self.shared.health.when_lost().await {
            Lost::Failed(reason) => reason.to_string(),
            Lost::Closed => std::future::pending().await,
        }
    }

    /// How many keys there are, expired and disabled ones included.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.shared.index.key_count()
    }

    /// The number of the last change in force.
    #[must_use]
    pub fn changes_applied(&self) -> u64 {
        self.shared.index.applied().0
    }
}

impl From<NotFresh> for Error {
    fn from(_: NotFresh) -> Self {
        Self::NotFresh
    }
}
