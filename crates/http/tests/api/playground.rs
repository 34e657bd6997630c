//! The page to try the API on.

use serde_json::Value;

use crate::app::TestApp;

/// The values of an attribute, wherever it stands.
fn attributes<'t>(html: &'t str, name: &str) -> Vec<&'t str> {
    html.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn it_loads_nothing_from_elsewhere_and_everything_it_names_is_there() {
    let app = TestApp::start().await;
    let page = app.call("GET", "/playground", None, None).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").to_owned();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.split(';').any(|part| part.trim() == rule), "{rule} in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let html = page.text();
    let inside = ["<style", " style=", " onclick=", "javascript:", "<script>", "<base"];
    assert!(inside.iter().all(|word| !html.contains(word)), "nothing that the policy would stop");

    let named = [attributes(html, "src"), attributes(html, "href")].concat();
    let mut loaded = 0;
    for address in named.iter().filter(|address| !address.starts_with('#')) {
        assert!(!address.contains(':') && !address.starts_with('/'), "{address} is below this page");
        let answer = app.call("GET", &format!("/{address}"), None, None).await;
        assert_eq!(answer.status, 200, "{address}");
        loaded += 1;
    }
    assert!(loaded >= 5, "{named:?}");
    for (asset, media_type) in
        [("page.js", "text/javascript"), ("page.css", "text/css"), ("key.svg", "image/svg+xml")]
    {
        let answer = app.call("GET", &format!("/playground/{asset}"), None, None).await;
        assert!(answer.header("content-type").starts_with(media_type), "{asset}");
        let text = answer.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("//") || asset == "page.js", "{asset} names another place");
        for word in ["http:", "https:", "localStorage", "sessionStorage", "indexedDB", "cookie ", "innerHTML"]
        {
            assert!(!text.contains(word), "{word} in {asset}");
        }
    }
    app.call("GET", "/playground/other.js", None, None).await.refused(404, "not_found");
}

#[tokio::test]
async fn every_operation_has_a_form_and_every_parameter_a_field() {
    let app = TestApp::start().await;
    let description = app.call("GET", "/openapi.json", None, None).await.ok(200);
    let page = app.call("GET", "/playground", None, None).await;
    let html = page.text();
    let (mut links, mut ids) = (attributes(html, "href"), attributes(html, "id"));
    links.retain(|link| link.starts_with('#'));
    assert!(links.iter().all(|link| ids.contains(&&link[1..])), "every link leads to a place of the page");
    for (path, item) in description["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(links.contains(&format!("#{id}").as_str()), "{id} is listed");
            let article = html.split(&format!("<article id=\"{id}\"")).nth(1).unwrap();
            let article = article.split("</article>").next().unwrap();
            assert!(article.contains(&format!("data-path=\"{path}\"")));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let field = format!("id=\"{id}.{}\"", parameter["name"].as_str().unwrap());
                assert!(article.contains(&field), "{field}");
            }
            if operation["requestBody"] != Value::Null {
                assert!(article.contains(&format!("id=\"{id}.body\"")) && article.contains("&quot;"), "{id}");
            }
        }
    }
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "no identifier stands twice");
}
