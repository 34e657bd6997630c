//! The HTTP edge of Claviger: the REST API and the gateway.

pub mod admin;
pub mod api;
pub mod client;
pub mod condition;
pub mod credential;
pub mod extract;
pub mod gate;
mod least_speed;
pub mod metrics;
pub mod problem;
mod rate;
pub mod references;
pub mod request_id;
pub mod serve;
pub mod state;
pub mod wire;

pub use least_speed::{LEAST_SPEED, LeastSpeed};
