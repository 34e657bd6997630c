//! Keys that may be used so many times.

use serde_json::json;

use crate::house::House;

#[tokio::test]
async fn the_api_counts_and_tells() {
    let house = House::new().await;
    let rate = json!({"restrictions": {"rate": {"limit": 2, "period_seconds": 3600}}});
    let (_, key) = house.key(rate).await;
    let ask = async || house.ask("GET", "/v1/whoami", &key, &[], None).await;
    let first = ask().await;
    assert_eq!(first.status, 200);
    assert_eq!(first.field("ratelimit-policy"), "\"key\";q=2;w=3600");
    assert_eq!(first.field("ratelimit"), "\"key\";r=1;t=1800");
    assert_eq!(ask().await.status, 200);
    let third = ask().await;
    assert_eq!((third.status.as_u16(), third.code()), (429, "rate_limited"));
    assert!(third.field("ratelimit").starts_with("\"key\";r=0;"));
    assert!((1..=1800).contains(&third.field("retry-after").parse::<u32>().unwrap()));
    let (_, free) = house.key(json!({})).await;
    let free = house.ask("GET", "/v1/whoami", &free, &[], None).await;
    assert_eq!((free.status.as_u16(), free.field("ratelimit")), (200, ""));
}

#[tokio::test]
async fn a_verification_counts_and_tells() {
    let house = House::new().await;
    let rate = json!({"restrictions": {"rate": {"limit": 1, "period_seconds": 60}}});
    let (id, key) = house.key(rate).await;
    let verify = async |key: &str| house.post("/v1/verify", json!({"key": key})).await;
    let first = verify(&key).await;
    assert_eq!((first.body["valid"].as_bool(), first.body.get("retry_after_seconds")), (Some(true), None));
    let second = verify(&key).await;
    assert_eq!((second.status.as_u16(), second.body["valid"].as_bool()), (200, Some(false)));
    assert_eq!((second.code(), second.body["key_id"].as_str()), ("rate_limited", Some(&*id)));
    assert!((1..=60).contains(&second.body["retry_after_seconds"].as_u64().unwrap()));
    let batch = house.post("/v1/verify/batch", json!({"requests": [{"key": key}]})).await;
    assert_eq!(batch.body["results"][0]["code"], "rate_limited");
}

#[tokio::test]
async fn a_key_verifies_itself() {
    let house = House::new().await;
    let rate =
        json!({"scopes": ["notebook:read"], "restrictions": {"rate": {"limit": 4, "period_seconds": 60}}});
    let (id, key) = house.key(rate).await;
    let ask = async |query: &str| house.ask("GET", &format!("/v1/verify{query}"), &key, &[], None).await;
    let itself = ask("").await;
    assert_eq!((itself.status.as_u16(), itself.code()), (200, "valid"), "{}", itself.body);
    assert_eq!(itself.body["key_id"], id);
    // One use, not two: as a credential of the API.
    assert!(itself.field("ratelimit").starts_with("\"key\";r=3;"));
    let posted = house.post("/v1/verify", json!({"key": key})).await;
    assert_eq!(posted.body, itself.body);
    let hidden = ask("?action=notebook:read&target=notebook:none&version=2").await;
    assert_eq!((hidden.body["valid"].as_bool(), hidden.code()), (Some(false), "not_found"));
    assert_eq!(ask("?version=2").await.status, 400);
    assert_eq!(ask("").await.status, 429);
    let nobody = house.ask("GET", "/v1/verify", "", &[], None).await;
    assert_eq!((nobody.status.as_u16(), nobody.code()), (401, "credentials_required"));
}

#[tokio::test]
async fn a_quota_is_told_beside_the_rate() {
    let house = House::new().await;
    let rate = json!({"limit": 100, "period_seconds": 60});
    for (period, name) in [("day", "a day"), ("month", "a month")] {
        let quota = json!({"limit": 2, "period": period});
        let (id, key) = house.key(json!({"restrictions": {"rate": rate, "quota": quota}})).await;
        let shown = house.get(&format!("/v1/keys/{id}")).await.body;
        assert_eq!(shown["restrictions"]["quota"], quota, "{name}");
        let ask = async || house.ask("GET", "/v1/whoami", &key, &[], None).await;
        let first = ask().await;
        let all = |name: &str| {
            let values = first.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
            values.collect::<Vec<_>>()
        };
        let (policies, limits) = (all("ratelimit-policy"), all("ratelimit"));
        assert_eq!(policies[0], "\"key\";q=100;w=60");
        let days = policies[1].strip_prefix("\"quota\";q=2;w=").unwrap().parse::<u64>().unwrap() / 86_400;
        assert!(if period == "day" { days == 1 } else { (28..=31).contains(&days) }, "{policies:?}");
        assert!(
            limits[0].starts_with("\"key\";r=99;") && limits[1].starts_with("\"quota\";r=1;t="),
            "{limits:?}"
        );
        // A verification is a use, too.
        let verify = async || house.post("/v1/verify", json!({"key": key})).await.body;
        assert_eq!(verify().await["valid"], true);
        let third = ask().await;
        assert_eq!((third.status.as_u16(), third.code()), (429, "quota_exceeded"));
        let wait = third.field("retry-after").parse::<u64>().unwrap();
        assert!((1..=days * 86_400).contains(&wait), "{wait}");
        assert_eq!(third.field("ratelimit-policy"), policies[1], "the rate was not asked");
        assert_eq!(third.field("ratelimit"), format!("\"quota\";r=0;t={wait}"));
        let refused = verify().await;
        assert_eq!((&refused["valid"], &refused["code"]), (&json!(false), &json!("quota_exceeded")));
        assert!((1..=days * 86_400).contains(&refused["retry_after_seconds"].as_u64().unwrap()));
        // A larger quota is in force with the answer.
        let wider = json!({"restrictions": {"quota": {"limit": 3, "period": period}}});
        let path = format!("/v1/keys/{id}");
        let operator = crate::house::OPERATOR;
        assert_eq!(house.ask("PATCH", &path, operator, &[], Some(wider)).await.status, 200);
        assert_eq!((ask().await.status.as_u16(), ask().await.status.as_u16()), (200, 429));
    }
    let wrong = [json!({"limit": 0, "period": "day"}), json!({"limit": 1, "period": "week"})];
    for quota in wrong {
        let body = json!({"name": "n", "subject": house.account, "restrictions": {"quota": quota}});
        let refused = house.post("/v1/keys", body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_request"), "{quota}");
    }
}
