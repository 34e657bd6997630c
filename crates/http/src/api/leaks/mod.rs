//! `/v1/leaks`

mod github;
mod report;

pub use github::{GithubKey, GithubKeyError};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(report::report))
}
