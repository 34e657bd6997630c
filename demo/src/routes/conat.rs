//! `POST /api/conat/hub` and `POST /api/conat/project`: remote calls, as the Python package `cocalc-api` makes
//! them. A call that cannot be answered is told as `{"error": "…"}`; the package raises it to its caller.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::Shared;
use crate::identity::Identity;
use crate::problem::Problem;

/// What is called. The calls that there are take no arguments, so those that are sent are not looked at.
#[derive(Deserialize)]
struct Call {
    name: String,
    project_id: Option<String>,
}

/// What a call gives.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Given {
    Ping {
        /// Milliseconds since 1970, as everywhere in these calls.
        now: i64,
    },
    Account {
        account_id: String,
        server_time: i64,
    },
    Project {
        project_id: String,
        server_time: i64,
    },
    Refused {
        error: String,
    },
}

/// A call to the site as a whole.
pub(crate) async fn hub(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Given>, Problem> {
    let call = read(body)?;
    let now = milliseconds((shared.clock)())?;
    Ok(Json(match (call.name.as_str(), identity.account.as_deref(), project(&identity)) {
        ("system.ping", ..) => Given::Ping { now },
        ("system.test", Some(account), _) => {
            Given::Account { account_id: account.to_owned(), server_time: now }
        }
        ("system.test", None, Some(project)) => {
            Given::Project { project_id: project.to_owned(), server_time: now }
        }
        ("system.test", None, None) => refused("the key belongs to neither an account nor a project"),
        (name, ..) => unknown(name),
    }))
}

/// A call to what runs in a project. The project is the one whose key was used: the gateway decides about
/// what stands in the address, and so cannot have decided about a project that only the body names.
pub(crate) async fn of_project(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Given>, Problem> {
    let call = read(body)?;
    let now = milliseconds((shared.clock)())?;
    let Some(project) = project(&identity) else {
        return Ok(Json(refused("calls to a project need a key of that project")));
    };
    if call.project_id.is_some_and(|named| named != project) {
        return Ok(Json(refused("the key belongs to another project than the one that is called")));
    }
    Ok(Json(match call.name.as_str() {
        "system.ping" => Given::Ping { now },
        "system.test" => Given::Project { project_id: project.to_owned(), server_time: now },
        name => unknown(name),
    }))
}

fn read(body: Result<Bytes, BytesRejection>) -> Result<Call, Problem> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!("The body is not a call, {{\"name\": \"…\"}}: {error}."))
    })
}

fn project(identity: &Identity) -> Option<&str> {
    identity.subject.strip_prefix("project:")
}

fn refused(error: &str) -> Given {
    Given::Refused { error: error.to_owned() }
}

fn unknown(name: &str) -> Given {
    Given::Refused { error: format!("there is no call `{name}` here") }
}

fn milliseconds(time: SystemTime) -> Result<i64, Problem> {
    Timestamp::try_from(time).map(Timestamp::as_millisecond).map_err(|error| Problem::internal(&error))
}
