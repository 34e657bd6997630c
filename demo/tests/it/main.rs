//! Drives the real application over HTTP, with a stand-in authority that records what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod binary;
mod conat;
mod download;
mod embed;
mod harness;
mod internal;
mod mirror;
mod refusals;
mod runs;
mod samples;
