//! `/d/…`: modules and packages.

use std::collections::BTreeMap;
use std::io::Read;

use claviger_demo::CATALOG;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::harness::{Gateway, app, get};

const ID: &str = CATALOG.private_notebook;

fn reading(version: u32) -> Gateway {
    Gateway::owner().on(&format!("notebook:{ID}"), version)
}

#[tokio::test]
async fn the_module_is_of_the_version_that_the_gateway_names() {
    let app = app().await;
    let mut texts = Vec::new();
    for version in 1..=3 {
        let answer = get(&app, &format!("/d/{ID}.js?v=3"), reading(version)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.text().contains(&format!("// {ID}@{version}\n")), "{}", answer.text());
        let pinned = get(&app, &format!("/d/{ID}@{version}.js"), reading(version)).await;
        assert_eq!(pinned.body, answer.body);
        texts.push(answer.text().to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 3);
}

#[tokio::test]
async fn the_module_has_the_shape_of_the_runtime() {
    let app = app().await;
    let answer = get(&app, &format!("/d/{ID}@1.js"), reading(1)).await;
    let expected = format!(
        "// Rainfall at the harbour\n// {ID}@1\n\n\
         function _version() {{\n  return 1;\n}}\n\n\
         function _about() {{\n  return \"Rain at one station, in millimetres a day, entered by hand.\";\n}}\n\n\
         function _rain() {{\n  return [3, 0, 7, 12, 5];\n}}\n\n\
         function _total(rain) {{\n  return rain.reduce((sum, number) => sum + number, 0);\n}}\n\n\
         function _answer(total, version) {{\n  return total * version;\n}}\n\n\
         export default function define(runtime, observer) {{\n\
         \x20 const main = runtime.module();\n\
         \x20 main.variable(observer(\"version\")).define(\"version\", _version);\n\
         \x20 main.variable(observer(\"about\")).define(\"about\", _about);\n\
         \x20 main.variable(observer(\"rain\")).define(\"rain\", _rain);\n\
         \x20 main.variable(observer(\"total\")).define(\"total\", [\"rain\"], _total);\n\
         \x20 main.variable(observer(\"answer\")).define(\"answer\", [\"total\", \"version\"], _answer);\n\
         \x20 return main;\n}}\n"
    );
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn the_package_is_what_npm_installs_and_always_the_same() {
    let app = app().await;
    let answer = get(&app, &format!("/d/{ID}.tgz"), reading(2)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/gzip");
    let disposition = format!("attachment; filename=\"{ID}@2.tgz\"");
    assert_eq!(answer.header("content-disposition"), disposition);

    let files = unpack(&answer.body);
    let main = format!("package/{ID}@2.js");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let mut expected = [main.as_str(), "package/README.md", "package/index.js", "package/package.json"];
    expected.sort_unstable();
    assert_eq!(names, expected);
    let manifest: Value = serde_json::from_str(&files["package/package.json"]).unwrap();
    assert_eq!(manifest["name"], format!("@notebooks/{ID}"));
    assert_eq!(manifest["version"], "2.0.0");
    assert_eq!(manifest["type"], "module");
    assert_eq!(manifest["main"], "index.js");
    assert_eq!(files["package/index.js"], format!("export {{default}} from \"./{ID}@2.js\";\n"));
    let module = get(&app, &format!("/d/{ID}@2.js"), reading(2)).await;
    assert_eq!(files[&main], module.text());

    let again = get(&app, &format!("/d/{ID}@2.tgz"), reading(2)).await;
    assert_eq!(again.body, answer.body);
    let other = get(&app, &format!("/d/{ID}@3.tgz"), reading(3)).await;
    assert_ne!(other.body, answer.body);
}

#[tokio::test]
async fn a_download_never_contains_a_secret() {
    let app = app().await;
    for version in 1..=3 {
        let grants = "secret:WEATHER_TOKEN secret:ARCHIVE_TOKEN database:stations";
        let granted = || reading(version).with("grants", grants);
        let module = get(&app, &format!("/d/{ID}.js"), granted()).await;
        let package = unpack(&get(&app, &format!("/d/{ID}.tgz"), granted()).await.body);
        for text in package.values().map(String::as_str).chain([module.text()]) {
            assert!(!text.contains("demo-token") && !text.contains("TOKEN"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_the_gateway_cannot_have_sent_is_refused() {
    let app = app().await;
    let path = format!("/d/{ID}@2.js");
    let check = async |gateway, why: &str| {
        let detail = get(&app, &path, gateway).await.problem(403);
        assert_eq!(detail, format!("This request did not come through the gateway: {why}."));
    };
    for name in ["subject", "account", "key-id", "scopes", "grants", "resource", "version", "request-id"] {
        check(reading(2).without(name), &format!("it has no x-claviger-{name}")).await;
        check(reading(2).again(name, ""), &format!("its x-claviger-{name} is unclear")).await;
    }
    check(reading(2).with("subject", ""), "it names no subject").await;
    check(reading(2).with("resource", ""), "it names no resource").await;
    check(reading(2).with("version", ""), "it names no version").await;
    check(reading(3), "it names another version than the path").await;
    let other = format!("notebook:{}", CATALOG.team_notebook);
    check(reading(2).on(&other, 2), "it names another resource than the path").await;
    let sample = format!("sample:{ID}");
    check(reading(2).on(&sample, 2), "it names another resource than the path").await;
    for nonsense in ["0", "-1", "x", "2.0", "4294967296"] {
        check(reading(2).with("version", nonsense), "its version is not a version").await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let app = app().await;
    for end in ["", ".", ".mjs", ".JS", ".js.map", "@.js", "@0.js", "@01.js", "@1@1.js", "@x.tgz", "@1"] {
        get(&app, &format!("/d/{ID}{end}"), reading(1)).await.problem(404);
    }
    for path in [
        "/d/",
        "/d/.js",
        "/d/@1.js",
        "/d/x/y.js",
        "/d/%FF.js",
        "/d/a%00b.js",
        "/d/..%2F..%2Fetc.js",
        "/d/%3Cb%3E.js",
    ] {
        get(&app, path, reading(1)).await.problem(404);
    }
    // The authority may know versions and notebooks that the application has never had.
    get(&app, &format!("/d/{ID}@4.js"), reading(4)).await.problem(404);
    get(&app, "/d/unknown.js", Gateway::owner().on("notebook:unknown", 1)).await.problem(404);
}

fn unpack(gzip: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(gzip));
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 499_162_500);
        assert_eq!(entry.header().mode().unwrap(), 0o644);
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().display().to_string(), text)
    };
    archive.entries().unwrap().map(read).collect()
}
