//! The command line: the real program, against a real authority and against one with fixed answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixed;
mod help;
mod installation;
mod life;
mod mistakes;
mod outputs;
mod reload;
mod support;
