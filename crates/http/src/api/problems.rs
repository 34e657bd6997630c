//! `GET /problems/` and `GET /problems/{code}`: the pages to which the `type` of a problem leads.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::html::{escape, prose};
use crate::extract::{Named, not_found};
use crate::problem::{CODES, Problem, ProblemDocument};
use crate::state::AppState;

const STYLE: &str = include_str!("../../assets/problems.css");

/// Nothing but the one style sheet, known by its digest.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read))
}

/// Every kind of problem
///
/// A page that lists them all, with what to do about each.
#[utoipa::path(
    get, path = "/problems/", operation_id = "list_problems", tag = "documentation", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html"))
)]
async fn list() -> Response {
    let mut rows = String::new();
    for (code, title, text) in CODES {
        // Writing to a String does not fail.
        let _ = writeln!(
            rows,
            "<div><dt><a href=\"{code}\">{}</a> <code>{code}</code></dt><dd>{}</dd></div>",
            escape(title),
            prose(text)
        );
    }
    let text = "Every error is a problem document (RFC 9457). Its <code>code</code> does not change; its \
        <code>detail</code> says what was wrong with this request.";
    page("Problems", "", &format!("<h1>Problems</h1>\n<p>{text}</p>\n<dl>\n{rows}</dl>"))
}

/// One kind of problem
///
/// The page to which the `type` of a problem leads.
#[utoipa::path(
    get, path = "/problems/{code}", operation_id = "read_problem", tag = "documentation", security(()),
    params(("code" = String, Path, description = "The `code` of a problem")),
    responses(
        (status = 200, description = "A page", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such code", body = ProblemDocument<'static>, content_type = "application/problem+json"),
    )
)]
async fn read(Named(code): Named<String>) -> Result<Response, Problem> {
    let known = CODES.iter().find(|(known, _, _)| *known == code);
    let (code, title, text) = known.ok_or_else(not_found)?;
    let navigation = "<nav><a href=\"./\">All problems</a></nav>\n";
    let body = format!("<h1>{}</h1>\n<p><code>{code}</code></p>\n<p>{}</p>", escape(title), prose(text));
    Ok(page(title, navigation, &body))
}

fn page(title: &str, navigation: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Claviger</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{navigation}<main>\n{body}\n</main>\n\
         <footer>Claviger, the keeper of the keys. When you ask for help, give the <code>X-Request-Id</code> of the answer to the people who run this service.</footer>\n\
         </body>\n</html>\n",
        title = escape(title)
    );
    let mut response = Html(html).into_response();
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_stands_inside_the_page() {
        assert!(!STYLE.contains('<'));
    }

    #[test]
    fn no_page_asks_for_more_than_its_policy_allows() {
        let policy = POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"));
    }
}
