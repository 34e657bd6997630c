//! `GET|POST /api/v1/projects/{id}/runs`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::Shared;
use crate::identity::Identity;
use crate::problem::Problem;
use crate::routes::{Segment, segment};

/// How many runs a project keeps; its oldest makes room, so that no project can push out another's alone.
const RUNS_PER_PROJECT_MAX: usize = 100;
/// How many runs are kept in all, since they live in memory; the oldest of all makes room.
const RUNS_MAX: usize = 2_000;
/// A name has to fit into a line of a list.
const NAME_CHARS_MAX: usize = 128;

/// The runs of all projects, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    kept: VecDeque<Run>,
    created: u64,
}

/// Something that a project did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    id: String,
    project: String,
    name: String,
    /// Where it was started from: `api` with a key through the gateway, `site` by the site itself.
    origin: &'static str,
    /// The key that started it, or had the site start it.
    started_by: Option<String>,
    created_at: String,
}

/// What a new run needs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRun {
    name: String,
}

/// The project's runs, newest first.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    project: Segment,
    identity: Identity,
) -> Result<Json<Vec<Run>>, Problem> {
    let project = segment(project)?;
    identity.names("project", &project)?;
    Ok(Json(lock(&shared).of(&project)))
}

/// Starts a run in the project.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    project: Segment,
    identity: Identity,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let project = segment(project)?;
    identity.names("project", &project)?;
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let NewRun { name } = read(&body, "{\"name\": \"…\"}")?;
    let name = checked_name(&name)?;
    let created_at = rfc_3339((shared.clock)())?;
    let run = lock(&shared).add(project, name, "api", identity.key_id, created_at);
    Ok((StatusCode::CREATED, Json(run)).into_response())
}

impl Runs {
    fn of(&self, project: &str) -> Vec<Run> {
        self.kept.iter().rev().filter(|run| run.project == project).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Run> {
        self.kept.iter().rev().cloned().collect()
    }

    pub(crate) fn add(
        &mut self,
        project: String,
        name: String,
        origin: &'static str,
        started_by: Option<String>,
        created_at: String,
    ) -> Run {
        let own = |run: &Run| run.project == project;
        if self.kept.iter().filter(|run| own(run)).count() >= RUNS_PER_PROJECT_MAX {
            let oldest = self.kept.iter().position(own);
            oldest.and_then(|oldest| self.kept.remove(oldest));
        } else if self.kept.len() >= RUNS_MAX {
            self.kept.pop_front();
        }
        self.created += 1;
        let id = format!("run_{:08}", self.created);
        let run = Run { id, project, name, origin, started_by, created_at };
        self.kept.push_back(run.clone());
        run
    }
}

/// Reads a run to be started, which looks like this.
pub(crate) fn read<'b, R: Deserialize<'b>>(body: &'b [u8], like: &str) -> Result<R, Problem> {
    let wrong =
        |why: &dyn fmt::Display| Problem::bad_request(format!("The body is not a run, {like}: {why}."));
    // A struct can be read from an array, too, by the order of its fields; nobody is meant to rely on that.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(wrong(&"it is not a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| wrong(&error))
}

pub(crate) fn checked_name(name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Problem::bad_request("`name` is empty."));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::bad_request(format!("`name` has more than {NAME_CHARS_MAX} characters.")));
    }
    if name.chars().any(char::is_control) {
        return Err(Problem::bad_request("`name` contains control characters."));
    }
    Ok(name.to_owned())
}

/// Whole seconds, never one that has not come yet.
pub(crate) fn rfc_3339(time: std::time::SystemTime) -> Result<String, Problem> {
    let time = Timestamp::try_from(time).and_then(|time| Timestamp::from_second(time.as_second()));
    time.map(|time| time.to_string()).map_err(|error| Problem::internal(&error))
}

/// A panic while the lock was held leaves a list that is still a list.
pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Runs> {
    shared.runs.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{RUNS_MAX, RUNS_PER_PROJECT_MAX, Runs};

    #[test]
    fn the_oldest_run_makes_room() {
        let mut runs = Runs::default();
        let mut add =
            |project: &str| runs.add(project.to_owned(), "x".to_owned(), "api", None, String::new());
        add("proj_b");
        for _ in 0..=RUNS_PER_PROJECT_MAX {
            add("proj_a");
        }
        let (own, other) = (runs.of("proj_a"), runs.of("proj_b"));
        assert_eq!(own.len(), RUNS_PER_PROJECT_MAX);
        assert_eq!(own.last().map(|run| run.id.as_str()), Some("run_00000003"));
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn all_runs_together_are_bounded() {
        let mut runs = Runs::default();
        for number in 0..RUNS_MAX + 10 {
            runs.add(format!("proj_{number}"), "x".to_owned(), "api", None, String::new());
        }
        assert_eq!(runs.kept.len(), RUNS_MAX);
        assert!(runs.of("proj_9").is_empty());
        assert_eq!(runs.of("proj_10").len(), 1);
    }
}
