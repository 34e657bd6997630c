//! What an answer says of the rate and the quota of a key (draft-ietf-httpapi-ratelimit-headers-11).

use std::time::Duration;

use claviger_core::quota::Metered;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What goes into the head of an answer: `RateLimit-Policy: "key";q=100;w=60`, `RateLimit: "key";r=99;t=60` for
/// a rate, the same with the name "quota" for a quota, whose window is the period under way.
fn fields(metered: &Metered) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let rate = metered.rate.map(|rate| {
        let (limit, window) = (rate.rate.limit, u64::from(rate.rate.period_seconds));
        named("key", limit, window, rate.remaining, rate.reset_after)
    });
    let quota = metered.quota.map(|quota| {
        named("quota", quota.quota.limit, quota.length.as_secs(), quota.remaining, quota.reset_after)
    });
    rate.into_iter().chain(quota).flatten()
}

fn named(
    name: &str,
    limit: u32,
    window: u64,
    remaining: u32,
    reset_after: Duration,
) -> [(HeaderName, HeaderValue); 2] {
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    [
        (POLICY, text(format!("\"{name}\";q={limit};w={window}"))),
        (LIMIT, text(format!("\"{name}\";r={remaining};t={}", whole_seconds(reset_after)))),
    ]
}

/// Adds the fields to an answer. What an application says of rates of its own stays.
pub(crate) fn tell(metered: Option<&Metered>, headers: &mut HeaderMap) {
    for (name, value) in metered.iter().flat_map(|metered| fields(metered)) {
        headers.append(name, value);
    }
}

/// The refusal of a use that is not let through.
pub(crate) fn limited(metered: &Metered) -> Problem {
    let wait = retry_after(metered);
    let detail = match (metered.quota.filter(|quota| !quota.allowed), metered.rate) {
        (Some(quota), _) => format!(
            "This key may be used {} times in a {} (UTC). Try again in {wait} seconds.",
            quota.quota.limit,
            quota.quota.period.as_str()
        ),
        (None, Some(rate)) => format!(
            "This key may be used {} times in {} seconds. Try again in {wait} seconds.",
            rate.rate.limit, rate.rate.period_seconds
        ),
        (None, None) => format!("Try again in {wait} seconds."),
    };
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, metered.code(), detail);
    let problem = problem.with(RETRY_AFTER, HeaderValue::from(wait));
    fields(metered).fold(problem, |problem, (name, value)| problem.with(name, value))
}

/// Whole seconds after which it is worth trying again, at least 1.
pub(crate) fn retry_after(metered: &Metered) -> u64 {
    whole_seconds(metered.retry_after()).max(1)
}

/// Rounded up: who waits as long as told, waits long enough.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
