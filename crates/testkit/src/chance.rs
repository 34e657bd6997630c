//! Chance that can be repeated.

use std::hash::{BuildHasher as _, RandomState};

/// The variable that repeats a run.
const SEED_VARIABLE: &str = "CLAVIGER_TEST_SEED";

/// A stream of numbers that its seed determines (SplitMix64: Steele, Lea and Flood, 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// A stream from `CLAVIGER_TEST_SEED`, or from the system's randomness; the seed is told, so that a run
    /// that failed can be repeated.
    #[must_use]
    pub fn told(test: &str) -> Self {
        let chosen = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
        let seed = chosen.unwrap_or_else(|| RandomState::new().hash_one(test));
        eprintln!("{test}: {SEED_VARIABLE}={seed}");
        Self(seed)
    }

    /// A stream that this seed determines.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not 0. The bias is of no account here.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// A stream of its own for somebody else.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut chance = Chance::of(seed);
            [chance.number(), chance.below(10), chance.split().number()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
