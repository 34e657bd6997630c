//! `GET|POST /internal/runs`: for those who operate the site, past the gateway.
//!
//! No gateway stands before these addresses, so the application guards them itself, with the layer of Claviger's
//! client. The layer asks the authority about the key and takes it out of the request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use claviger_client::{Asked, NewHistoryRow, Verified, VerifyLayer};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Deserialize;

use crate::app::Shared;
use crate::problem::Problem;
use crate::routes::runs::{self, Run, checked_name, lock, rfc_3339};

/// What the site starts by itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRun {
    project: String,
    name: String,
}

/// The routes, for keys of the team that operates the site.
pub(crate) fn router(shared: &Shared) -> Router<Arc<Shared>> {
    let team = format!("team:{}", shared.team);
    let layer = VerifyLayer::new(shared.authority.clone()).asking(move |head: &Parts| Asked {
        action: Some(if head.method == Method::POST { "run:create" } else { "run:read" }.to_owned()),
        target: Some(team.clone()),
        address: head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.ip().to_string()),
        ..Asked::default()
    });
    Router::new()
        .route("/internal/runs", get(list).post(create))
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(layer)
}

/// The runs of all projects, newest first.
async fn list(State(shared): State<Arc<Shared>>) -> Json<Vec<Run>> {
    Json(lock(&shared).all())
}

/// Starts a run on behalf of the site, and tells the history so.
async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Verified>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let NewRun { project, name } = runs::read(&body, "{\"project\": \"…\", \"name\": \"…\"}")?;
    let name = checked_name(&name)?;
    if ![&shared.projects.atlas, &shared.projects.borealis].contains(&&project) {
        return Err(Problem::bad_request("`project` is none of this site's."));
    }
    let created_at = rfc_3339((shared.clock)())?;
    // First the history: a run that nobody can account for does not start.
    let row = NewHistoryRow {
        target: format!("project:{project}"),
        action: "run:create".to_owned(),
        detail: format!("The site started `{name}`, asked to by {}.", caller.key_id),
        actor: None,
    };
    shared.authority.history().record(&[row]).await.map_err(|error| unrecorded(&error))?;
    let run = lock(&shared).add(project, name, "site", Some(caller.key_id), created_at);
    Ok((StatusCode::CREATED, Json(run)).into_response())
}

fn unrecorded(error: &claviger_client::Error) -> Problem {
    if error.is_unavailable() {
        tracing::warn!(%error, "the history cannot be told");
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The run cannot be recorded; try again.");
    }
    Problem::internal(error)
}
