//! `/v1/accounts`

mod create;
mod delete;
mod list;
mod put;
mod read;
mod update;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list::list, create::create)).routes(routes!(
        read::read,
        put::put,
        update::update,
        delete::delete
    ))
}
