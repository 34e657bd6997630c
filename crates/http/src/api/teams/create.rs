//! `POST /v1/teams`

use axum::Json;
use axum::extract::State;
use claviger_authority::groups::NewTeam;
use claviger_core::name::Name;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::TeamAnswer;
use crate::condition::Tagged;
use crate::extract::{By, OnceBody};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{external_id_of, invalid};

/// A team to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Lab", "owner": "acct_01jd3m0q7w8r9t2v4x6y8z0a1b"}))]
pub struct CreateTeam {
    /// What people call it: 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// Your application's own identifier of it; operators only.
    external_id: Option<String>,
    /// Its first owner, `acct_…` or `external:…`. Absent: the caller's own account, if the key stands for one.
    owner: Option<String>,
}

/// Create a team
///
/// Operators make teams for anybody; the key of an account makes one that the account owns.
#[utoipa::path(
    post, path = "/v1/teams", operation_id = "create_team", tag = "teams", request_body = CreateTeam,
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request, so that it is carried out once")),
    responses(
        (status = 201, description = "The team was made", body = TeamAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    OnceBody(body, once): OnceBody<CreateTeam>,
) -> Result<(StatusCode, Tagged<Json<TeamAnswer>>), Problem> {
    let references = ReferenceReader::of(&state, &caller);
    let owner = body.owner.as_deref().map(|text| references.account("owner", text));
    let new = NewTeam {
        name: Name::parse(&body.name).map_err(|e| invalid("name", e))?,
        external_id: body.external_id.as_deref().map(external_id_of).transpose()?,
        owner: owner.transpose()?,
    };
    let record = state.authority.create_team_once(&caller, new, once).await?.value;
    Ok((StatusCode::CREATED, Tagged(record.revision, Json(TeamAnswer::of(&record)))))
}
