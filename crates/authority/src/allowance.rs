//! How much each tenant may make that is stored for long: rows of the history that it reports, and changes that add
//! records and rows. What takes rights away is never held back, and neither is anything that operators do.
//!
//! The pace is that of a [rate](claviger_core::rate), for several at once and by the uptime, which no clock alters.
//! Nothing of it is written down: after a restart everybody begins afresh.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use claviger_core::limit::{
    CHANGES_BURST_MIN, CHANGES_PER_SECOND, REPORTED_ROWS_BURST, REPORTED_ROWS_PER_SECOND,
};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::{Error, Result};
use crate::tenant::Tenant;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Made {
    /// Rows of the history that somebody reports.
    ReportedRows,
    /// Changes, each with what it adds; one for each key of an import.
    Changes,
}

/// So many at once, and so many each second after that.
#[derive(Debug, Clone, Copy)]
struct Pace {
    burst: u64,
    per_second: u64,
}

/// For each tenant the uptime, in nanoseconds, at which everything is there again.
#[derive(Default)]
pub(crate) struct Allowances(Mutex<HashMap<(Tenant, Made), u64>>);

/// What was taken of an allowance. Dropping it gives back what was not made.
#[must_use]
pub(crate) struct Taken<'a> {
    authority: &'a Authority,
    /// None for operators, and for callers that are nobody, whom the decision refuses.
    of: Option<(Tenant, Made)>,
    pace: Pace,
    count: u64,
}

impl Pace {
    fn nanos(self, count: u64) -> u64 {
        count.saturating_mul(NANOS_PER_SECOND / self.per_second)
    }

    /// What is due after so many more, or how long to wait for them.
    fn take(self, due: u64, count: u64, now: u64) -> Result<u64, Duration> {
        let next = due.max(now).saturating_add(self.nanos(count));
        match (next - now).checked_sub(self.nanos(self.burst)) {
            None | Some(0) => Ok(next),
            Some(over) => Err(Duration::from_nanos(over)),
        }
    }
}

impl Allowances {
    /// Drops what says no more than nothing would.
    pub(crate) fn sweep(&self, uptime: Duration) {
        let now = nanos(uptime);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, due| *due > now);
    }
}

impl Taken<'_> {
    /// So many were made: they are not given back.
    pub(crate) fn spend(mut self, count: u64) {
        self.count = self.count.saturating_sub(count);
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Some(of) = self.of.filter(|_| self.count > 0) else { return };
        let mut dues = self.authority.shared.allowances.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = dues.get_mut(&of) {
            *due = due.saturating_sub(self.pace.nanos(self.count));
        }
    }
}

impl Authority {
    /// Takes so many of what the caller's tenant may make for now, all or none.
    ///
    /// # Errors
    /// [`Error::TooFast`], with how long to wait.
    pub(crate) async fn allowance(&self, caller: &Caller, made: Made, count: u64) -> Result<Taken<'_>> {
        let pace = self.pace(made);
        let tenant = self.tenant(caller).await?.filter(|tenant| *tenant != Tenant::Operator);
        let Some(of) = tenant.map(|tenant| (tenant, made)) else {
            return Ok(Taken { authority: self, of: None, pace, count });
        };
        let now = nanos(self.ports().clock.uptime());
        let mut dues = self.shared.allowances.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = dues.entry(of).or_default();
        *due = pace.take(*due, count, now).map_err(|retry_after| Error::TooFast { retry_after })?;
        Ok(Taken { authority: self, of: Some(of), pace, count })
    }

    fn pace(&self, made: Made) -> Pace {
        match made {
            Made::ReportedRows => Pace { burst: REPORTED_ROWS_BURST, per_second: REPORTED_ROWS_PER_SECOND },
            Made::Changes => {
                // Twice as many keys as one subject may have: enough to make all of them and replace each at once.
                let burst = u64::from(self.settings().keys_per_subject_max) * 2;
                Pace { burst: burst.max(CHANGES_BURST_MIN), per_second: CHANGES_PER_SECOND }
            }
        }
    }
}

fn nanos(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_at_once_and_then_an_even_pace() {
        let pace = Pace { burst: 10, per_second: 2 };
        let second = NANOS_PER_SECOND;
        let due = pace.take(0, 7, 100 * second).unwrap();
        assert_eq!(pace.take(due, 4, 100 * second), Err(Duration::from_millis(500)), "all or none");
        let due = pace.take(due, 3, 100 * second).unwrap();
        assert_eq!(pace.take(due, 1, 100 * second), Err(Duration::from_millis(500)));
        assert_eq!(pace.take(due, 1, 100 * second + second / 2), Ok(due + second / 2));
        assert_eq!(pace.take(due, 10, 105 * second), Ok(110 * second), "everything is there again");
    }
}
