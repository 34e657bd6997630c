//! The program as its users have it: a process of its own, asked over real sockets by curl, npm, node, and
//! a client that can send what none of them would.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod browsers;
mod canary;
mod chromium;
mod crash;
mod demo;
mod descriptors;
mod first_start;
mod forward_auth;
mod full_disk;
mod guarded;
mod hidden;
mod hosted;
mod identity;
mod main_road;
mod peers;
mod playground;
mod presenting;
mod record;
mod runs;
mod signals;
mod upstream;

/// The program that is tested.
const PROGRAM: &str = env!("CARGO_BIN_EXE_claviger");
