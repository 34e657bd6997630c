//! The REST API, from the request to the answer, on a store of its own for each test.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod accounts;
mod app;
mod credentials;
mod denials;
mod documents;
mod groups;
mod health;
mod hidden;
mod history;
mod input;
mod keys;
mod reconcile;
mod resources;
mod secrets;
mod verify;
mod world;
