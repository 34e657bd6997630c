//! `/v1/leaks`

mod github;
mod report;
mod room;

pub use github::{GithubKey, GithubKeyError};
pub(super) use room::LargeBodies;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// Where leaks are reported.
pub(super) const PATH: &str = "/v1/leaks";

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(report::report))
}
