//! What an answer says of the rate of a key (draft-ietf-httpapi-ratelimit-headers-11).

use std::time::Duration;

use claviger_core::rate::RateDecision;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What goes into the head of an answer: `RateLimit-Policy: "key";q=100;w=60`, `RateLimit: "key";r=99;t=60`.
fn fields(decision: &RateDecision) -> [(HeaderName, HeaderValue); 2] {
    let rate = decision.rate;
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    [
        (POLICY, text(format!("\"key\";q={};w={}", rate.limit, rate.period_seconds))),
        (LIMIT, text(format!("\"key\";r={};t={}", decision.remaining, whole_seconds(decision.reset_after)))),
    ]
}

/// Adds the fields to an answer. What an application says of rates of its own stays.
pub(crate) fn tell(decision: Option<&RateDecision>, headers: &mut HeaderMap) {
    for (name, value) in decision.iter().flat_map(|decision| fields(decision)) {
        headers.append(name, value);
    }
}

/// The refusal, if the use is not let through.
pub(crate) fn refusal(decision: Option<&RateDecision>) -> Option<Problem> {
    let decision = decision.filter(|decision| !decision.allowed)?;
    let (rate, wait) = (decision.rate, retry_after(decision));
    let detail = format!(
        "This key may be used {} times in {} seconds. Try again in {wait} seconds.",
        rate.limit, rate.period_seconds
    );
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
    let problem = problem.with(RETRY_AFTER, HeaderValue::from(wait));
    Some(fields(decision).into_iter().fold(problem, |problem, (name, value)| problem.with(name, value)))
}

/// Whole seconds after which it is worth trying again, at least 1.
pub(crate) fn retry_after(decision: &RateDecision) -> u64 {
    whole_seconds(decision.retry_after).max(1)
}

/// Rounded up: who waits as long as told, waits long enough.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
