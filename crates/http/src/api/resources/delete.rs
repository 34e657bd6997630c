//! `DELETE /v1/resources/{reference}`

use axum::Json;
use axum::extract::State;

use crate::condition::Condition;
use crate::extract::{By, NamedResource};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Deleted;

/// Forget a resource
///
/// Its keys go with it: one that is described later under the same name does not bring them back.
#[utoipa::path(
    delete, path = "/v1/resources/{reference}", operation_id = "delete_resource", tag = "resources",
    params(
        ("reference" = String, Path, description = "The resource: `type:id`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The resource and its keys are gone", body = Deleted),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    By(caller): By,
    NamedResource(reference): NamedResource,
    condition: Condition,
) -> Result<Json<Deleted>, Problem> {
    let changed = state.authority.delete_resource(&caller, reference.clone(), condition).await?;
    Ok(Json(Deleted::of(reference, &changed.change)))
}
