//! `GET /v1/resources/{reference}`

use axum::Json;
use axum::extract::State;

use super::wire::ResourceAnswer;
use crate::condition::Tagged;
use crate::extract::{By, NamedResource};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;

/// Show a resource
///
/// For operators, and for those who read it. `versions` is for those who administer it.
#[utoipa::path(
    get, path = "/v1/resources/{reference}", operation_id = "read_resource", tag = "resources",
    params(("reference" = String, Path, description = "The resource: `type:id`")),
    responses(
        (status = 200, description = "What is known of the resource", body = ResourceAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    NamedResource(reference): NamedResource,
) -> Result<Tagged<Json<ResourceAnswer>>, Problem> {
    let (record, administers) = state.authority.resource(&caller, reference).await?;
    let answer = if administers { ResourceAnswer::whole(&record) } else { ResourceAnswer::brief(&record) };
    Ok(Tagged(record.revision, Json(answer)))
}
