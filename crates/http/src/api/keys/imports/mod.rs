//! `/v1/keys/imports`, and `/v1/keys/import` for few keys

mod commit;
mod create;
mod delete;
mod read;
mod read_row;
mod rows;
mod short;
mod wire;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    let rows = OpenApiRouter::new()
        .routes(routes!(rows::stage))
        .routes(routes!(short::import))
        .layer(DefaultBodyLimit::max(wire::ROWS_BODY_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(read::read, delete::delete))
        .routes(routes!(commit::commit))
        .merge(rows)
}
