//! What every store does, whatever it stands on. Only `files` knows that it is SQLite here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
mod files;
mod history;
mod imports;
mod journal;
mod keys;
mod migrations;
mod once;
mod order;
mod permits;
mod resources;
mod restore;
mod subjects;
mod support;
mod usage;
