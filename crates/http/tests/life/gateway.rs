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
[[routes]]
path = "/anybody"
anonymous = true
upstream = "http://UPSTREAM"
[[routes]]
path = "/public/{page}"
target = "notebook:{page}"
action = "notebook:read"
anonymous = true
upstream = "http://UPSTREAM"
[[routes]]
path = "/hosted/{page}"
target = "notebook:{page}"
action = "notebook:read"
resources = "host"
history = "off"
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

/// No operator key ever passes to an application: not where nothing is asked of a key, and not where everybody may.
#[tokio::test]
async fn operator_keys_are_refused_on_every_route() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let narrow = json!({"name": "app", "subject": "operator", "scopes": ["key:verify"]});
    let narrow = house.post("/v1/keys", narrow).await.text("secret");
    let public = json!({"owner": house.account, "visibility": "public", "latest_version": 1, "versions": []});
    house.ask("PUT", "/v1/resources/notebook:x", OPERATOR, &[], Some(public)).await;
    for key in [OPERATOR, &narrow] {
        for (method, path) in [
            ("GET", "/all"),
            ("POST", "/writes"),
            ("POST", "/off"),
            ("GET", "/anybody"),
            ("GET", "/public/x"),
            ("GET", "/public/none"),
            ("GET", "/public/x%2fy"),
            ("GET", "/embed/x"),
            ("GET", "/hosted/x"),
        ] {
            let answer = ask(&address, method, path, key).await;
            let refused = answer.starts_with("http/1.1 403") || answer.starts_with("http/1.1 400");
            assert!(refused && !answer.ends_with("served"), "{method} {path}: {answer}");
            assert!(answer.contains("they never reach what it protects") || path.contains('%'), "{answer}");
        }
    }
    assert!(ask(&address, "GET", "/anybody", "").await.ends_with("served"), "others pass");
    assert!(ask(&address, "GET", "/public/x", "").await.ends_with("served"));
}

/// `X_API_KEY` is no slot, yet many an application reads it as `X-API-Key`: the key in it must not arrive there.
#[tokio::test]
async fn a_key_under_another_spelling_never_reaches_the_application() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let (_, key) = house.key(json!({})).await;
    let stray = "stray_0123456789abcdefghijklmnop";
    for name in ["X_API_KEY", "x.api.key", "X-Api_Key", "x~api~key", "Proxy_Authorization"] {
        for (path, lines) in [("/anybody", String::new()), ("/all", format!("x-api-key: {key}\r\n"))] {
            let answer = front::ask(&address, "GET", path, &format!("{lines}{name}: {stray}\r\n")).await;
            assert!(answer.ends_with("served"), "{path} {name}: {answer}");
            assert!(!answer.contains(stray) && !answer.contains(&key), "{path} {name}: {answer}");
        }
    }
}

/// A refused request is found by the id of its answer, whatever the route records.
#[tokio::test]
async fn a_refusal_is_found_by_its_request_id() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let (id, key) = house.key(json!({"scopes": ["notebook:list"]})).await;
    let reasons = async |answer: &str| {
        let (_, rest) = answer.split_once("x-request-id: ").unwrap();
        house.state.authority.flush_notes().await.unwrap();
        let listed =
            house.get(&format!("/v1/history?request_id={}", rest.lines().next().unwrap())).await.body;
        let rows = listed["items"].as_array().unwrap().clone();
        assert_eq!(rows.len(), 1, "{answer}");
        assert_eq!(rows[0]["key"], id);
        rows[0]["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let answer = ask(&address, "GET", "/hosted/x", &key).await;
    assert!(answer.starts_with("http/1.1 403"), "{answer}");
    assert_eq!(reasons(&answer).await, ["key_active", "reaches", "scope_missing"]);
    let answer = ask(&address, "GET", "/public/none", &key).await;
    assert!(answer.starts_with("http/1.1 404"), "{answer}");
    assert_eq!(reasons(&answer).await[0], "key_active");
    let (path, off) = (format!("/v1/keys/{id}"), json!({"status": "disabled"}));
    assert_eq!(house.ask("PATCH", &path, OPERATOR, &[], Some(off)).await.status, 200);
    let answer = ask(&address, "GET", "/writes", &key).await;
    assert!(answer.starts_with("http/1.1 401"), "{answer}");
    assert_eq!(reasons(&answer).await, ["key_disabled"]);
}

/// A node that may lack a committed change passes nothing on, and says 503.
#[tokio::test]
async fn a_node_that_may_lack_a_change_passes_nothing() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let (_, key) = house.key(json!({})).await;
    assert!(ask(&address, "GET", "/all", &key).await.ends_with("served"));
    house.state.authority.lose_freshness("a test");
    for key in [key.as_str(), "sk_nobody_ever_issued_this_one_here", ""] {
        for path in ["/all", "/writes", "/anybody", "/embed/x"] {
            let answer = ask(&address, "GET", path, key).await;
            assert!(
                answer.starts_with("http/1.1 503") && answer.contains("\"not_fresh\""),
                "{path}: {answer}"
            );
            assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        }
    }
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
    // Anybody can make as many of these as they like; a metric counts them.
    let unheard = "sk_0123456789abcdefghijklmnopqrstuvwxyz01";
    for (method, path, key) in [("GET", "/all", ""), ("POST", "/all", ""), ("POST", "/writes", unheard)] {
        assert!(ask(&address, method, path, key).await.starts_with("http/1.1 40"), "{path}");
    }
    assert_eq!(house.state.authority.flush_notes().await.unwrap(), 2);
    let rows = async |query: &str| {
        let listed = house.get(&format!("/v1/history?{query}")).await.body;
        let row = |row: &Value| {
            ["actor", "action", "subject", "origin", "outcome"].map(|f| row[f].as_str().unwrap().to_owned())
        };
        listed["items"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let own = format!("key:{id}");
    let done = |action: &str| [&*own, action, &*house.account, "api", "done"].map(str::to_owned);
    assert_eq!(rows(&format!("key={id}")).await, [done("request:post"), done("request:get")]);
    assert_eq!(rows("actor=anonymous").await, [[""; 5]; 0]);
}

/// A page in somebody else's page: whatever becomes of it, its origin in the history is `embed`.
#[tokio::test]
async fn what_is_recorded_of_embeds() {
    let house = House::new().await;
    let address = gateway(&house).await;
    let notebook =
        json!({"owner": house.account, "visibility": "private", "latest_version": 1, "versions": []});
    house.ask("PUT", "/v1/resources/notebook:x", OPERATOR, &[], Some(notebook)).await;
    let page = json!({"name": "page", "subject": "notebook:x"});
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
        ["key", "action", "target", "subject", "outcome"].map(|f| row[f].as_str().unwrap().to_owned())
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
