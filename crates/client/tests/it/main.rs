//! The client against a real authority, and against stand-ins for what a real one does not do on demand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authority;
mod coverage;
mod example;
mod failures;
mod layer;
mod operations;
mod presenting;
mod support;
mod tls;
