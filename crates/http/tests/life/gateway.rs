//! What the gateway counts, limits and records.

use serde_json::{Value, json};

use crate::front::{self, Front};
use crate::house::{House, OPERATOR};

const ROUTES: &str = r#"
[[routes]]
path = "/all"
history = "all"
upstream = "http://UPSTREAM"
[[routes]]
path = "/writes"
methods = ["GET", "POST"]
upstream = "http://UPSTREAM"
[[routes]]
path = "/off"
methods = ["POST"]
history = "off"
upstream = "http://UPSTREAM"
[[routes]]
path = "/embed/{page}"
target = "notebook:{page}"
action = "notebook:read"
context = "embed"
history = "all"
upstream = "http://UPSTREAM"
"#;

/// Starts a gateway with an application behind it; returns its address.
async fn gateway(house: &House) -> String {
    Front::start(&house.state, ROUTES).await.address
}

/// The whole answer, in lower case.
async fn ask(address: &str, method: &str, path: &str, key: &str) -> String {
    let key = if key.is_empty() { String::new() } else { format!("x-api-key: {key}\r\n") };
    front::ask(address, method, path, &format!("content-length: 0\r\n{key}")).await.to_ascii_lowercase()
}

#[tokio::test]
async fn rates() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let rate = json!({"restrictions": {"rate": {"limit": 1, "period_seconds": 60}}});
    let (id, key) = house.key(rate).await;
    let first = ask(&address, "GET", "/writes", &key).await;
    assert!(first.starts_with("http/1.1 200") && first.ends_with("served"), "{first}");
    assert!(first.contains("ratelimit-policy: \"key\";q=1;w=60\r\n"), "{first}");
    assert!(first.contains("ratelimit: \"key\";r=0;t=60\r\n"), "{first}");
    let second = ask(&address, "GET", "/writes", &key).await;
    assert!(second.starts_with("http/1.1 429") && second.contains("retry-after: "), "{second}");
    assert!(second.contains("ratelimit: \"key\";r=0;") && second.contains("rate_limited"), "{second}");
    house.state.authority.flush_usage().await.unwrap();
    let usage = house.get(&format!("/v1/usage?key={id}&step=hour")).await.body;
    let row = &usage["items"][0];
    assert_eq!((&row["allowed"], &row["refused"]), (&json!(1), &json!(1)), "{usage}");
    assert_eq!(house.get(&format!("/v1/keys/{id}")).await.body["last_used_from"], "127.0.0.1");
}

#[tokio::test]
async fn what_is_recorded() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let (id, key) = house.key(json!({})).await;
    for (method, path) in [("GET", "/all"), ("GET", "/writes"), ("POST", "/writes"), ("POST", "/off")] {
        let answer = ask(&address, method, path, &key).await;
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
    }
    assert!(ask(&address, "GET", "/all", "").await.starts_with("http/1.1 401"));
    assert_eq!(house.state.authority.flush_notes().await.unwrap(), 3);
    let rows = async |query: &str| {
        let listed = house.get(&format!("/v1/history?{query}")).await.body;
        let row = |row: &Value| {
            ["actor", "action", "authority", "origin", "outcome"].map(|f| row[f].as_str().unwrap().to_owned())
        };
        listed["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let own = format!("key:{id}");
    let done = |action: &str| [&*own, action, &*house.account, "api", "done"].map(str::to_owned);
    assert_eq!(rows(&format!("key={id}")).await, [done("request:post"), done("request:get")]);
    let stranger = ["anonymous", "request:get", "operator", "api", "credentials_required"].map(str::to_owned);
    assert_eq!(rows("actor=anonymous").await, [stranger]);
}

/// A page in somebody else's page: whatever becomes of it, its origin in the history is `embed`.
#[tokio::test]
async fn what_is_recorded_of_embeds() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let notebook =
        json!({"holder": house.account, "visibility": "private", "latest_version": 1, "versions": []});
    house.ask("PUT", "/v1/resources/notebook:x", OPERATOR, &[], Some(notebook)).await;
    let page = json!({"name": "page", "authority": "notebook:x"});
    let page = house.post("/v1/keys", page).await;
    assert_eq!(page.status, 201, "{}", page.body);
    let (id, key) = house.key(json!({})).await;
    assert!(ask(&address, "GET", "/embed/x", &page.text("secret")).await.starts_with("http/1.1 200"));
    assert!(
        ask(&address, "GET", "/embed/x", &key).await.starts_with("http/1.1 404"),
        "{id} is of an account"
    );
    house.state.authority.flush_notes().await.unwrap();
    let listed = house.get("/v1/history?origin=embed").await.body;
    let row = |row: &Value| {
        ["key", "action", "target", "authority", "outcome"].map(|f| row[f].as_str().unwrap().to_owned())
    };
    let rows = listed["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>();
    let page = page.body["key"]["id"].as_str().unwrap().to_owned();
    let row = |key: &str, outcome: &str| {
        [key, "notebook:read", "notebook:x", &*house.account, outcome].map(str::to_owned)
    };
    assert_eq!(rows, [row(&id, "not_found"), row(&page, "done")]);
    assert_eq!(house.get("/v1/history?origin=api&action=notebook:read").await.body["items"], json!([]));
}

/// As on the API, no refusal quotes what was sent, wherever a key's text was put.
#[tokio::test]
async fn no_refusal_quotes_what_was_sent() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let (_, text) = house.key(json!({})).await;
    let part = text[..text.len() - 6].to_lowercase();
    let mut refused = 0;
    let mut check = |answer: String, place: &str| {
        if !answer.starts_with("http/1.1 200") {
            refused += 1;
            assert!(answer.contains("application/problem+json"), "{place}: {answer}");
            assert!(!answer.contains(&part), "{place} is quoted: {answer}");
        }
    };
    let paths = [
        format!("/{text}"),
        format!("/embed/{text}"),
        format!("/embed/{text}+"),
        format!("/all/{text}"),
        format!("/all//{text}"),
        format!("/embed/%2e{text}"),
        format!("/all?api_key={text}x"),
        format!("/all?api_key={text}&api_key=x{text}"),
        format!("/{text}%2F.."),
        format!("http://{text}/all"),
        text.clone(),
        format!("/embed/{text}?token={text}"),
    ];
    for path in paths {
        for key in ["", &*text, &*format!("{text}x")] {
            check(ask(&address, "GET", &path, key).await, &path);
        }
    }
    for header in [
        "authorization",
        "x-api-key",
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "origin",
        "expect",
        "upgrade",
        "connection",
        "transfer-encoding",
        "content-length",
        "te",
        "cookie",
        "x-original-uri",
        "access-control-request-method",
    ] {
        for value in
            [text.clone(), format!("Token {text}"), format!("Basic {text}"), format!("Bearer {text} {text}")]
        {
            let answer = front::ask(&address, "GET", "/all", &format!("{header}: {value}\r\n")).await;
            check(answer.to_ascii_lowercase(), header);
        }
    }
    check(ask(&address, &text.replace('_', "-"), "/all", &text).await, "the method");
    check(ask(&address, "POST", &format!("/all?{text}"), &text).await, "a method that is not allowed");
    assert!(refused > 60, "{refused}");
}
