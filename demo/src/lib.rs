//! A sample application as a customer would write it, to stand behind the gateway.
//!
//! It serves notebooks (as ES modules, npm packages and embeddable pages), samples and project runs. It has no
//! sign-in, no keys and no access rules of its own: the gateway has decided before a request arrives, and its
//! `X-Claviger-*` headers say who asks and which resource, at which version, to serve. Whoever can reach the
//! application could send such headers, too; hence it binds to loopback only.
//!
//! All else that it knows of Claviger is the Rust client: with it, it mirrors what it holds to the authority at
//! [`start`], guards the addresses of those who operate the site, which no gateway stands before, and reports the
//! runs that the site starts by itself.

mod app;
mod catalog;
mod config;
mod content;
mod html;
mod identity;
mod mirror;
mod problem;
mod routes;

pub use app::{App, StartError, start};
pub use catalog::{CATALOG, Catalog};
pub use config::{Config, ConfigError, EMAILS, Emails, Observer, People, Projects};
pub use mirror::MirrorError;
