//! Routes with `resources = "host"`: we authenticate and look at scopes, versions and restrictions; what there
//! is, and whose it is, only the application knows.

use claviger_testkit::folder;
use serde_json::{Value, json};

use crate::guarded::{Guarded, OPERATOR, secret};
use crate::upstream::Upstream;

const ROUTES: &str = r#"
[[routes]]
path = "/r/{report}"
target = "report:{report}"
action = "report:read"
resources = "host"
upstream = "UPSTREAM"

[[routes]]
path = "/r/{report}@{version}"
target = "report:{report}"
version = "{version}"
action = "report:read"
resources = "host"
upstream = "UPSTREAM"

[[routes]]
path = "/r/{report}"
methods = ["PUT"]
target = "report:{report}"
action = "report:write"
resources = "host"
upstream = "UPSTREAM"

[[routes]]
path = "/open/{report}"
target = "report:{report}"
action = "report:read"
resources = "host"
anonymous = true
upstream = "UPSTREAM"
"#;

/// What is always told, empty or not.
fn identity(seen: &Value) -> [&str; 3] {
    ["subject", "resource", "version"]
        .map(|name| seen["headers"][format!("x-claviger-{name}")].as_str().unwrap())
}

#[test]
fn the_host_decides_what_exists() {
    let data = folder();
    let upstream = Upstream::start();
    let house = Guarded::start(data.path(), &ROUTES.replace("UPSTREAM", &upstream.url));
    let gateway = house.serve.gateway;
    let get = |path: &str, key: &str| gateway.get(path).bearer(key).send();
    let reader = house.new_key(json!({"scopes": ["report:read"]}));
    let writer = house.new_key(json!({"scopes": ["report:write"]}));

    // Nobody has ever told us of this one.
    let seen = get("/r/unheard-of", secret(&reader)).expect(200).json();
    assert_eq!(identity(&seen), [&house.account, "report:unheard-of", ""]);
    let answer = get("/r/unheard-of@3", secret(&reader)).expect(200);
    assert_eq!(answer.header("x-claviger-version"), Some("3"));
    assert_eq!(identity(&answer.json()), [&house.account, "report:unheard-of", "3"]);
    // What is not a name, or not a version, is nothing to the host either.
    for path in ["/r/un+heard", "/r/x@0", "/r/x@03", "/r/x@latest"] {
        get(path, secret(&reader)).expect(404);
    }

    // Scopes count, per action; so does all that makes a key good.
    gateway.request("PUT", "/r/x").json(&json!({})).bearer(secret(&writer)).send().expect(200);
    gateway.request("PUT", "/r/x").json(&json!({})).bearer(secret(&reader)).send().expect(403);
    get("/r/x", secret(&writer)).expect(403);
    gateway.get("/r/x").send().expect(401);
    get("/r/x", "sk_0000000000000000000000000000000000000").expect(401);
    get("/r/x", OPERATOR).expect(403);
    let elsewhere = house.new_key(json!({"restrictions": {"addresses": ["192.0.2.0/24"]}}));
    assert_eq!(get("/r/x", secret(&elsewhere)).expect(403).json()["code"], "restricted");
    house.set_status("disabled");
    assert_eq!(get("/r/x", house.secret()).expect(401).json()["code"], "key_disabled");

    // Without a credential where the route allows it: what may be seen then is the host's to say.
    assert_eq!(identity(&gateway.get("/open/x").send().expect(200).json()), ["anonymous", "report:x", ""]);
    let seen = get("/open/x", secret(&reader)).expect(200).json();
    assert_eq!(identity(&seen), [&house.account, "report:x", ""]);
    get("/open/x", "sk_0000000000000000000000000000000000000").expect(401);
}

/// A key of one resource, which has to be known for the key to be made: its selector counts here, too.
#[test]
fn keys_of_one_resource() {
    let data = folder();
    let upstream = Upstream::start();
    let house = Guarded::start(data.path(), &ROUTES.replace("UPSTREAM", &upstream.url));
    let described =
        json!({"owner": house.account, "visibility": "private", "latest_version": 9, "versions": []});
    let put = house.serve.api.request("PUT", "/v1/resources/report:own").json(&described);
    put.bearer(OPERATOR).send().expect(201);
    let key = |versions: Value| house.new_key(json!({"subject": "report:own", "versions": versions}));
    let (all, second, later) = (key(Value::Null), key(json!("@2")), key(json!("@2...")));
    let check = |path: &str, expect: [u16; 3]| {
        let told = [&all, &second, &later]
            .map(|key| house.serve.gateway.get(path).bearer(secret(key)).send().status);
        assert_eq!(told, expect, "{path}");
    };
    check("/r/own@1", [200, 403, 403]);
    check("/r/own@2", [200, 200, 200]);
    check("/r/own@3", [200, 403, 200]);
    // Which version is the latest only the host knows, and it is not asked to keep to a selector.
    check("/r/own", [200, 403, 403]);
    check("/r/other", [404, 404, 404]);
    let write = house.serve.gateway.request("PUT", "/r/own").json(&json!({})).bearer(secret(&all)).send();
    assert_eq!(write.status, 403);
}
