//! `GET /v1/keys`

use axum::Json;
use axum::extract::State;
use claviger_authority::Page;
use claviger_authority::keys::KeyQuery;
use claviger_core::{KeyId, Kind};
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{KeyAnswer, standing_of, subject_of};
use crate::extract::{By, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Listing, invalid, page_of, parse_time};

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListKeys {
    /// Those of this subject: `account:acct_…`, `team:team_…`, `project:proj_…`, `type:id` of a resource, or
    /// `operator`. Absent: those of the caller's own subject; for operators, all.
    subject: Option<String>,
    /// Those of this kind: `account`, `team`, `project`, `resource` or `operator`.
    kind: Option<String>,
    /// Those that are `active`, `disabled` or `expired` now.
    status: Option<String>,
    /// Those made by `account:acct_…`, `key:key_…` or `system`.
    created_by: Option<String>,
    /// Those not used since this instant; of a key never used, its creation counts.
    #[param(format = DateTime)]
    unused_since: Option<String>,
    /// Items of the page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl ListKeys {
    fn read(&self, references: ReferenceReader<'_>) -> Result<KeyQuery, Problem> {
        let kind = |word: &String| {
            let known = Kind::ALL.map(Kind::as_str).join("`, `");
            Kind::from_word(word).ok_or_else(|| invalid("kind", format_args!("it is one of `{known}`")))
        };
        let actor = |text: &String| {
            let detail = "it is `account:acct_…`, `account:external:…`, `key:key_…` or `system`";
            references.actor("created_by", text, detail)
        };
        Ok(KeyQuery {
            subject: self
                .subject
                .as_deref()
                .map(|text| subject_of(references, text, None, None))
                .transpose()?,
            kind: self.kind.as_ref().map(kind).transpose()?,
            standing: self.status.as_deref().map(standing_of).transpose()?,
            created_by: self.created_by.as_ref().map(actor).transpose()?,
            unused_since: self
                .unused_since
                .as_deref()
                .map(|text| parse_time("unused_since", text))
                .transpose()?,
        })
    }
}

/// List keys
///
/// The newest first. An operator sees all keys; everybody else those of a subject that it manages.
#[utoipa::path(
    get, path = "/v1/keys", operation_id = "list_keys", tag = "keys", params(ListKeys),
    responses(
        (status = 200, description = "A page of keys", body = Listing<KeyAnswer>),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ListKeys>,
) -> Result<Json<Listing<KeyAnswer>>, Problem> {
    let (limit, after) = page_of::<KeyId>(query.limit, query.cursor.as_deref())?;
    let rows = state
        .authority
        .keys(&caller, query.read(ReferenceReader::of(&state, &caller))?, Page { after, limit: limit + 1 })
        .await?;
    let now = state.authority.now();
    let cursor = |key: &claviger_authority::StoredKey| key.record.entry.id.to_string();
    Ok(Json(Listing::of(rows, limit, cursor, |key| KeyAnswer::of(&key, now))))
}
