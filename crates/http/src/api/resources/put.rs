//! `PUT /v1/resources/{reference}`

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::wire::{PutResource, ResourceAnswer};
use crate::condition::{CreateCondition, Tagged};
use crate::extract::{By, JsonBody, NamedResource};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{AfterChange, Revocation};

/// Describe a resource
///
/// Your application mirrors what it protects here, whole, as often as it likes. Operators alone make a
/// resource known and say who created it and what its versions reference; who administers one may hand it over,
/// show it to others, and tell a new latest version, as far as they reach the versions that this opens.
#[utoipa::path(
    put, path = "/v1/resources/{reference}", operation_id = "put_resource", tag = "resources", request_body = PutResource,
    params(
        ("reference" = String, Path, description = "The resource: `type:id`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to replace; `*`: only if the resource exists"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if the resource does not exist yet"),
    ),
    responses(
        (status = 200, description = "The resource as it is now", body = AfterChange<ResourceAnswer>),
        (status = 201, description = "The resource was not known before", body = AfterChange<ResourceAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(state): State<AppState>,
    By(caller): By,
    NamedResource(reference): NamedResource,
    CreateCondition(condition): CreateCondition,
    JsonBody(body): JsonBody<PutResource>,
) -> Result<(StatusCode, Tagged<Json<AfterChange<ResourceAnswer>>>), Problem> {
    let description = body.read(ReferenceReader::of(&state, &caller), reference)?;
    let changed = state.authority.put_resource(&caller, description, condition).await?;
    // A repeat of the first description changes nothing, and has no change to name.
    let new = changed.value.revision == 1 && changed.change.id.is_some();
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let record = ResourceAnswer::whole(&changed.value);
    let revocation = Revocation::of(&changed.change);
    Ok((status, Tagged(changed.value.revision, Json(AfterChange { record, revocation }))))
}
