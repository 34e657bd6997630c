//! The client against a real authority, and against stand-ins for what a real one does not do on demand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authority;
mod failures;
mod layer;
mod support;
