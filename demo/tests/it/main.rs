//! Drives the real application over HTTP, with a stand-in authority that only records what is mirrored.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binary;
mod conat;
mod download;
mod embed;
mod harness;
mod mirror;
mod refusals;
mod runs;
mod samples;
