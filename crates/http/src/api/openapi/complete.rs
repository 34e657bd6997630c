//! What the description says of all operations alike: which problems they answer with, which values their
//! parameters take, and examples. No handler repeats it.

use claviger_core::Kind;
use claviger_core::history::Origin;
use claviger_core::limit::{RATE_PERIOD_SECONDS_MAX, ROTATION_OVERLAP_SECONDS_MAX};
use serde_json::{Map, Value, json};

/// What stands for all problems in the attributes of the handlers.
const ANY_PROBLEM: &str = "4XX";

/// The answers that are problems: status, name, codes.
const PROBLEMS: [(&str, &str, &str); 11] = [
    (
        "400",
        "BadRequest",
        "The request cannot be read, or not like this: `invalid_request`, `malformed_json`, `malformed_credentials`, `ambiguous_credentials`.",
    ),
    (
        "401",
        "Unauthorized",
        "No key, or none that is accepted: `credentials_required`, `invalid_key`, `key_disabled`, `key_expired`, `key_retired`.",
    ),
    (
        "403",
        "Forbidden",
        "The key is good, but not for this: `forbidden`, `restricted`, `target_required`, `insecure_transport`.",
    ),
    ("404", "NotFound", "There is no such thing, or the key may not know of it: `not_found`."),
    ("409", "Conflict", "It cannot be done in the state that things are in; `code` says which."),
    ("412", "Stale", "`If-Match` names an older state: `stale`."),
    ("413", "TooLarge", "The body is larger than this address takes: `too_large`."),
    ("415", "UnsupportedMediaType", "The body has to be `application/json`: `unsupported_media_type`."),
    (
        "429",
        "RateLimited",
        "The key was used more often than it may, or its account or team makes more than it may for now: `rate_limited`, `quota_exceeded`.",
    ),
    ("500", "Internal", "A mistake of ours: `internal`. `X-Request-Id` leads to the log."),
    (
        "503",
        "Unavailable",
        "The store cannot answer: `unavailable`; nothing was changed, and it says nothing about a key. Or a change may have happened or not: `outcome_unknown`, and `change` names it.",
    ),
];

/// What parameters look like, by name.
const EXAMPLES: &[(&str, &str)] = &[
    ("Idempotency-Key", "order-4711"),
    ("If-Match", "\"r1\""),
    ("account", "acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("action", "key:create"),
    ("actor", "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("subject", "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("change", "chg_7c9d4be2826f76ef4124b05ab7f9e0d1"),
    ("code", "invalid_key"),
    ("context", "api"),
    ("created_by", "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("cursor", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("email", "ada@example.org"),
    ("external_id", "user-4711"),
    ("from", "2027-01-30T12:00:00Z"),
    ("owner", "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("key", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("kind", "account"),
    ("member", "acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("origin", "api"),
    ("reference", "notebook:5e1f0c3a9b7d2468"),
    ("since", "2027-01-30T12:00:00Z"),
    ("status", "active"),
    ("step", "hour"),
    ("target", "notebook:5e1f0c3a9b7d2468"),
    ("to", "2027-01-31T12:00:00Z"),
    ("type", "notebook"),
    ("unused_since", "2026-11-01T00:00:00Z"),
    ("until", "2027-01-31T12:00:00Z"),
];

/// The identifiers, by the collection whose members they name, and pages by the collection they go through.
const IDENTIFIERS: &[(&str, &str)] = &[
    ("/v1/keys/imports", "imp_12"),
    ("/v1/keys", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("/v1/accounts", "acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("/v1/teams", "team_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("/v1/projects", "proj_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("/v1/resources", "notebook:5e1f0c3a9b7d2468"),
    ("/v1/history", "4711"),
];

/// Completes the description.
pub(super) fn complete(document: &mut Value) {
    let mut responses = Map::new();
    for (status, name, text) in PROBLEMS {
        responses.insert(name.to_owned(), response(status, text));
    }
    document["components"]["responses"] = Value::Object(responses);
    for (field, keyword, value) in [
        ("UpdateKey/properties/status", "enum", json!(["active", "disabled"])),
        ("PutResource/properties/visibility", "enum", json!(["private", "shared", "public"])),
        ("RotateKey/properties/overlap_seconds", "maximum", json!(ROTATION_OVERLAP_SECONDS_MAX)),
        ("RateWire/properties/period_seconds", "maximum", json!(RATE_PERIOD_SECONDS_MAX)),
    ] {
        let schema = document["components"]["schemas"].pointer_mut(&format!("/{field}"));
        if let Some(schema) = schema {
            schema[keyword] = value;
        }
    }
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            problems(path, method, operation);
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                describe(path, parameter);
            }
            if method == "get" && operation.get("security").is_none() {
                let schemes = ["x_api_key", "bearer", "api_key", "basic", "query"];
                operation["security"] = schemes.iter().map(|scheme| json!({*scheme: []})).collect();
            }
        }
    }
}

/// The answer to a problem.
fn response(status: &str, text: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let mut response =
        json!({"description": text, "content": {"application/problem+json": {"schema": schema}}});
    let header = match status {
        "401" => (
            "WWW-Authenticate",
            json!({"description": "The schemes that are accepted.", "schema": {"type": "string"}}),
        ),
        "429" | "503" => (
            "Retry-After",
            json!({"description": "Seconds after which it is worth trying again.", "schema": {"type": "integer", "minimum": 0}}),
        ),
        _ => return response,
    };
    response["headers"] = json!({header.0: header.1});
    response
}

/// Puts the problems that an operation answers with in the place of the word for all of them.
fn problems(path: &str, method: &str, operation: &mut Value) {
    let statuses = statuses(path, method, operation);
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    if responses.remove(ANY_PROBLEM).is_none() {
        return;
    }
    for (status, name, _) in PROBLEMS.iter().filter(|(status, _, _)| statuses.contains(status)) {
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        responses.insert((*status).to_owned(), reference);
    }
}

/// The statuses of the problems that an operation answers with.
fn statuses(path: &str, method: &str, operation: &Value) -> Vec<&'static str> {
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let takes = |names: &[&str]| {
        parameters.iter().any(|parameter| names.iter().any(|name| parameter["name"] == *name))
    };
    let mut statuses = vec!["400", "403", "429", "500", "503"];
    if path != "/v1/leaks" {
        statuses.push("401");
    }
    let body = operation.get("requestBody").is_some();
    if body {
        statuses.extend(["413", "415"]);
    }
    let asks = path.starts_with("/v1/verify");
    if path.contains('{') || takes(&["subject", "owner", "member", "key", "external_id"]) || (body && !asks) {
        statuses.push("404");
    }
    if takes(&["If-Match"]) {
        statuses.push("412");
    }
    // An import that is over is a conflict even to look at.
    if (method != "get" && !asks) || path.starts_with("/v1/keys/imports/") {
        statuses.push("409");
    }
    statuses
}

/// What a parameter takes, and an example of it.
fn describe(path: &str, parameter: &mut Value) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let identifier =
        || IDENTIFIERS.iter().find(|(collection, _)| path.starts_with(collection)).map(|(_, id)| json!(id));
    let known = || EXAMPLES.iter().find(|(known, _)| *known == name).map(|(_, value)| json!(value));
    let example = match name.as_str() {
        "id" | "cursor" => identifier(),
        "limit" => Some(json!(50)),
        "version" => Some(json!(3)),
        "If-None-Match" => Some(json!("*")),
        "explain" | "dry_run" | "allow_empty" => Some(json!(true)),
        _ => known(),
    };
    if let (None, Some(example)) = (parameter.get("example"), example) {
        parameter["example"] = example;
    }
    let kinds = Kind::ALL.map(Kind::as_str);
    let origins = Origin::ALL.map(Origin::as_str);
    let schema = &mut parameter["schema"];
    match name.as_str() {
        "kind" => schema["enum"] = json!(kinds),
        "status" => schema["enum"] = json!(["active", "disabled", "retired", "expired"]),
        "origin" => schema["enum"] = json!(origins),
        "context" => schema["enum"] = json!(["api", "embed"]),
        "step" => schema["enum"] = json!(["minute", "hour", "day"]),
        _ => {}
    }
}
