//! What the end-to-end tests share: the program as a process of its own, a client that can also send what
//! no well-behaved client would, and chance that can be repeated.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test that called it")]

pub mod chance;
pub mod client;
pub mod key;
pub mod process;
pub mod program;

pub use chance::Chance;
pub use client::{Answer, Client, basic};
pub use key::checksum;
pub use process::Process;
pub use program::{Demo, PORTS, Serve};
pub use tempfile::TempDir;

/// A folder of its own, removed at the end.
#[must_use]
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("claviger-test-").tempdir().expect("a temporary folder")
}
