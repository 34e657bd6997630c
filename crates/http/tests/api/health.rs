//! The admin listener.

use claviger_http::admin::AdminService;
use http::Method;
use http_body_util::BodyExt;

use crate::app::TestApp;

#[tokio::test]
async fn health_and_metrics() {
    let app = TestApp::start().await;
    let admin = AdminService::new(app.state.clone());
    let ask = async |method: Method, path: &str| {
        let (parts, body) = admin.answer(&method, path).await.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        (parts.status.as_u16(), parts.headers, text)
    };
    assert_eq!(ask(Method::GET, "/livez").await.0, 200);
    assert_eq!(ask(Method::GET, "/readyz").await.0, 200);
    let (status, headers, page) = ask(Method::GET, "/metrics").await;
    assert_eq!((status, headers["cache-control"].to_str().unwrap()), (200, "no-store"));
    for line in
        ["claviger_keys 1\n", "claviger_changes_applied 1\n", "claviger_history_rows_dropped_total 0\n"]
    {
        assert!(page.contains(line), "{line}{page}");
    }
    assert!(page.ends_with("# EOF\n"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(Method::HEAD, path).await.0, 200);
        let (status, headers, text) = ask(Method::POST, path).await;
        assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD"), "{path}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert!(text.contains("\"method_not_allowed\""), "{text}");
    }
    assert_eq!(ask(Method::GET, "/v1/keys").await.0, 404, "no keys are served here");
    app.state.authority.close().await.unwrap();
    let (status, headers, text) = ask(Method::GET, "/readyz").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "5"));
    assert!(text.contains("\"unavailable\""));
    assert_eq!(ask(Method::GET, "/livez").await.0, 200, "a store that is away is no reason to be killed");
}
