//! `/v1/resources`.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::app::OPERATOR;
use crate::world::World;

fn described(w: &World) -> Value {
    json!({
        "owner": format!("account:{}", w.ada), "creator": w.ada, "visibility": "private", "latest_version": 2,
        "versions": [{"version": 2, "secrets": ["b", "a", "a"], "databases": []}],
    })
}

#[tokio::test]
async fn a_resource_from_its_first_description_to_its_end() {
    let w = World::new().await;
    let path = "/v1/resources/sample:7a02e4c9f6185db3";
    let made = w.app.put(OPERATOR, path, described(&w)).await;
    assert_eq!(made.header("etag"), "\"r1\"");
    let expect = json!({
        "reference": "sample:7a02e4c9f6185db3", "type": "sample", "owner": format!("account:{}", w.ada),
        "creator": w.ada, "visibility": "private", "public_from": null, "latest_version": 2,
        "versions": [{"version": 2, "secrets": ["a", "b"], "databases": []}],
        "created_at": "2027-01-15T08:00:10Z", "updated_at": "2027-01-15T08:00:10Z",
    });
    assert_eq!(made.ok(201), expect);
    assert_eq!(w.app.put(OPERATOR, path, described(&w)).await.ok(200), expect, "a repeat changes nothing");
    for key in [OPERATOR, &w.ada_full.secret] {
        assert_eq!(w.app.get(key, path).await.ok(200), expect);
    }

    let mut public = described(&w);
    (public["visibility"], public["public_from"]) = (json!("public"), json!(2));
    let changed = w.app.put(OPERATOR, path, public).await.ok(200);
    assert_eq!((&changed["visibility"], &changed["public_from"]), (&json!("public"), &json!(2)));
    assert_eq!(changed["revocation"]["state"], "complete");
    let mut longer = described(&w);
    longer["latest_version"] = json!(3);
    let request = Request::builder().method("PUT").uri(path).header("x-api-key", OPERATOR);
    let request = request.header("if-match", "\"r1\"").header("content-type", "application/json");
    let stale = w.app.send(request.body(Body::from(longer.to_string())).unwrap()).await;
    stale.refused(412, "stale");

    let gone = w.app.delete(&w.ada_full.secret, path).await.ok(200);
    assert_eq!((&gone["id"], &gone["deleted"]), (&json!("sample:7a02e4c9f6185db3"), &json!(true)));
    w.app.get(OPERATOR, path).await.refused(404, "not_found");
    w.app.delete(OPERATOR, path).await.refused(404, "not_found");
}

#[tokio::test]
async fn listing() {
    let w = World::new().await;
    let names = async |key: &str, query: &str| {
        let page = w.app.get(key, &format!("/v1/resources?{query}")).await.ok(200);
        let items = page["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| item.get("versions").is_none()));
        items.iter().map(|item| item["reference"].as_str().unwrap()[9..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(OPERATOR, "").await, ["alpha", "atlas", "open", "shared", "unshared"]);
    assert_eq!(names(OPERATOR, "type=sample").await, Vec::<String>::new());
    assert_eq!(names(OPERATOR, &format!("owner=team:{}", w.lab)).await, ["shared", "unshared"]);
    assert_eq!(names(&w.ada_full.secret, "").await, ["alpha", "open"], "its own, unless it names another");
    let of_atlas = format!("owner=project:{}", w.atlas);
    assert_eq!(names(&w.ada_full.secret, &of_atlas).await, ["atlas"]);
    assert_eq!(names(&w.atlas_full.secret, "type=notebook").await, ["atlas"]);
    for query in ["type=Notebook", "type=", "owner=operator", "owner=notebook:alpha", "cursor=alpha"] {
        let answer = w.app.get(OPERATOR, &format!("/v1/resources?{query}")).await;
        answer.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn descriptions_that_contradict_themselves() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let with = |field: &str, value: Value| {
        let mut body = described(&w);
        body[field] = value;
        body
    };
    let names = |names: Vec<String>| json!([{"version": 1, "secrets": names}]);
    let many = (0..65).map(|n| n.to_string()).collect();
    for body in [
        with("owner", json!("operator")),
        with("owner", json!("acct_1")),
        with("creator", json!("ada")),
        with("creator", json!("acct_00000000000000000000000000")),
        with("visibility", json!("secret")),
        with("visibility", json!("shared")),
        with("public_from", json!(1)),
        with("latest_version", json!(0)),
        with("versions", json!([{"version": 0}])),
        with("versions", json!([{"version": 3}])),
        with("versions", json!([{"version": 1}, {"version": 1}])),
        with("versions", names(vec!["a b".into()])),
        with("versions", names(vec![String::new()])),
        with("versions", names(vec!["\u{0}".into()])),
        with("versions", names(vec!["x".repeat(129)])),
        with("versions", names(many)),
    ] {
        let answer = w.app.put(OPERATOR, "/v1/resources/sample:x", body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &json!("invalid_request")),
            "{body}"
        );
    }
    for body in [
        with("versions", json!([[1, [], []]])),
        with("versions", json!({})),
        with("versions", json!([{"version": 1, "secret": []}])),
        with("latest_version", json!(1.5)),
        with("latest_version", json!("2")),
        with("owner", json!(null)),
    ] {
        w.app.put(OPERATOR, "/v1/resources/sample:x", body).await.refused(400, "malformed_json");
    }
    for name in
        ["sample", "sample:", "Sample:x", "key:x", "team:x", "sample:a%20b", "sample:a%2Fb", "sample:%00"]
    {
        w.app
            .put(OPERATOR, &format!("/v1/resources/{name}"), described(&w))
            .await
            .refused(400, "invalid_request");
    }
    let nobody = with("owner", json!("account:acct_00000000000000000000000000"));
    w.app.put(OPERATOR, "/v1/resources/sample:x", nobody).await.refused(404, "not_found");
    assert_eq!(w.app.sequence().await, before);
}

/// The host believes what stands here, so it is not for those who hold a resource to say it.
#[tokio::test]
async fn only_operators_give_names_and_references() {
    let w = World::new().await;
    let before = w.app.sequence().await;
    let own = |latest: u32, versions: Value| {
        json!({
            "owner": format!("account:{}", w.ada), "creator": w.ada, "visibility": "private",
            "latest_version": latest, "versions": versions,
        })
    };
    let ada = &w.ada_full.secret;
    w.app.put(ada, "/v1/resources/notebook:new", own(1, json!([]))).await.refused(403, "forbidden");
    let wish = json!([{"version": 1, "secrets": ["somebody-elses"]}]);
    w.app.put(ada, "/v1/resources/notebook:alpha", own(3, wish)).await.refused(400, "invalid_request");
    assert_eq!(w.app.sequence().await, before);
    let same = w.app.get(ada, "/v1/resources/notebook:alpha").await.ok(200)["versions"].clone();
    let longer = w.app.put(ada, "/v1/resources/notebook:alpha", own(4, same)).await.ok(200);
    assert_eq!(longer["latest_version"], 4);
}

/// What a public resource references is not told to everybody who may read it.
#[tokio::test]
async fn references_are_for_those_who_administer() {
    let w = World::new().await;
    let path = "/v1/resources/notebook:open";
    let seen = w.app.get(&w.bob_full.secret, path).await;
    assert!(seen.ok(200).get("versions").is_none() && !seen.text().contains("token"));
    assert!(w.app.get(&w.ada_full.secret, path).await.ok(200)["versions"].is_array());
}
