//! The use cases against a real store, with a clock that the tests move and randomness from a seed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admit;
mod history;
mod idempotency;
mod imports;
mod jobs;
mod limits;
mod recovery;
mod revoke;
mod roles;
mod rotate;
mod support;
mod usage;
