//! The use cases against a real store, with a clock that the tests move and randomness from a seed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod absent;
mod admit;
mod clock;
mod disk;
mod dropped;
mod external_ids;
mod history;
mod idempotency;
mod imports;
mod jobs;
mod leaks;
mod limits;
mod races;
mod recovery;
mod revoke;
mod rights;
mod roles;
mod rotate;
mod support;
mod usage;
