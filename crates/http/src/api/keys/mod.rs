//! `/v1/keys`

mod create;
mod delete;
mod imports;
mod list;
mod read;
mod revoke;
mod rotate;
mod update;
pub(super) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(read::read, update::update, delete::delete))
        .routes(routes!(rotate::rotate))
        .routes(routes!(revoke::revoke))
        .merge(imports::router())
}
