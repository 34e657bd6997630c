//! The REST API, from the request to the answer, on a store of its own for each test.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod accounts;
mod app;
mod codes;
mod conditions;
mod credentials;
mod denials;
mod described;
mod documents;
mod doors;
mod echoes;
mod external_ids;
mod groups;
mod health;
mod hidden;
mod history;
mod input;
mod keys;
mod left;
mod limits;
mod pages;
mod playground;
mod reconcile;
mod repeats;
mod resources;
mod secrets;
mod unseen;
mod verify;
mod world;
