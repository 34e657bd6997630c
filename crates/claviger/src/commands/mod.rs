//! One file per command.

pub mod backup;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod history;
pub mod keys;
mod listing;
pub mod man;
pub mod operator;
mod question;
pub mod restore;
pub mod serve;
pub mod verify;
pub mod whoami;
