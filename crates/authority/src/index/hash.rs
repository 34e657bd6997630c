//! The hash of what is random already.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes what is uniform already: identifiers that we made ourselves from random bits. The
/// names of resources come from outside and get the standard library's keyed hash instead.
pub(super) type Uniform = BuildHasherDefault<UniformHasher>;

/// Folds the words that it is given. See [`Uniform`].
#[derive(Default)]
pub(super) struct UniformHasher(u64);

impl Hasher for UniformHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = self.0.rotate_left(29) ^ word;
    }
}
