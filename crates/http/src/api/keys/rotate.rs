//! `POST /v1/keys/{id}/rotate`

use axum::Json;
use axum::extract::State;
use claviger_core::KeyId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::KeyAnswer;
use crate::condition::{Condition, Tagged};
use crate::extract::{By, Named, OnceBody};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Revocation;

/// How to rotate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap_seconds": 3600}))]
pub struct RotateKey {
    /// For how long the old key is still accepted; 0 if absent.
    #[serde(default)]
    #[schema(example = 3600)]
    overlap_seconds: u64,
}

/// The key that takes over.
#[derive(Serialize, ToSchema)]
pub struct RotatedKey {
    /// The new key itself: shown here, and never again.
    #[schema(example = "sk_…")]
    secret: String,
    /// What is known of it.
    key: KeyAnswer,
    /// Present where the old key ends earlier than it would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation: Option<Revocation>,
}

/// Rotate a key
///
/// Makes a key with a new identifier and text and everything else as it was, also what is used up of its rate and
/// quota. With an overlap the old key expires at the earlier of its own date and `overlap_seconds` from now; without
/// one it is `retired` at once, and nothing brings it back. Give the new key to every service that uses the old one.
///
/// A key that was replaced already is the conflict `key_replaced`, which names the key that replaces it. A disabled
/// or expired key is replaced by its managers, signed in, and by operators, without an overlap.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", operation_id = "rotate_key", tag = "keys", request_body = RotateKey,
    params(
        ("id" = String, Path, description = "The key: `key_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to rotate, or several; `*`: any"),
        ("Idempotency-Key" = Option<String>, Header, description = "A name for this request, so that it is carried out once"),
    ),
    responses(
        (status = 201, description = "The key was replaced; copy `secret` now, it will not be shown again", body = RotatedKey),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rotate(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<KeyId>,
    condition: Condition,
    OnceBody(body, once): OnceBody<RotateKey>,
) -> Result<(StatusCode, Tagged<Json<RotatedKey>>), Problem> {
    let overlap = body.overlap_seconds;
    let rotated = state.authority.rotate_key(&caller, id, overlap, condition, once).await?;
    let created = rotated.value;
    let revision = created.key.record.revision;
    let answer = RotatedKey {
        secret: created.secret.expose().to_owned(),
        key: KeyAnswer::of(&created.key, state.authority.now()),
        revocation: Revocation::of(&rotated.change),
    };
    Ok((StatusCode::CREATED, Tagged(revision, Json(answer))))
}
