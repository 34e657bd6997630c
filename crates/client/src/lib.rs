//! The Rust client of Claviger, and a tower layer that guards a service with it.
//!
//! # Calling an authority
//!
//! ```no_run
//! use claviger_client::{Client, NewKey, Secret, Verify};
//!
//! # async fn example() -> claviger_client::Result<()> {
//! let key = Secret::new(std::env::var("CLAVIGER_KEY").unwrap_or_default());
//! let client = Client::builder("https://keys.example.org").key(key).build()?;
//!
//! let created = client.keys().create(&NewKey::new("CI runner", "project:proj_…")).await?;
//! let verdict = client.verify(&Verify::new(created.secret).action("run:create")).await?;
//! assert!(verdict.valid);
//!
//! let disabled = client.keys().disable(&created.key.id).await?;
//! // From here on no node accepts it.
//! assert_eq!(disabled.revocation.map(|revocation| revocation.state).as_deref(), Some("complete"));
//! # Ok(())
//! # }
//! ```
//!
//! - Every operation of the API has a method. Listings are [`Pages`].
//! - Every attempt has a time-out. What only asks, says how things are (PUT) or has an idempotency key is sent once
//!   more if the connection broke; any other change never is.
//! - Where the authority asks for a pause (`Retry-After`), the client takes it, within a bound.
//! - Errors carry the authority's [`Problem`] with its stable code and the request id that leads to its log.
//! - A key is a [`Secret`], which prints nothing. It is not sent over plain HTTP to another machine unless
//!   [`Builder::allow_plain_http`] says so, and no redirect is followed.
//!
//! `docs/CLIENT.md` tells more.
//!
//! # Guarding a service
//!
//! [`VerifyLayer`] goes around any tower service: axum, tonic, or hyper itself. `examples/axum_service.rs` is a
//! whole program.
//!
//! ```
//! use axum::{Extension, Router, routing::get};
//! use claviger_client::{Client, Verified, VerifyLayer};
//!
//! # fn example() -> claviger_client::Result<Router> {
//! async fn hello(Extension(caller): Extension<Verified>) -> String {
//!     format!("Hello, {}\n", caller.subject)
//! }
//!
//! let client = Client::builder("http://127.0.0.1:8400").key("ck_…a key with key:verify…").build();
//! # let client = Client::builder("http://127.0.0.1:8400").key("ck_x").build();
//! let app: Router = Router::new().route("/hello", get(hello)).layer(VerifyLayer::new(client?));
//! # Ok(app)
//! # }
//! # example().unwrap();
//! ```
//!
//! # Features
//!
//! - `tls` (on by default): `https://`, with rustls and the root certificates of the machine.
//! - `embedded`: a verifier over an authority in this very process, which answers from memory.

mod accounts;
mod address;
mod changes;
mod connect;
mod credential;
#[cfg(feature = "embedded")]
mod embedded;
mod error;
mod expiry;
mod groups;
mod history;
mod import;
mod keys;
mod layer;
mod leaks;
mod page;
mod projects;
mod refusal;
mod resources;
mod secret;
mod teams;
mod transport;
mod usage;
mod verifier;
mod verify;

pub use accounts::{Account, AccountFilter, AccountPatch, Accounts, NewAccount, PutAccount};
pub use changes::{Changed, Gone, Revocation, Revoked};
pub use credential::Slots;
#[cfg(feature = "embedded")]
pub use embedded::Embedded;
pub use error::{Error, Problem, Result};
pub use groups::{GroupPatch, Member};
pub use history::{History, HistoryFilter, HistoryRow, NewHistoryRow};
pub use import::{ImportOptions, ImportOutcome, ImportProgress, ImportRow, Imported};
/// An instant, as RFC 3339 on the wire.
pub use jiff::Timestamp;
pub use keys::{
    CreatedKey, Key, KeyFilter, KeyPatch, Keys, Kind, NewKey, Quota, Rate, Restrictions, Revoke, Rotation,
    Status,
};
pub use layer::{Asked, Verified, VerifyLayer, VerifyService};
pub use leaks::{Leak, LeakOutcome};
pub use page::{Page, Pages};
pub use projects::{NewProject, Project, ProjectFilter, Projects};
pub use resources::{
    Difference, ListedResource, Reconcile, Reconciled, Resource, ResourceDescription, ResourceFilter,
    ResourceVersion, Resources,
};
pub use secret::Secret;
pub use teams::{NewTeam, Team, TeamFilter, Teams};
pub use transport::{Builder, Client};
pub use usage::{Usage, UsageFilter, UsageStep};
pub use verifier::{Unverified, Verifier};
pub use verify::{BATCH_MAX, Grants, Reason, Verdict, Verify, VerifyOwn, Whoami};
