//! Whether changes can be made: tried, not assumed.

use std::time::Duration;

use claviger_store::Obstacle;
use tokio::sync::Mutex;

use crate::authority::Authority;

/// An attempt is as good as a new one for this long: it costs two syncs of the disk.
const TRIAL_VALID: Duration = Duration::from_secs(5);
/// How long an attempt may take until changes are held to be impossible.
const TRIAL_PATIENCE: Duration = Duration::from_secs(2);

/// The latest attempt: at which uptime, and what was in the way.
#[derive(Default)]
pub(crate) struct Trials(Mutex<Option<(Duration, Option<Obstacle>)>>);

impl Authority {
    /// Tries whether a change could be made, with a write to the database and to the journal, and returns what is in
    /// the way. At most every few seconds; in between, what the latest attempt or the latest change came to.
    pub async fn try_changes(&self) -> Option<Obstacle> {
        let mut latest = self.shared.trials.0.lock().await;
        let uptime = self.shared.ports.clock.uptime();
        if let Some((at, found)) = &*latest
            && uptime.saturating_sub(*at) < TRIAL_VALID
        {
            return found.clone().or_else(|| self.obstacle());
        }
        let tried = tokio::time::timeout(TRIAL_PATIENCE, self.shared.store.try_writing()).await;
        let found = match tried {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(self.obstacle().unwrap_or_else(|| of_store("the store is closed"))),
            Err(_) => Some(of_store("it does not answer")),
        };
        *latest = Some((uptime, found.clone()));
        found
    }

    /// What keeps changes from being made, as far as it is known without trying.
    #[must_use]
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.shared.store.obstacle()
    }
}

fn of_store(reason: &str) -> Obstacle {
    Obstacle { part: "database", reason: reason.to_owned() }
}
