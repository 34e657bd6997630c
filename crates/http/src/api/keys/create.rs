//! `POST /v1/keys`

use axum::Json;
use axum::extract::State;
use claviger_authority::keys::NewKey;
use claviger_core::key::{CreatedVia, Metadata};
use claviger_core::name::Name;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::{KeyAnswer, RestrictionsWire, scopes_of, subject_of};
use crate::condition::Tagged;
use crate::extract::{By, OnceBody};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Texts, invalid, optional_object, parse_second};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "CI runner", "subject": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b", "scopes": ["notebook:read"]
}))]
pub struct CreateKey {
    /// What people call it: 1 to 128 characters. It may repeat.
    #[schema(example = "CI runner", min_length = 1, max_length = 128)]
    name: String,
    /// What it stands for: `account:acct_…`, `account:external:…` (team and project alike), `team:team_…`, `project:proj_…`, `type:id` of a resource, or `operator`.
    subject: String,
    /// What it may do: `type:action`, either side may be `*`. Absent: the default of its kind; `[]`: nothing.
    #[schema(example = json!(["notebook:read"]))]
    scopes: Option<Vec<String>>,
    /// Keys of a resource only. `@12`: only that version; `@12...`: that and every later one; absent: every version.
    #[schema(example = "@12...")]
    versions: Option<String>,
    /// Keys of a resource only: what they carry into an embed, `secrets` and `databases`. Absent: both; `[]`: nothing.
    grants: Option<Vec<String>>,
    /// The second from which it is refused; absent or null: never.
    #[schema(example = "2027-01-31T12:00:00Z", format = DateTime)]
    expires_at: Option<String>,
    /// The name of its format; absent: that of its kind.
    format: Option<String>,
    /// From where and how often it may be used.
    #[serde(default, deserialize_with = "optional_object")]
    restrictions: Option<RestrictionsWire>,
    /// Up to 16 short texts for your own use.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<Texts>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    /// The key itself: shown here, and never again.
    #[schema(example = "sk_…")]
    secret: String,
    /// What is known of it.
    key: KeyAnswer,
}

/// Create a key
///
/// The answer is the only one that ever shows the key itself. With an `Idempotency-Key` the request can be
/// repeated safely for a day: a repeat is the conflict `idempotency_replayed`, which names the key.
#[utoipa::path(
    post, path = "/v1/keys", operation_id = "create_key", tag = "keys", request_body = CreateKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request, so that it is carried out once")),
    responses(
        (status = 201, description = "The key was made; copy `secret` now, it will not be shown again", body = CreatedKey),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(state): State<AppState>,
    By(caller): By,
    OnceBody(body, once): OnceBody<CreateKey>,
) -> Result<(StatusCode, Tagged<Json<CreatedKey>>), Problem> {
    let new = NewKey {
        name: Name::parse(&body.name).map_err(|e| invalid("name", e))?,
        subject: subject_of(
            ReferenceReader::of(&state, &caller),
            &body.subject,
            body.versions.as_deref(),
            body.grants.as_deref(),
        )?,
        scopes: body.scopes.as_deref().map(scopes_of).transpose()?,
        expires_at: body.expires_at.as_deref().map(|text| parse_second("expires_at", text)).transpose()?,
        format: body.format,
        restrictions: body.restrictions.unwrap_or_default().read()?,
        metadata: Metadata::new(body.metadata.unwrap_or_default().0).map_err(|e| invalid("metadata", e))?,
        via: CreatedVia::Api,
    };
    let created = state.authority.create_key_once(&caller, new, once).await?.value;
    let revision = created.key.record.revision;
    let answer = CreatedKey {
        secret: created.secret.expose().to_owned(),
        key: KeyAnswer::of(&created.key, state.authority.now()),
    };
    Ok((StatusCode::CREATED, Tagged(revision, Json(answer))))
}
