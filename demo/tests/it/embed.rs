//! `/embed/…`: pages.

use claviger_demo::CATALOG;

use crate::harness::{Answer, Gateway, app, get};

const ID: &str = CATALOG.private_notebook;
const EVERYTHING: &str =
    "secret:WEATHER_TOKEN secret:ARCHIVE_TOKEN secret:LAB_TOKEN database:stations database:archive";

fn embedded(version: u32, grants: &str) -> Gateway {
    let gateway = Gateway::anonymous().with("subject", &format!("notebook:{ID}"));
    gateway.with("grants", grants).on(&format!("notebook:{ID}"), version)
}

#[track_caller]
fn shows(answer: &Answer, parts: &[&str]) {
    assert_eq!(answer.status, 200, "{answer:?}");
    for part in parts {
        assert!(answer.text().contains(part), "`{part}` is not in {}", answer.text());
    }
}

#[track_caller]
fn hides(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(!answer.text().contains(part), "`{part}` is in {}", answer.text());
    }
}

#[tokio::test]
async fn the_page_shows_the_values_of_the_version_that_the_gateway_names() {
    let app = app().await;
    let first = get(&app, &format!("/embed/{ID}"), embedded(1, "")).await;
    shows(&first, &["<h1>Rainfall at the harbour</h1>", "Version 1 of", "3, 0, 7, 12, 5", ">27</dd>"]);
    hides(&first, &["Secrets", "Databases", "wettest"]);
    let second = get(&app, &format!("/embed/{ID}@2"), embedded(2, "")).await;
    shows(&second, &["by station</h1>", "Version 2 of", "<dt>wettest</dt><dd class=\"number\">12</dd>"]);
    shows(&second, &["<dt>answer</dt><dd class=\"number\">74</dd>"]);
    let third = get(&app, &format!("/embed/{ID}"), embedded(3, "")).await;
    shows(&third, &["against the archive</h1>", "<dt>answer</dt><dd class=\"number\">75</dd>"]);
    get(&app, &format!("/embed/{ID}@2"), embedded(3, "")).await.problem(403);
    get(&app, &format!("/embed/{ID}@4"), embedded(4, "")).await.problem(404);
    get(&app, &format!("/embed/{ID}@x"), embedded(3, "")).await.problem(404);
}

#[tokio::test]
async fn secrets_and_databases_are_used_only_where_they_are_granted() {
    let app = app().await;
    let token = "WEATHER_TOKEN = demo-token-…e2a6";
    let row = "<tr><td>lighthouse</td><td>31</td><td>29</td></tr>";
    let no_token = "This embed has no access to the secret <code>WEATHER_TOKEN</code>.";
    let no_rows = "This embed has no access to the database <code>stations</code>.";
    let page = async |grants| get(&app, &format!("/embed/{ID}@2"), embedded(2, grants)).await;

    let both = page("secret:WEATHER_TOKEN database:stations").await;
    shows(&both, &[token, row]);
    hides(&both, &["no access"]);
    let secret = page("secret:WEATHER_TOKEN").await;
    shows(&secret, &[token, no_rows]);
    hides(&secret, &[row, no_token]);
    let database = page("database:stations").await;
    shows(&database, &[no_token, row]);
    hides(&database, &["demo-token", no_rows]);
    for grants in
        ["", "secret:weather_token", "WEATHER_TOKEN stations", "secret:stations database:WEATHER_TOKEN"]
    {
        let none = page(grants).await;
        shows(&none, &[no_token, no_rows]);
        hides(&none, &["demo-token", "lighthouse"]);
    }
}

#[tokio::test]
async fn a_grant_counts_only_where_the_version_references_what_it_names() {
    let app = app().await;
    let first = get(&app, &format!("/embed/{ID}"), embedded(1, EVERYTHING)).await;
    shows(&first, &[]);
    hides(&first, &["demo-token", "<table>"]);
    let third = get(&app, &format!("/embed/{ID}"), embedded(3, EVERYTHING)).await;
    shows(&third, &["ARCHIVE_TOKEN = demo-token-…c7d9", "<td>2023</td><td>41</td>"]);
    hides(&third, &["WEATHER_TOKEN", "lighthouse"]);
}

#[tokio::test]
async fn what_stands_in_a_page_is_escaped() {
    let app = app().await;
    let id = CATALOG.public_notebook;
    let public = Gateway::anonymous().on(&format!("notebook:{id}"), 2);
    let page = get(&app, &format!("/embed/{id}"), public).await;
    shows(&page, &["<h1>Tides &amp; currents &lt;for everybody&gt;</h1>"]);
    hides(&page, &["<for everybody>"]);
    let path = format!("/embed/{ID}?cells=%3Cscript%3Ealert(1)%3C/script%3E");
    let page = get(&app, &path, embedded(1, "")).await;
    shows(&page, &["No cell is named <code>&lt;script&gt;alert(1)&lt;/script&gt;</code>."]);
    hides(&page, &["<script", "<dl"]);
}

#[tokio::test]
async fn cells_can_be_picked_out() {
    let app = app().await;
    for query in ["cells=total,answer", "v=3&cells=total&cells=answer", "cells=total%2C+answer,"] {
        let page = get(&app, &format!("/embed/{ID}?{query}"), embedded(1, "")).await;
        shows(&page, &["<dt>total</dt>", "<dt>answer</dt>"]);
        hides(&page, &["<dt>rain</dt>", "No cell"]);
    }
    let many = vec!["x"; 33].join(",");
    get(&app, &format!("/embed/{ID}?cells={many}"), embedded(1, "")).await.problem(400);
}

#[tokio::test]
async fn the_policy_lets_nothing_run_or_load() {
    let app = app().await;
    let page = get(&app, &format!("/embed/{ID}"), embedded(1, "")).await;
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.ends_with("form-action 'none'; frame-ancestors *"), "{policy}");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    hides(&page, &["style=\"", "src=", "href=", "<script"]);
    let index = get(&app, "/", Gateway::anonymous()).await;
    shows(&index, &["/api/v1/samples", "<h1>"]);
    assert!(index.header("content-security-policy").ends_with("frame-ancestors 'none'"));
}
