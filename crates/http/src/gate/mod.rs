//! The gateway: which request maps to which target, who may pass, and how it is passed on.
//!
//! ```text
//! bytes -> check_request -> Route -> Credential -> decide -> identity headers -> Proxy
//! ```
//!
//! The decision ([`Gate::decide`]) knows nothing of the proxy, so that forward-auth can make the same one.

pub mod config;
pub mod cors;
pub mod forward_auth;
mod host;
mod identity;
mod passage;
pub mod pattern;
pub mod proxy;
mod route;
mod service;
mod spelling;

pub use config::{RouteConfig, RouteConfigError};
pub use route::{Found, Route, Routes};
pub use service::{Gate, GatewayService};
