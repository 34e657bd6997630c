//! `/v1/verify`

mod batch;
mod create;
mod read;
mod wire;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    let batch = OpenApiRouter::new()
        .routes(routes!(batch::batch))
        .layer(DefaultBodyLimit::max(wire::BATCH_BODY_BYTES_MAX));
    OpenApiRouter::new().routes(routes!(read::read, create::create)).merge(batch)
}
