//! `/v1/whoami`

mod delete_key;
mod read;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(read::read)).routes(routes!(delete_key::delete_key))
}
