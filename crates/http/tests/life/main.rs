//! The life of keys over HTTP: rotation, revocation, repeats, use, rates, history and imports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod forward_auth;
mod front;
mod gateway;
mod house;
mod imports;
mod keys;
mod rates;
mod reading;
mod records;
