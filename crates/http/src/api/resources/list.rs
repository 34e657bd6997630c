//! `GET /v1/resources`

use axum::Json;
use axum::extract::State;
use claviger_authority::{Page, ResourceFilter};
use claviger_core::resource::ResourceRef;
use claviger_core::scope::is_word;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{ResourceAnswer, owner_of};
use crate::extract::{By, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Listing, invalid, page_of};

/// Which resources.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListResources {
    /// Those held by `account:acct_…`, `team:team_…` or `project:proj_…`. Absent: those of the caller's own
    /// subject; for operators, all.
    owner: Option<String>,
    /// Those of this type, the part of the name before the colon.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List resources
///
/// By name. Operators see all; others those that their credential reaches.
#[utoipa::path(
    get, path = "/v1/resources", operation_id = "list_resources", tag = "resources", params(ListResources),
    responses(
        (status = 200, description = "A page of resources", body = Listing<ResourceAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ListResources>,
) -> Result<Json<Listing<ResourceAnswer>>, Problem> {
    let (limit, after) = page_of::<ResourceRef>(query.limit, query.cursor.as_deref())?;
    if query.kind.as_deref().is_some_and(|kind| !is_word(kind)) {
        return Err(invalid("type", "it is a lower-case word of at most 32 characters"));
    }
    let filter = ResourceFilter {
        owner: query
            .owner
            .as_deref()
            .map(|text| owner_of(ReferenceReader::of(&state, &caller), text))
            .transpose()?,
        kind: query.kind,
    };
    let rows = state.authority.resources(&caller, filter, Page { after, limit: limit + 1 }).await?;
    let cursor = |row: &claviger_core::resource::ResourceRecord| row.resource.reference.to_string();
    Ok(Json(Listing::of(rows, limit, cursor, |row| ResourceAnswer::brief(&row))))
}
