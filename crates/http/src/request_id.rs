//! The identifier of a request, which leads from an answer to the log and the history.

use std::cell::RefCell;
use std::fmt;

use claviger_authority::ports::Ports;
use http::header::{HeaderName, HeaderValue};

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// `req_` and 32 digits.
const TEXT_BYTES: usize = 36;
const PREFIX_BYTES: usize = 4;

/// Identifiers that a thread takes from the operating system at once. Asking for each would cost more than all else
/// about it; asked for like this, one costs a few dozen nanoseconds.
const BATCH: usize = 256;
const ID_BYTES: usize = 16;

/// 128 random bits, always our own, never one that a client sent. Nothing can be learnt from one about another:
/// neither how many requests were made in between, nor by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u128);

/// Random bytes that are not used yet.
struct Supply {
    bytes: [u8; BATCH * ID_BYTES],
    used: usize,
}

impl Supply {
    const fn empty() -> Self {
        Self { bytes: [0; BATCH * ID_BYTES], used: BATCH }
    }

    fn next(&mut self, ports: &Ports) -> u128 {
        if self.used == BATCH {
            ports.random.fill(&mut self.bytes);
            self.used = 0;
        }
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&self.bytes[self.used * ID_BYTES..][..ID_BYTES]);
        self.used += 1;
        u128::from_be_bytes(id)
    }
}

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn new(ports: &Ports) -> Self {
        thread_local! {
            static SUPPLY: RefCell<Supply> = const { RefCell::new(Supply::empty()) };
        }
        Self(SUPPLY.with_borrow_mut(|supply| supply.next(ports)))
    }

    /// As a header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.text()).unwrap_or(HeaderValue::from_static("req"))
    }

    fn text(&self) -> [u8; TEXT_BYTES] {
        let mut text = *b"req_00000000000000000000000000000000";
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_text_is_the_number() {
        let check = |id: u128, expect: &str| {
            assert_eq!(RequestId(id).to_string(), expect);
            assert_eq!(RequestId(id).header(), expect);
        };
        check(0, "req_00000000000000000000000000000000");
        check(0x0123_4567_89ab_cdef, "req_00000000000000000123456789abcdef");
        check(u128::MAX, "req_ffffffffffffffffffffffffffffffff");
    }

    #[test]
    fn every_bit_of_every_identifier_is_random() {
        let ports = Ports::system();
        let threads = (0..4).map(|_| {
            let ports = ports.clone();
            std::thread::spawn(move || (0..BATCH * 3).map(|_| RequestId::new(&ports).0).collect::<Vec<_>>())
        });
        let ids = threads.collect::<Vec<_>>().into_iter().flat_map(|thread| thread.join().unwrap());
        let ids = ids.collect::<Vec<_>>();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "none twice, on any thread");
        // Of 3,072 fair bits, fewer than 1,200 are set once in 10^33 times; the same of differences, which a
        // counter would give away.
        let differences = ids.windows(2).map(|pair| pair[0] ^ pair[1]).collect::<Vec<_>>();
        for numbers in [&ids, &differences] {
            for bit in 0..128 {
                let set = numbers.iter().filter(|number| **number >> bit & 1 == 1).count();
                assert!((1_200..=1_872).contains(&set), "bit {bit}: {set} of {}", numbers.len());
            }
        }
    }
}
