//! `GET /v1/projects`

use axum::Json;
use axum::extract::State;
use claviger_authority::{Page, ProjectFilter};
use claviger_core::ProjectId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{ProjectAnswer, owner_of};
use crate::extract::{By, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Listing, external_id_of, page_of};

/// Which projects.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListProjects {
    /// Those in which this account, `acct_…` or `external:…`, has a role.
    member: Option<String>,
    /// Those held by `account:acct_…` or `team:team_…`.
    owner: Option<String>,
    /// The one with this identifier of your application.
    external_id: Option<String>,
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List projects
///
/// The newest first. Operators see all; others those that their credential reaches.
#[utoipa::path(
    get, path = "/v1/projects", operation_id = "list_projects", tag = "projects", params(ListProjects),
    responses(
        (status = 200, description = "A page of projects", body = Listing<ProjectAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ListProjects>,
) -> Result<Json<Listing<ProjectAnswer>>, Problem> {
    let (limit, after) = page_of::<ProjectId>(query.limit, query.cursor.as_deref())?;
    let references = ReferenceReader::of(&state, &caller);
    let member = |text: &String| references.account("member", text);
    let filter = ProjectFilter {
        member: query.member.as_ref().map(member).transpose()?,
        owner: query.owner.as_deref().map(|text| owner_of(references, text)).transpose()?,
        external_id: query.external_id.as_deref().map(external_id_of).transpose()?,
    };
    let rows = state.authority.projects(&caller, filter, Page { after, limit: limit + 1 }).await?;
    Ok(Json(Listing::of(rows, limit, |row| row.project.id.to_string(), |row| ProjectAnswer::of(&row))))
}
