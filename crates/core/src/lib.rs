//! The domain of Claviger: what a key is and who may do what.
//!
//! Nothing in this crate does I/O, reads a clock or makes randomness of its own: instants and random
//! bytes are arguments. The way of a request through the house is one line:
//!
//! ```text
//! bytes -> Credential -> Digest -> index entry -> decide -> Verdict -> answer
//! ```
//!
//! Start with [`decide`], which says who may do what, and [`key`], which says what a key is.

pub mod address;
pub mod change;
pub mod clock;
pub mod decide;
pub mod email;
pub mod history;
pub mod id;
pub mod key;
pub mod lifecycle;
pub mod limit;
pub mod name;
pub mod permit;
pub mod principal;
pub mod quota;
pub mod rate;
pub mod resource;
pub mod restriction;
pub mod revocation;
pub mod scope;
pub mod selector;
mod short;
pub mod subject;
pub mod time;

pub use id::{AccountId, KeyId, ProjectId, TeamId};
pub use subject::{Kind, Subject};
pub use time::{Timestamp, UnixSeconds};
