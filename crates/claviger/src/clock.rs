//! The wall clock, for the times that people state relative to now.

use claviger_authority::ports::{Clock, SystemClock};
use claviger_client::Timestamp;

/// Now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millisecond(SystemClock.now().millis()).unwrap_or_default()
}

/// An instant as it is printed.
#[must_use]
pub fn stamp(at: claviger_core::Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.millis()).unwrap_or_default()
}
