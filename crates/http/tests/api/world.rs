//! People, a team, projects, resources and keys, made over the API itself.

use serde_json::{Value, json};

use crate::app::{OPERATOR, TestApp};

/// Every scope that a key can have without being one of an operator's, but `key:verify`.
pub const FULL: [&str; 10] = [
    "*:*",
    "key:create",
    "key:read",
    "key:update",
    "key:delete",
    "account:*",
    "team:*",
    "project:*",
    "resource:*",
    "history:*",
];

/// A key, with its text.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

pub struct World {
    pub app: TestApp,
    pub ada: String,
    pub bob: String,
    pub eve: String,
    /// Ada owns it, Eve is a member.
    pub lab: String,
    /// Ada holds it, Eve views it.
    pub atlas: String,
    /// Ada's key, and Bob's, with every scope.
    pub ada_full: Key,
    pub bob_full: Key,
    /// Ada's key that reads notebooks and does nothing else.
    pub ada_narrow: Key,
    pub ada_disabled: Key,
    pub ada_expired: Key,
    pub lab_full: Key,
    pub lab_narrow: Key,
    pub atlas_full: Key,
    /// Keys of `notebook:alpha`: of version 2, and of version 2 and later.
    pub pinned: Key,
    pub open: Key,
    /// An operator key without a scope.
    pub operator_narrow: Key,
}

impl World {
    pub async fn new() -> Self {
        let app = TestApp::start().await;
        let ada = account(&app, "Ada").await;
        let bob = account(&app, "Bob").await;
        let eve = account(&app, "Eve").await;
        let lab = made(&app, "/v1/teams", json!({"name": "Lab", "owner": ada})).await;
        let owner = format!("account:{ada}");
        let atlas = made(&app, "/v1/projects", json!({"name": "Atlas", "owner": owner})).await;
        for (group, role) in [(format!("teams/{lab}"), "member"), (format!("projects/{atlas}"), "viewer")] {
            app.put(OPERATOR, &format!("/v1/{group}/members/{eve}"), json!({"role": role})).await.ok(200);
        }
        resources(&app, &ada, &lab, &atlas).await;
        let (of_ada, of_bob) = (format!("account:{ada}"), format!("account:{bob}"));
        let (of_lab, of_atlas) = (format!("team:{lab}"), format!("project:{atlas}"));
        let scopes =
            |subject: &str, scopes: &[&str]| json!({"name": "k", "subject": subject, "scopes": scopes});
        let ada_disabled = key(&app, scopes(&of_ada, &FULL)).await;
        app.patch(OPERATOR, &format!("/v1/keys/{}", ada_disabled.id), json!({"status": "disabled"}))
            .await
            .ok(200);
        let mut brief = scopes(&of_ada, &FULL);
        brief["expires_at"] = json!("2027-01-15T08:00:10Z");
        let ada_expired = key(&app, brief).await;
        app.advance(10);
        let versions =
            |versions: &str| json!({"name": "r", "subject": "notebook:alpha", "versions": versions});
        Self {
            ada_full: key(&app, scopes(&of_ada, &FULL)).await,
            bob_full: key(&app, scopes(&of_bob, &FULL)).await,
            ada_narrow: key(&app, scopes(&of_ada, &["notebook:read"])).await,
            ada_disabled,
            ada_expired,
            lab_full: key(&app, scopes(&of_lab, &FULL)).await,
            lab_narrow: key(&app, scopes(&of_lab, &["notebook:read"])).await,
            atlas_full: key(&app, scopes(&of_atlas, &FULL)).await,
            pinned: key(&app, versions("@2")).await,
            open: key(&app, versions("@2...")).await,
            operator_narrow: key(&app, scopes("operator", &[])).await,
            app,
            ada,
            bob,
            eve,
            lab,
            atlas,
        }
    }
}

async fn account(app: &TestApp, name: &str) -> String {
    made(app, "/v1/accounts", json!({"name": name, "external_id": name})).await
}

async fn made(app: &TestApp, path: &str, body: Value) -> String {
    app.post(OPERATOR, path, body).await.ok(201)["id"].as_str().unwrap().to_owned()
}

/// Makes a key with the operator's.
pub async fn key(app: &TestApp, body: Value) -> Key {
    let made = app.post(OPERATOR, "/v1/keys", body).await.ok(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Key { id: text(&made["key"]["id"]), secret: text(&made["secret"]) }
}

/// A private notebook of Ada's, one that is public from version 2 on, one that the team shares, one that it
/// does not, and one of the project.
async fn resources(app: &TestApp, ada: &str, lab: &str, atlas: &str) {
    let versions = json!([
        {"version": 1, "secrets": [], "databases": ["lake"]},
        {"version": 2, "secrets": ["token"], "databases": ["lake"]},
        {"version": 3},
    ]);
    let put = async |id: &str, owner: String, visibility: &str| {
        let mut body = json!({
            "owner": owner, "creator": ada, "visibility": visibility, "latest_version": 3, "versions": versions,
        });
        if id == "open" {
            body["public_from"] = json!(2);
        }
        app.put(OPERATOR, &format!("/v1/resources/notebook:{id}"), body).await.ok(201);
    };
    put("alpha", format!("account:{ada}"), "private").await;
    put("open", format!("account:{ada}"), "public").await;
    put("shared", format!("team:{lab}"), "shared").await;
    put("unshared", format!("team:{lab}"), "private").await;
    put("atlas", format!("project:{atlas}"), "private").await;
}
