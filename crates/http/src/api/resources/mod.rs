//! `/v1/resources`

mod delete;
mod list;
mod put;
mod read;
mod wire;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    let one = OpenApiRouter::new()
        .routes(routes!(read::read, put::put, delete::delete))
        .layer(DefaultBodyLimit::max(wire::RESOURCE_BODY_BYTES_MAX));
    OpenApiRouter::new().routes(routes!(list::list)).merge(one)
}
