//! `/api/v1/account` and `/api/v1/samples`.

use claviger_demo::CATALOG;
use serde_json::json;

use crate::harness::{Gateway, app, get};

#[tokio::test]
async fn the_account_is_the_one_that_the_gateway_names() {
    let app = app().await;
    let answer = get(&app, "/api/v1/account", Gateway::owner()).await;
    let expected = json!({
        "account": "acct_owner", "email": "owner@demo.example", "subject": "account:acct_owner",
        "key_id": "key_1", "scopes": ["notebook:read", "sample:read"],
    });
    assert_eq!(answer.json(), expected);
    let answer = get(&app, "/api/v1/account", Gateway::anonymous()).await;
    let expected =
        json!({"account": null, "email": null, "subject": "anonymous", "key_id": null, "scopes": []});
    assert_eq!(answer.json(), expected);
    let unknown = Gateway::anonymous().with("subject", "account:acct_new").with("account", "acct_new");
    assert_eq!(get(&app, "/api/v1/account", unknown).await.json()["email"], json!(null));
}

#[tokio::test]
async fn everybody_lists_public_samples_and_what_their_subject_owns() {
    let app = app().await;
    let public = [CATALOG.public_sample, CATALOG.other_public_sample];
    let check = async |subject: &str, own: &[&str]| {
        let answer = get(&app, "/api/v1/samples", Gateway::anonymous().with("subject", subject)).await;
        let ids: Vec<String> = answer.json().as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, [own, &public].concat(), "{subject}");
    };
    check("anonymous", &[]).await;
    check("account:acct_owner", &[CATALOG.private_sample]).await;
    check("account:acct_member", &[]).await;
    check("account:acct_stranger", &[]).await;
    check("team:team_lab", &[]).await;
    check("project:proj_atlas", &[CATALOG.project_sample]).await;
    check("project:proj_borealis", &[CATALOG.other_project_sample]).await;
    check("notebook:x", &[]).await;
    check("operator", &[]).await;
}

#[tokio::test]
async fn the_public_samples_are_the_same_for_everybody() {
    let app = app().await;
    for gateway in [Gateway::anonymous(), Gateway::owner()] {
        let answer = get(&app, "/api/v1/samples/public", gateway).await;
        let ids: Vec<String> = answer.json().as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, [CATALOG.public_sample, CATALOG.other_public_sample]);
    }
}

fn id(row: &serde_json::Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_sample_is_the_one_that_the_gateway_names() {
    let app = app().await;
    let sample = CATALOG.private_sample;
    let path = format!("/api/v1/samples/{sample}");
    let answer = get(&app, &path, Gateway::owner().on(&format!("sample:{sample}"), 1)).await;
    let expected = json!({
        "id": sample, "name": "Harbour sediment, 2 m", "filename": "harbour-sediment-2m.fastq.gz",
        "site": "harbour", "collected_on": "2024-05-14", "reads": 184_302, "visibility": "private",
        "$uri": path, "status": "available", "created_at": "2024-05-14T00:00:00Z",
        "owner": {"$uri": "/api/v1/users/acct_owner", "account": "acct_owner", "email": null},
        "metadata": {
            "$uri": format!("/api/v1/metadata/{sample}"), "sample": {"$ref": path},
            "name": "Harbour sediment, 2 m", "location_string": "harbour",
            "date_collected": "2024-05-14T00:00:00Z",
        },
    });
    assert_eq!(answer.json(), expected);
    let other = format!("sample:{}", CATALOG.public_sample);
    get(&app, &path, Gateway::owner().on(&other, 1)).await.problem(403);
    get(&app, &path, Gateway::owner()).await.problem(403);
    get(&app, "/api/v1/samples/unknown", Gateway::owner().on("sample:unknown", 1)).await.problem(404);
    get(&app, "/api/v1/samples/%FF", Gateway::owner()).await.problem(404);
}
