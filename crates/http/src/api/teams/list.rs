//! `GET /v1/teams`

use axum::Json;
use axum::extract::State;
use claviger_authority::{Page, TeamFilter};
use claviger_core::TeamId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::TeamAnswer;
use crate::extract::{By, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Listing, external_id_of, page_of};

/// Which teams.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListTeams {
    /// Those in which this account, `acct_…` or `external:…`, has a role.
    member: Option<String>,
    /// The one with this identifier of your application.
    external_id: Option<String>,
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List teams
///
/// The newest first. Operators see all; others those that their credential reaches.
#[utoipa::path(
    get, path = "/v1/teams", operation_id = "list_teams", tag = "teams", params(ListTeams),
    responses(
        (status = 200, description = "A page of teams", body = Listing<TeamAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ListTeams>,
) -> Result<Json<Listing<TeamAnswer>>, Problem> {
    let (limit, after) = page_of::<TeamId>(query.limit, query.cursor.as_deref())?;
    let references = ReferenceReader::of(&state, &caller);
    let member = |text: &String| references.account("member", text);
    let filter = TeamFilter {
        member: query.member.as_ref().map(member).transpose()?,
        external_id: query.external_id.as_deref().map(external_id_of).transpose()?,
    };
    let rows = state.authority.teams(&caller, filter, Page { after, limit: limit + 1 }).await?;
    Ok(Json(Listing::of(rows, limit, |row| row.team.id.to_string(), |row| TeamAnswer::of(&row))))
}
