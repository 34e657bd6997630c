//! The stages of a server's life, as its connections see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Where the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Serving,
    Draining,
    Cut,
}

/// The stage, those who wait for the next, and the count of what is still open.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    stage: Arc<AtomicU8>,
    draining: CancellationToken,
    cut: CancellationToken,
    tracker: TaskTracker,
}

impl Stages {
    pub(super) fn new() -> Self {
        Self {
            stage: Arc::new(AtomicU8::new(Stage::Serving as u8)),
            draining: CancellationToken::new(),
            cut: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// The present stage: one load, so that a connection can ask at every poll.
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Serving,
            1 => Stage::Draining,
            _ => Stage::Cut,
        }
    }

    pub(super) fn drain(&self) {
        self.enter(Stage::Draining, &self.draining);
    }

    pub(super) fn cut(&self) {
        self.enter(Stage::Cut, &self.cut);
    }

    pub(super) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    pub(super) fn cutting(&self) -> &CancellationToken {
        &self.cut
    }

    /// Waits until everything that was spawned or holds a token has ended.
    pub(super) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    pub(super) fn open(&self) -> usize {
        self.tracker.len()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Keeps the server alive for as long as it is held.
    pub(super) fn token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    fn enter(&self, stage: Stage, token: &CancellationToken) {
        // The stage comes first: whoever the token wakes has to see it.
        self.stage.store(stage as u8, Ordering::Release);
        token.cancel();
    }
}
