//! `POST /v1/leaks`

use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use claviger_authority::Caller;
use claviger_authority::leaks::{LeakOutcome, LeakReport, LeakSource};
use claviger_core::key::Digest;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::LengthLimitError;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::github::{self, Label};
use super::room::LargeBodies;
use crate::api::BODY_BYTES_MAX;
use crate::extract::{from_slice, unreadable, whole};
use crate::problem::{Problem, ProblemDocument};
use crate::state::AppState;
use crate::wire::Object;

/// Keys in one report of our own form.
const REPORTED_MAX: usize = 1_000;
/// Keys in one report of GitHub's, which sends large batches.
const GITHUB_REPORTED_MAX: usize = 10_000;
/// Bytes of such a report: for each of its keys 400, which is twice what a key with its address takes.
const GITHUB_BODY_BYTES_MAX: usize = 400 * GITHUB_REPORTED_MAX;
/// Bytes of a body that are nothing to speak of: a connection's buffers hold more.
const SMALL_BODY_BYTES_MAX: u64 = 16 * 1024;
/// For a whole body: GitHub's largest at a megabit a second, so that room for large ones comes back soon.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters of what a reporter calls itself.
const SOURCE_CHARACTERS_MAX: usize = 64;

/// Keys that were found where they should not be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"leaks": [{"key": "sk_…", "url": "https://example.org/page", "source": "our scanner"}]}))]
pub struct ReportLeaks {
    /// Up to 1,000 of them.
    #[schema(value_type = Vec<Leak>)]
    leaks: Vec<Object<Leak>>,
}

/// A key that was found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// The key.
    key: String,
    /// Where it was found.
    #[schema(example = "https://example.org/page")]
    url: Option<String>,
    /// What the reporter calls itself; recorded as a claim.
    source: Option<String>,
}

/// What became of a report, in the order of the keys that were reported.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedLeaks {
    /// `disabled`, `told` (its managers are told in the history), `already_reported` (the history has as many reports of
    /// the key as it takes in a day, and not this one), `ended` (it was refused already) or `unknown`.
    outcomes: Vec<&'static str>,
}

fn word(outcome: LeakOutcome) -> &'static str {
    match outcome {
        LeakOutcome::Unknown => "unknown",
        LeakOutcome::Disabled => "disabled",
        LeakOutcome::Told => "told",
        LeakOutcome::AlreadyReported => "already_reported",
        LeakOutcome::Ended => "ended",
    }
}

/// Report leaked keys
///
/// Anyone who reports a key holds it, so no other credential is needed. A report disables the key, or notifies
/// its managers, as is set for its kind; a key of one resource is never disabled by a report. What a report says
/// of its source and place is recorded as unconfirmed. With the header `Github-Public-Key-Signature` the body is
/// GitHub's secret-scanning partner format, and its signature is checked.
#[utoipa::path(
    post, path = "/v1/leaks", tag = "leaks", request_body = ReportLeaks, security(()),
    responses(
        (status = 200, description = "What became of each", body = ReportedLeaks),
        (status = "4XX", description = "A problem", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
pub(super) async fn report(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Extension(large): Extension<LargeBodies>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Nobody has to have a credential here, so what everybody may send at once is limited.
    let small = body.size_hint().upper().is_some_and(|bytes| bytes <= SMALL_BODY_BYTES_MAX);
    let _room = if small { None } else { Some(large.room(caller.address).await.ok_or_else(busy)?) };
    if headers.contains_key(github::SIGNATURE) {
        // Nobody has to have a credential here, so a large body is read only where GitHub is expected.
        let known = github::names_a_key(&headers, &state.edge.github_keys);
        let bytes_max = if known { GITHUB_BODY_BYTES_MAX } else { BODY_BYTES_MAX };
        let body = read(body, bytes_max, GITHUB_REPORTED_MAX).await?;
        return from_github(&state, &caller, &headers, &body).await;
    }
    let body = read(body, BODY_BYTES_MAX, REPORTED_MAX).await?;
    let report: ReportLeaks = from_slice(&body)?;
    if report.leaks.len() > REPORTED_MAX {
        return Err(too_many(REPORTED_MAX));
    }
    let reports = report.leaks.into_iter().map(|Object(leak)| LeakReport {
        digest: Digest::of(leak.key.trim()),
        source: LeakSource::Unconfirmed(
            leak.source.as_deref().map(|source| name(&without(source, &leak.key))),
        ),
        place: without(&leak.url.unwrap_or_default(), &leak.key),
    });
    let outcomes = state.authority.report_leaks(&caller, reports.collect()).await?;
    Ok(Json(ReportedLeaks { outcomes: outcomes.into_iter().map(word).collect() }).into_response())
}

/// The whole body, if it has no more than so many bytes.
async fn read(body: Body, bytes_max: usize, keys_max: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, whole(body, bytes_max)).await;
    let read = read.map_err(|_| {
        let detail = "The body did not come in time; send fewer keys at once.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    })?;
    read.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_many(keys_max),
        false => unreadable(false, &*error),
    })
}

/// What a reporter calls itself, as one short word for a line of the history.
fn name(source: &str) -> String {
    source.chars().filter(|c| !c.is_control()).take(SOURCE_CHARACTERS_MAX).collect()
}

/// The text as it may be kept: keys are found in addresses, too (`?api_key=…`), and an address goes into the
/// history. What comes before the query is kept if the key is not in that.
fn without(text: &str, key: &str) -> String {
    let key = key.trim();
    let holds = |text: &str| text.contains(key) || percent_decode_str(text).decode_utf8_lossy().contains(key);
    let head = text.split(['?', '#']).next().unwrap_or_default();
    match (key.is_empty(), holds(text), holds(head)) {
        (true, ..) | (_, false, _) => text.to_owned(),
        (_, true, false) => format!("{head} (the key is in what follows)"),
        (_, true, true) => "an address that has the key in it".to_owned(),
    }
}

fn busy() -> Problem {
    let detail = "Too many large reports are being read at the moment; try again in some seconds.";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
        .with(RETRY_AFTER, HeaderValue::from_static("10"))
}

fn too_many(most: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("A report has at most {most} keys; send several."),
    )
}

async fn from_github(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let found = github::read(headers, body, &state.edge.github_keys)?;
    if found.len() > GITHUB_REPORTED_MAX {
        return Err(too_many(GITHUB_REPORTED_MAX));
    }
    let reports = found.iter().map(|found| LeakReport {
        digest: Digest::of(&found.token),
        source: LeakSource::GitHub(
            found.source.as_deref().map(|source| name(&without(source, &found.token))),
        ),
        place: without(found.url.as_deref().unwrap_or_default(), &found.token),
    });
    let outcomes = state.authority.report_leaks(caller, reports.collect()).await?;
    let labels = found.iter().zip(outcomes).map(|(found, outcome)| Label {
        token_hash: BASE64.encode(Digest::of(&found.token).as_bytes()),
        token_type: name(&found.kind),
        label: if outcome == LeakOutcome::Unknown { "false_positive" } else { "true_positive" },
    });
    Ok(Json(labels.collect::<Vec<_>>()).into_response())
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn an_address_is_kept_without_the_key() {
        let check = |text: &str, expect: &str| assert_eq!(without(text, "sk_abc"), expect, "{text}");
        check("https://example.org/a?b=c#d", "https://example.org/a?b=c#d");
        check("https://example.org/a?api_key=sk_abc", "https://example.org/a (the key is in what follows)");
        check("https://example.org/a#%73k_abc", "https://example.org/a (the key is in what follows)");
        check("https://example.org/sk_abc/?x", "an address that has the key in it");
        assert_eq!(without("https://example.org/", ""), "https://example.org/");
    }
}
