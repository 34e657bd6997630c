//! `GET /api/v1/samples`, `GET /api/v1/samples/public`, `GET /api/v1/samples/{id}`.
//!
//! The rows can be read by the Python package `onecodex`, too: it wants to know of each record where it is
//! found (`$uri`), and takes the owner and the metadata as records of their own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::Shared;
use crate::catalog::{Resource, Visibility};
use crate::content::samples::{SAMPLES, Sample};
use crate::identity::Identity;
use crate::problem::Problem;
use crate::routes::{Segment, segment};

/// A sample, and who may see it.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    #[serde(rename = "$uri")]
    uri: String,
    #[serde(flatten)]
    sample: &'static Sample,
    visibility: Visibility,
    status: &'static str,
    created_at: String,
    owner: Option<Owner<'a>>,
    metadata: Metadata,
}

/// Who made the sample.
#[derive(Serialize)]
struct Owner<'a> {
    #[serde(rename = "$uri")]
    uri: String,
    account: &'a str,
    /// Always null: whoever sees a sample need not know its owner's address.
    email: (),
}

/// What is known about where the sample comes from.
#[derive(Serialize)]
struct Metadata {
    #[serde(rename = "$uri")]
    uri: String,
    sample: Reference,
    name: &'static str,
    location_string: &'static str,
    date_collected: String,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "$ref")]
    to: String,
}

impl<'a> Row<'a> {
    fn new(sample: &'static Sample, resource: &'a Resource) -> Self {
        let uri = format!("/api/v1/samples/{}", sample.id);
        let collected = format!("{}T00:00:00Z", sample.collected_on);
        let owner =
            |account: &'a String| Owner { uri: format!("/api/v1/users/{account}"), account, email: () };
        Self {
            metadata: Metadata {
                uri: format!("/api/v1/metadata/{}", sample.id),
                sample: Reference { to: uri.clone() },
                name: sample.name,
                location_string: sample.site,
                date_collected: collected.clone(),
            },
            owner: resource.creator.as_ref().map(owner),
            uri,
            sample,
            visibility: resource.visibility,
            status: "available",
            created_at: collected,
        }
    }
}

/// The public samples, and those that the caller's authority holds: an account's key lists the account's, a
/// project's key the project's, and an anonymous caller sees the public ones only.
pub(crate) async fn list(State(shared): State<Arc<Shared>>, identity: Identity) -> Response {
    rows(&shared, |resource| resource.visibility == Visibility::Public || resource.owner == identity.subject)
}

/// The public samples, whoever asks.
pub(crate) async fn public(State(shared): State<Arc<Shared>>, _: Identity) -> Response {
    rows(&shared, |resource| resource.visibility == Visibility::Public)
}

/// One sample. Whether the caller may see it has been decided already.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    id: Segment,
    identity: Identity,
) -> Result<Response, Problem> {
    let id = segment(id)?;
    identity.names("sample", &id)?;
    let found = all(&shared).find(|(_, resource)| resource.id == id);
    found
        .map(|(sample, resource)| Json(Row::new(sample, resource)).into_response())
        .ok_or_else(Problem::not_found)
}

fn rows(shared: &Shared, listed: impl Fn(&Resource) -> bool) -> Response {
    let listed = all(shared).filter(|(_, resource)| listed(resource));
    Json(listed.map(|(sample, resource)| Row::new(sample, resource)).collect::<Vec<_>>()).into_response()
}

fn all(shared: &Shared) -> impl Iterator<Item = (&'static Sample, &Resource)> {
    SAMPLES.iter().filter_map(|sample| {
        let resource = shared.resources.iter().find(|resource| resource.id == sample.id)?;
        Some((sample, resource))
    })
}
