//! The identifier of a request, which leads from an answer to the log and the history.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_authority::ports::Ports;
use http::header::{HeaderName, HeaderValue};

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// `req_` and 16 digits.
const TEXT_BYTES: usize = 20;
const PREFIX_BYTES: usize = 4;

/// The odd constant of SplitMix64: its multiples visit every number once.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// 64 bits, different for each request of a process: always our own, never one that a client sent. It is no
/// secret, so the operating system is asked for randomness once and not for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn new(ports: &Ports) -> Self {
        static SEED: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let seed = *SEED.get_or_init(|| u64::from_be_bytes(ports.bytes()));
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Every step is invertible, so no two counts give the same.
        let mut mixed = seed.wrapping_add(count.wrapping_mul(STEP));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }

    /// As a header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.text()).unwrap_or(HeaderValue::from_static("req"))
    }

    fn text(&self) -> [u8; TEXT_BYTES] {
        let mut text = *b"req_0000000000000000";
        let mut rest = self.0;
        for digit in text[PREFIX_BYTES..].iter_mut().rev() {
            *digit = b"0123456789abcdef"[(rest & 15) as usize];
            rest >>= 4;
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_number() {
        let check = |id: u64, expect: &str| {
            assert_eq!(RequestId(id).to_string(), expect);
            assert_eq!(RequestId(id).header(), expect);
        };
        check(0, "req_0000000000000000");
        check(0x0123_4567_89ab_cdef, "req_0123456789abcdef");
        check(u64::MAX, "req_ffffffffffffffff");
    }
}
