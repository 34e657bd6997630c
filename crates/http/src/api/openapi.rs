//! `GET /openapi.json`, and what the description says beyond its paths.

mod complete;

use std::sync::Arc;

use axum::Extension;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document};
use utoipa::{Modify, OpenApi};

use crate::credential::{QUERY_PARAMETER, X_API_KEY};

/// What every address has in common.
#[derive(OpenApi)]
#[openapi(
    info(title = "Claviger", description = "API keys: create, manage and verify them."),
    modifiers(&Security),
    security(("x_api_key" = []), ("bearer" = []), ("api_key" = []), ("basic" = [])),
    tags(
        (name = "keys", description = "API keys, and what they may do"),
        (name = "verify", description = "What a key is worth that was presented to your application"),
        (name = "whoami", description = "The credential itself"),
        (name = "changes", description = "How far a change that takes subject away has come"),
        (name = "accounts", description = "Accounts: people who sign in, and those that your application manages"),
        (name = "teams", description = "Teams and their members"),
        (name = "projects", description = "Projects and who works in them"),
        (name = "resources", description = "What your application protects, mirrored here"),
        (name = "history", description = "Who did what, with which key, from where"),
        (name = "usage", description = "How often keys are used"),
        (name = "leaks", description = "Keys that were found where they should not be"),
        (name = "documentation", description = "Pages about the API itself; they take no credential"),
    )
)]
pub(super) struct Description;

/// How a key is presented.
struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Components::new);
        let header = ApiKeyValue::with_description(X_API_KEY.as_str(), "The key by itself.");
        components.add_security_scheme("x_api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The key as the token."));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let own = ApiKeyValue::with_description(AUTHORIZATION.as_str(), "`ApiKey`, a space, and the key.");
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(own)));
        let query = "GET only, and only for trying things out: addresses end up in logs.";
        let query = ApiKeyValue::with_description(QUERY_PARAMETER, query);
        components.add_security_scheme("query", SecurityScheme::ApiKey(ApiKey::Query(query)));
        let basic = "The key as the user name, the password empty.";
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).description(Some(basic));
        components.add_security_scheme("basic", SecurityScheme::Http(basic.build()));
    }
}

/// The whole document: what the handlers say, and what holds for all of them.
pub(super) fn whole(document: &Document) -> Value {
    // A document of our own types serialises; the snapshot test would show an empty one.
    let mut whole = serde_json::to_value(document).unwrap_or_default();
    complete::complete(&mut whole);
    whole
}

/// The document, written down once.
#[derive(Clone)]
pub(super) struct Written(Arc<Bytes>);

impl Written {
    /// Writes it down.
    pub(super) fn of(whole: &Value) -> Self {
        Self(Arc::new(format!("{whole:#}").into()))
    }
}

/// This description
///
/// OpenAPI 3.1, generated from the code that answers.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "read_description", tag = "documentation", security(()),
    responses((status = 200, description = "The description of the API", body = Value))
)]
pub(super) async fn read(Extension(Written(text)): Extension<Written>) -> Response {
    let mut response = Bytes::clone(&text).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
