//! The decision as tables that a person can read line by line, and the rules that hold over all of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod matrix;
mod rules;
mod versions;
mod world;
