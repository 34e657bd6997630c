//! `/v1/resources`

mod delete;
mod list;
mod put;
mod read;
mod reconcile;
mod wire;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    let one = OpenApiRouter::new()
        .routes(routes!(read::read, put::put, delete::delete))
        .layer(DefaultBodyLimit::max(wire::RESOURCE_BODY_BYTES_MAX));
    let all = OpenApiRouter::new()
        .routes(routes!(list::list, reconcile::reconcile))
        .layer(DefaultBodyLimit::max(wire::LIST_BODY_BYTES_MAX));
    all.merge(one)
}
