//! `POST /v1/keys/revoke`

use axum::Json;
use axum::extract::State;
use claviger_authority::keys::Revocation as Which;
use claviger_core::KeyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::subject_of;
use crate::extract::{By, JsonBody, not_found};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Revocation, invalid};

/// Which keys to revoke: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"ids": ["key_01jd3m0q7w8r9t2v4x6y8z0a1b"]}))]
pub struct RevokeKeys {
    /// These, 1 to 1,000: `key_…`.
    #[schema(max_items = 1000)]
    ids: Option<Vec<String>>,
    /// All that stand for this: `account:acct_…`, `team:team_…`, `project:proj_…`, or `type:id` of a resource.
    subject: Option<String>,
}

/// What is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevokedKeys {
    /// How many keys.
    revoked: u64,
    /// What became of the authority that went with them.
    revocation: Option<Revocation>,
}

/// Revoke many keys
///
/// All of them or none, in one change. If one of the named keys does not exist, or is not the caller's to
/// manage, nothing happens, and the answer does not say which.
#[utoipa::path(
    post, path = "/v1/keys/revoke", operation_id = "revoke_keys", tag = "keys", request_body = RevokeKeys,
    responses(
        (status = 200, description = "The keys are gone", body = RevokedKeys),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(state): State<AppState>,
    By(caller): By,
    JsonBody(body): JsonBody<RevokeKeys>,
) -> Result<Json<RevokedKeys>, Problem> {
    let which = match (body.ids, body.subject) {
        (Some(ids), None) => {
            // What cannot be an identifier names nothing.
            let ids = ids.iter().map(|id| id.parse::<KeyId>().map_err(|_| not_found()));
            Which::Keys(ids.collect::<Result<_, _>>()?)
        }
        (None, Some(subject)) => {
            Which::Subject(subject_of(ReferenceReader::of(&state, &caller), &subject, None, None)?)
        }
        _ => return Err(invalid("ids", "name either `ids` or a `subject`")),
    };
    let revoked = state.authority.revoke_keys(&caller, which).await?;
    Ok(Json(RevokedKeys { revoked: revoked.value, revocation: Revocation::of(&revoked.change) }))
}
