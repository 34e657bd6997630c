//! `POST /v1/projects`

use axum::Json;
use axum::extract::State;
use claviger_authority::groups::NewProject;
use claviger_core::name::Name;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{ProjectAnswer, owner_of};
use crate::condition::Tagged;
use crate::extract::{By, OnceBody};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{external_id_of, invalid};

/// A project to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Atlas", "owner": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b"}))]
pub struct CreateProject {
    /// What people call it: 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Your application's own identifier of it; operators only.
    external_id: Option<String>,
    /// Who holds it: `account:acct_…` or `team:team_…`.
    owner: String,
}

/// Create a project
///
/// For operators, and for those who administer its future owner.
#[utoipa::path(
    post, path = "/v1/projects", operation_id = "create_project", tag = "projects", request_body = CreateProject,
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request, so that it is carried out once")),
    responses(
        (status = 201, description = "The project was made", body = ProjectAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    OnceBody(body, once): OnceBody<CreateProject>,
) -> Result<(StatusCode, Tagged<Json<ProjectAnswer>>), Problem> {
    let new = NewProject {
        name: Name::parse(&body.name).map_err(|e| invalid("name", e))?,
        external_id: body.external_id.as_deref().map(external_id_of).transpose()?,
        owner: owner_of(ReferenceReader::of(&state, &caller), &body.owner)?,
    };
    let record = state.authority.create_project_once(&caller, new, once).await?.value;
    Ok((StatusCode::CREATED, Tagged(record.revision, Json(ProjectAnswer::of(&record)))))
}
