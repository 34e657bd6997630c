//! Every answer of every test is one that the description knows of.

use std::sync::OnceLock;

use axum::body::Body;
use claviger_http::api::ApiService;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;

/// The description, which is the same for every test.
static DESCRIPTION: OnceLock<Value> = OnceLock::new();

/// Reads the description, once.
pub async fn read(service: &ApiService) {
    if DESCRIPTION.get().is_none() {
        let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
        let body = service.answer(request).await.into_body().collect().await.unwrap().to_bytes();
        let _ = DESCRIPTION.set(serde_json::from_slice(&body).unwrap());
    }
}

/// Checks that an operation answers with this status, if the request is for one.
pub fn check(method: &str, path: &str, status: u16) {
    let Some(description) = DESCRIPTION.get() else { return };
    let paths = description["paths"].as_object().unwrap();
    // Addresses with the fewest variable parts first, as in the router.
    let mut fitting = paths.iter().filter(|(known, _)| fits(known, path)).collect::<Vec<_>>();
    fitting.sort_by_key(|(known, _)| known.matches('{').count());
    let Some(operation) = fitting.first().and_then(|(_, item)| item.get(method.to_lowercase())) else {
        return;
    };
    let known = operation["responses"].get(status.to_string()).is_some();
    assert!(known, "{method} {path} answers {status}, which its description does not say");
}

fn fits(known: &str, path: &str) -> bool {
    let (known, path) = (known.split('/'), path.split('/'));
    known.clone().count() == path.clone().count()
        && known.zip(path).all(|(known, part)| known.starts_with('{') || known == part)
}
