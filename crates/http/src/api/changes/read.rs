//! `GET /v1/changes/{change}`

use axum::Json;
use axum::extract::State;
use claviger_core::change::ChangeId;

use crate::extract::{By, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Revocation;

/// Follow a change
///
/// How far a change has come. The name of a change is 128 random bits that only its answer contains, so any credential
/// that knows it may ask. After `outcome_unknown` this is how to find out: 200 if the change was made, 404 if not.
#[utoipa::path(
    get, path = "/v1/changes/{change}", operation_id = "read_change", tag = "changes",
    params(("change" = String, Path, description = "The change: `chg_…`")),
    responses(
        (status = 200, description = "How far it has come", body = Revocation),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<ChangeId>,
) -> Result<Json<Revocation>, Problem> {
    let change = state.authority.change(&caller, id).await?;
    Ok(Json(Revocation::state_of(&change)))
}
