//! How slowly a client may send a body: else a byte now and then would hold a connection, and a descriptor, for
//! weeks.

use std::time::Duration;

/// A least speed that holds on average, after some time in which everything may be slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastSpeed {
    /// Time that does not count: a lost packet, a slow start.
    pub grace: Duration,
    /// Bytes for each second that is waited after that; 0 for no least speed.
    pub bytes_per_second: u32,
}

/// What holds unless a route says otherwise. Modems were faster; a phone at the edge of its network is.
pub const LEAST_SPEED: LeastSpeed = LeastSpeed { grace: Duration::from_secs(10), bytes_per_second: 1024 };

/// As long as nobody waits.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

impl LeastSpeed {
    /// How long it may have taken in all for so many bytes to come.
    #[must_use]
    pub fn patience(self, received_bytes: u64) -> Duration {
        match u64::from(self.bytes_per_second) {
            0 => FOR_EVER,
            speed => {
                let millis = received_bytes.saturating_mul(1_000) / speed;
                self.grace.saturating_add(Duration::from_millis(millis)).min(FOR_EVER)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_what_has_come() {
        let check = |bytes, millis| assert_eq!(LEAST_SPEED.patience(bytes).as_millis(), millis, "{bytes}");
        check(0, 10_000);
        check(512, 10_500);
        check(1 << 20, 1_034_000);
        check(u64::MAX, FOR_EVER.as_millis());
        let any = LeastSpeed { bytes_per_second: 0, ..LEAST_SPEED };
        assert_eq!(any.patience(0), FOR_EVER);
    }
}
