//! `PATCH /v1/keys/{id}`

use axum::Json;
use axum::extract::State;
use claviger_core::KeyId;
use claviger_core::key::{KeyPatch, Metadata};
use claviger_core::name::Name;
use claviger_core::restriction::Restrictions;
use claviger_core::selector::Selector;
use serde::Deserialize;
use utoipa::ToSchema;

use super::wire::{KeyAnswer, RestrictionsWire, grants_of, scopes_of, selector_of, status_of};
use crate::condition::{Condition, Tagged};
use crate::extract::{By, JsonBody, Named};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::{AfterChange, Object, Revocation, Texts, given, invalid, parse_second, present};

/// What to change of a key. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "disabled"}))]
pub struct UpdateKey {
    /// What people call it: 1 to 128 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 128)]
    name: Option<Option<String>>,
    /// `active` or `disabled`. A retired key stays retired.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, example = "disabled")]
    status: Option<Option<String>>,
    /// The second from which it is refused; null: never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
    /// What it may do; `[]`: nothing.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false)]
    scopes: Option<Option<Vec<String>>>,
    /// Keys of a resource only: `@12` or `@12...`; null: every version.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    versions: Option<Option<String>>,
    /// Keys of a resource only: `secrets`, `databases`; `[]`: nothing.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false)]
    grants: Option<Option<Vec<String>>>,
    /// From where and how often it may be used; null: from everywhere, as often as one likes.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RestrictionsWire>)]
    restrictions: Option<Option<Object<RestrictionsWire>>>,
    /// Up to 16 short texts for your own use, in place of those that are there.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = BTreeMap<String, String>, required = false)]
    metadata: Option<Option<Texts>>,
}

impl UpdateKey {
    fn read(self) -> Result<KeyPatch, Problem> {
        let expiry = |text: Option<String>| text.map(|text| parse_second("expires_at", &text)).transpose();
        let selector = |text: Option<String>| text.map_or(Ok(Selector::Any), |text| selector_of(&text));
        let restrictions = |wire: Option<Object<RestrictionsWire>>| {
            wire.map_or_else(|| Ok(Restrictions::default()), |Object(wire)| wire.read())
        };
        Ok(KeyPatch {
            name: given("name", self.name)?
                .map(|name| Name::parse(&name).map_err(|e| invalid("name", e)))
                .transpose()?,
            status: given("status", self.status)?.map(|word| status_of(&word)).transpose()?,
            expires_at: self.expires_at.map(expiry).transpose()?,
            scopes: given("scopes", self.scopes)?.map(|scopes| scopes_of(&scopes)).transpose()?,
            selector: self.versions.map(selector).transpose()?,
            grants: given("grants", self.grants)?.map(|words| grants_of(&words)).transpose()?,
            restrictions: self.restrictions.map(restrictions).transpose()?,
            metadata: given("metadata", self.metadata)?
                .map(|pairs| Metadata::new(pairs.0).map_err(|e| invalid("metadata", e)))
                .transpose()?,
        })
    }
}

/// Change a key
///
/// Whatever widens a key (enabling it, more scopes, a later expiry, fewer restrictions) needs a caller with
/// rights that include it. When the answer has a `revocation`, what was taken away is refused everywhere.
#[utoipa::path(
    patch, path = "/v1/keys/{id}", operation_id = "update_key", tag = "keys", request_body = UpdateKey,
    params(
        ("id" = String, Path, description = "The key: `key_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the state to change, or several; `*`: any"),
    ),
    responses(
        (status = 200, description = "The key as it is now", body = AfterChange<KeyAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn update(
    State(state): State<AppState>,
    By(caller): By,
    Named(id): Named<KeyId>,
    condition: Condition,
    JsonBody(body): JsonBody<UpdateKey>,
) -> Result<Tagged<Json<AfterChange<KeyAnswer>>>, Problem> {
    let patch = body.read()?;
    let changed = state.authority.update_key(&caller, id, patch, condition).await?;
    let record = KeyAnswer::of(&changed.value, state.authority.now());
    let revocation = Revocation::of(&changed.change);
    Ok(Tagged(changed.value.record.revision, Json(AfterChange { record, revocation })))
}
