//! `PUT /v1/resources`

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use claviger_authority::reconcile::{Differs, Reconciled, WholeList};
use claviger_authority::resources::ResourceDescription;
use claviger_core::resource::ResourceRef;
use claviger_core::scope::is_word;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::ListedResource;
use crate::extract::{By, JsonText, QueryOf};
use crate::problem::{Problem, ProblemDocument};
use crate::references::ReferenceReader;
use crate::state::AppState;
use crate::wire::{Object, Revocation, invalid};

/// Which list, and how careful to be.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReconcileResources {
    /// The type: the part of the names before the colon.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: String,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Your statement that an empty list is meant, so that every resource of the type goes.
    #[serde(default)]
    allow_empty: bool,
}

/// Every resource of a type.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"resources": [{
    "reference": "notebook:5e1f0c3a9b7d2468",
    "owner": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b",
    "visibility": "private",
    "latest_version": 3,
    "versions": [{"version": 3, "secrets": ["maps_token"], "databases": []}],
}]}))]
pub struct EveryResource {
    /// All of them, in any order.
    #[schema(value_type = Vec<ListedResource>, max_items = 200_000)]
    resources: Vec<Object<ListedResource>>,
}

/// How the list differed from what was known, and what became of the differences.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconcileAnswer {
    /// The type.
    #[serde(rename = "type")]
    #[schema(example = "notebook")]
    kind: String,
    /// Whether it was only looked.
    dry_run: bool,
    /// Resources that were not known.
    created: u64,
    /// Resources that were known otherwise.
    updated: u64,
    /// Resources that are not in the list, and are gone.
    deleted: u64,
    /// Resources that were known just so.
    unchanged: u64,
    /// Keys that went with the deleted resources.
    keys_deleted: u64,
    /// The differences by name, the first thousand.
    differences: Vec<DifferenceWire>,
    /// Differences that are not named here.
    differences_left_out: u64,
    /// Present where the change took authority away.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation: Option<Revocation>,
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceWire {
    /// The resource.
    #[schema(example = "notebook:5e1f0c3a9b7d2468")]
    reference: String,
    /// `created`, `updated` or `deleted`.
    #[schema(example = "updated")]
    difference: &'static str,
}

impl ReconcileAnswer {
    fn of(kind: String, dry_run: bool, told: &Reconciled, revocation: Option<Revocation>) -> Self {
        let named = |(reference, differs): &(ResourceRef, Differs)| DifferenceWire {
            reference: reference.to_string(),
            difference: differs.as_str(),
        };
        let all = told.created + told.updated + told.deleted;
        Self {
            kind,
            dry_run,
            created: told.created,
            updated: told.updated,
            deleted: told.deleted,
            unchanged: told.unchanged,
            keys_deleted: told.keys_deleted,
            differences: told.differences.iter().map(named).collect(),
            differences_left_out: all - told.differences.len() as u64,
            revocation,
        }
    }
}

/// Describe all resources of a type
///
/// The whole list: what is new is made known, what differs is changed, and what is missing goes with its keys,
/// all at once or not at all. For operators with the scopes `resource:create`, `resource:update` and
/// `resource:delete`.
#[utoipa::path(
    put, path = "/v1/resources", operation_id = "reconcile_resources", tag = "resources",
    params(ReconcileResources), request_body = EveryResource,
    responses(
        (status = 200, description = "How the list differed from what was known", body = ReconcileAnswer),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn reconcile(
    State(state): State<AppState>,
    By(caller): By,
    QueryOf(query): QueryOf<ReconcileResources>,
    request: Request,
) -> Result<Json<ReconcileAnswer>, Problem> {
    // Before the list is read, which may be long.
    state.authority.may_reconcile(&caller)?;
    let ReconcileResources { kind, dry_run, allow_empty } = query;
    if !is_word(&kind) {
        return Err(invalid("type", "it is a lower-case word of at most 32 characters"));
    }
    let text = JsonText::from_request(request, &state).await?;
    let naming = (state.clone(), caller.clone());
    // Not here, where others wait for their turn.
    let reading =
        tokio::task::spawn_blocking(move || descriptions(ReferenceReader::of(&naming.0, &naming.1), &text));
    let stopped = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The list was not read.");
    let resources = reading.await.map_err(stopped)??;
    let list = WholeList { kind: kind.clone(), resources, dry_run, allow_empty };
    let changed = state.authority.reconcile_resources(&caller, list).await?;
    let revocation = Revocation::of(&changed.change);
    Ok(Json(ReconcileAnswer::of(kind, dry_run, &changed.value, revocation)))
}

fn descriptions(
    references: ReferenceReader<'_>,
    text: &JsonText,
) -> Result<Vec<ResourceDescription>, Problem> {
    let body: EveryResource = text.read()?;
    body.resources.into_iter().enumerate().map(|(at, Object(listed))| listed.read(references, at)).collect()
}
