//! Every operation of the API has a method, and every parameter and field can be said with it: what the client sends
//! is held against the description of the API.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use claviger_client::{
    AccountFilter, AccountPatch, Client, GroupPatch, HistoryFilter, ImportOptions, ImportRow, KeyFilter,
    KeyPatch, Leak, ListedResource, NewAccount, NewHistoryRow, NewKey, NewProject, NewTeam, ProjectFilter,
    PutAccount, Quota, Rate, Reconcile, ResourceDescription, ResourceFilter, ResourceVersion, Restrictions,
    Revoke, Rotation, Secret, Status, TeamFilter, Timestamp, UsageFilter, UsageStep, Verify, VerifyOwn,
};
use serde_json::{Value, json};

use crate::support::Running;

const KEY: &str = "sk_0123456789abcdef";

/// One request that the client made.
struct Asked {
    method: String,
    path: String,
    /// The parameters, as the description calls them: `query:limit`, `header:If-Match`.
    parameters: Vec<String>,
    body: Option<Value>,
}

type Seen = Arc<Mutex<Vec<Asked>>>;

async fn record(State(seen): State<Seen>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let pairs = head.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut parameters =
        pairs.map(|pair| format!("query:{}", pair.split('=').next().unwrap())).collect::<Vec<_>>();
    for name in ["If-Match", "If-None-Match", "Idempotency-Key"] {
        if head.headers.contains_key(name) {
            parameters.push(format!("header:{name}"));
        }
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = if body.is_empty() { None } else { Some(serde_json::from_slice(&body).unwrap()) };
    let asked = Asked { method: head.method.to_string(), path: head.uri.path().to_owned(), parameters, body };
    seen.lock().unwrap().push(asked);
    let document = json!({"status": 404, "code": "not_found", "detail": "A recorder has nothing."});
    (http::StatusCode::NOT_FOUND, axum::Json(document)).into_response()
}

async fn recorder() -> (Client, Seen) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client =
        Client::builder(format!("http://{}", listener.local_addr().unwrap())).key(KEY).build().unwrap();
    let seen = Seen::default();
    let router = Router::new().fallback(record).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (client, seen)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn at() -> Option<Timestamp> {
    Some(Timestamp::UNIX_EPOCH)
}

fn restrictions() -> Option<Restrictions> {
    let rate = Some(Rate { limit: 1, period_seconds: 1 });
    let quota = Some(Quota { limit: 1, period: "day".to_owned() });
    Some(Restrictions { addresses: Some(vec![]), origins: Some(vec![]), rate, quota })
}

/// Makes a call, whose answer is always the same 404.
macro_rules! calls {
    ($($call:expr),+ $(,)?) => { $( assert_eq!($call.await.unwrap_err().problem().unwrap().code, "not_found"); )+ };
}

async fn about_keys(client: &Client) {
    let keys = client.keys();
    let new = NewKey {
        scopes: Some(vec![]),
        versions: some("@1"),
        grants: Some(vec![]),
        expires_at: at(),
        format: some("plain"),
        restrictions: restrictions(),
        metadata: Some([("a".to_owned(), "b".to_owned())].into()),
        ..NewKey::new("CI", "account:acct_1")
    };
    let patch = KeyPatch {
        name: some("n"),
        status: Some(Status::Active),
        expires_at: Some(None),
        scopes: Some(vec![]),
        versions: Some(None),
        grants: Some(vec![]),
        restrictions: restrictions(),
        metadata: Some([].into()),
    };
    let filter = KeyFilter {
        subject: some("account:acct_1"),
        kind: some("account"),
        status: some("active"),
        created_by: some("system"),
        unused_since: at(),
    };
    let rotation = Rotation { overlap_seconds: 1, tag: some("\"1\""), idempotency_key: some("x") };
    calls!(
        keys.create(&new),
        keys.create_once(&new, "x"),
        keys.list(&filter).page_size(2).after("x").next_page(),
        keys.get("key_1"),
        keys.get_tagged("key_1"),
        keys.update("key_1", &patch, some("\"1\"")),
        keys.rotate_as("key_1", &rotation),
        keys.delete("key_1"),
        keys.delete_tagged("key_1", "\"1\""),
        keys.revoke(&Revoke::Ids(vec!["key_1".to_owned()])),
        keys.revoke(&Revoke::Subject("account:acct_1".to_owned())),
        keys.delete_own(),
        client.whoami(),
        client.change("chg_1"),
    );
}

async fn about_imports(client: &Client) {
    let keys = client.keys();
    let row = ImportRow {
        key: Some(Secret::new(KEY)),
        sha256: some("00"),
        name: "n".to_owned(),
        subject: "account:acct_1".to_owned(),
        scopes: Some(vec![]),
        versions: some("@1"),
        grants: Some(vec![]),
        expires_at: at(),
        created_at: at(),
        preview: some("sk_...abcd"),
        status: some("active"),
        restrictions: restrictions(),
        metadata: Some([].into()),
    };
    let rows = [row];
    calls!(
        keys.import(&rows, ImportOptions::default()),
        keys.begin_import(ImportOptions::default()),
        keys.import_progress("imp_1"),
        keys.stage_import("imp_1", &rows),
        keys.commit_import("imp_1"),
        keys.abandon_import("imp_1"),
    );
}

async fn about_verification(client: &Client) {
    let question = Verify {
        version: Some(1),
        context: some("api"),
        ip: some("192.0.2.7"),
        origin: some("https://example.org"),
        explain: true,
        count: false,
        ..Verify::new(KEY).action("notebook:read").target("notebook:1")
    };
    let own = VerifyOwn {
        action: some("notebook:read"),
        target: some("notebook:1"),
        version: Some(1),
        context: some("api"),
        diagnosis: true,
        explain: true,
    };
    let leak = Leak { url: some("https://example.org"), source: some("me"), ..Leak::new(KEY) };
    let usage = UsageFilter { from: at(), to: at(), step: UsageStep::Day, ..UsageFilter::new("key_1") };
    let history = HistoryFilter {
        subject: some("operator"),
        actor: some("system"),
        key: some("key_1"),
        target: some("key:key_1"),
        action: some("key:create"),
        origin: some("api"),
        request_id: some("req_1"),
        since: at(),
        until: at(),
    };
    let row = NewHistoryRow { actor: some("account:acct_1"), ..NewHistoryRow::default() };
    calls!(
        client.verify(&question),
        client.verify_batch(&[question]),
        client.verify_own(&own),
        client.report_leaks(&[leak]),
        client.usage(&usage),
        client.history().list(&history).page_size(2).after("x").next_page(),
        client.history().record(&[row]),
    );
}

async fn about_accounts_and_resources(client: &Client) {
    let (accounts, resources) = (client.accounts(), client.resources());
    let new = NewAccount {
        name: some("Ada"),
        email: some("ada@example.org"),
        password: Some(Secret::new("password")),
        external_id: some("ada"),
    };
    let put = PutAccount { name: some("Ada"), email: some("ada@example.org") };
    let _ = accounts.put("ada", &put).await;
    let patch =
        AccountPatch { name: Some(None), email: Some(None), external_id: Some(None), closed: Some(true) };
    let filter = AccountFilter { external_id: some("ada"), email: some("ada@example.org") };
    let description = ResourceDescription {
        creator: some("acct_1"),
        public_from: Some(1),
        versions: vec![ResourceVersion::default()],
        ..ResourceDescription::default()
    };
    let listed = ListedResource { reference: "notebook:1".to_owned(), description: description.clone() };
    let held = ResourceFilter { owner: some("account:acct_1"), kind: some("notebook") };
    calls!(
        accounts.create(&new),
        accounts.create_once(&new, "x"),
        accounts.get("acct_1"),
        accounts.get_tagged("acct_1"),
        accounts.list(&filter).page_size(2).after("x").next_page(),
        accounts.update("acct_1", &patch, some("\"1\"")),
        accounts.close("acct_1", some("\"1\"")),
        resources.put("notebook:1", &description, some("\"1\"")),
        resources.create("notebook:1", &description),
        resources.get("notebook:1"),
        resources.get_tagged("notebook:1"),
        resources.list(&held).page_size(2).after("x").next_page(),
        resources.delete("notebook:1", some("\"1\"")),
        resources.reconcile("notebook", &[listed], Reconcile { dry_run: true, allow_empty: true }),
    );
}

async fn about_teams_and_projects(client: &Client) {
    let (teams, projects) = (client.teams(), client.projects());
    let patch = GroupPatch { name: some("n"), external_id: Some(None), closed: Some(true) };
    let team = NewTeam { name: "Lab".to_owned(), external_id: some("lab"), owner: some("acct_1") };
    let filter = TeamFilter { member: some("acct_1"), external_id: some("lab") };
    calls!(
        teams.create(&team),
        teams.create_once(&team, "x"),
        teams.get("team_1"),
        teams.get_tagged("team_1"),
        teams.list(&filter).page_size(2).after("x").next_page(),
        teams.update("team_1", &patch, some("\"1\"")),
        teams.close("team_1", some("\"1\"")),
        teams.members("team_1").page_size(2).after("x").next_page(),
        teams.set_role("team_1", "acct_1", "owner", some("\"1\"")),
        teams.remove("team_1", "acct_1", some("\"1\"")),
    );
    let project = NewProject { name: "Atlas".to_owned(), owner: String::new(), external_id: some("atlas") };
    let filter =
        ProjectFilter { member: some("acct_1"), owner: some("team:team_1"), external_id: some("atlas") };
    calls!(
        projects.create(&project),
        projects.create_once(&project, "x"),
        projects.get("proj_1"),
        projects.get_tagged("proj_1"),
        projects.list(&filter).page_size(2).after("x").next_page(),
        projects.update("proj_1", &patch, some("\"1\"")),
        projects.close("proj_1", some("\"1\"")),
        projects.members("proj_1").page_size(2).after("x").next_page(),
        projects.set_role("proj_1", "acct_1", "admin", some("\"1\"")),
        projects.remove("proj_1", "acct_1", some("\"1\"")),
    );
}

/// The description of the API.
struct Description(Value);

impl Description {
    /// What can be said, one line each: `GET /v1/keys`, `GET /v1/keys query:limit`, `POST /v1/keys body.name`.
    fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                // Pages about the API, for people and their tools.
                if operation["tags"][0] == "documentation" {
                    continue;
                }
                let line = format!("{} {path}", method.to_uppercase());
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let (place, name) = (&parameter["in"], parameter["name"].as_str().unwrap());
                    if place != "path" {
                        lines.insert(format!("{line} {}:{name}", place.as_str().unwrap()));
                    }
                }
                let body = &operation["requestBody"]["content"]["application/json"]["schema"];
                self.fields(body, &format!("{line} body"), &mut lines);
                lines.insert(line);
            }
        }
        lines
    }

    fn fields(&self, schema: &Value, place: &str, lines: &mut BTreeSet<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.fields(self.0.pointer(reference.trim_start_matches('#')).unwrap(), place, lines);
        }
        for of in ["oneOf", "anyOf", "allOf"] {
            for part in schema[of].as_array().into_iter().flatten() {
                self.fields(part, place, lines);
            }
        }
        self.fields_of_items(schema, place, lines);
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            self.fields(schema, &place, lines);
            lines.insert(place);
        }
    }

    fn fields_of_items(&self, schema: &Value, place: &str, lines: &mut BTreeSet<String>) {
        if schema["items"].is_object() {
            self.fields(&schema["items"], place, lines);
        }
    }

    /// The operation that a request is one of, as the description writes it.
    fn operation(&self, asked: &Asked) -> Option<String> {
        let parts = asked.path.split('/').collect::<Vec<_>>();
        let fits = |template: &str| {
            let template = template.split('/').collect::<Vec<_>>();
            let part = |(template, part): (&&str, &&str)| template.starts_with('{') || template == part;
            template.len() == parts.len() && template.iter().zip(&parts).all(part)
        };
        let has = |path: &str| self.0["paths"][path].get(asked.method.to_lowercase()).is_some();
        let paths = self.0["paths"].as_object().unwrap().keys().filter(|path| fits(path) && has(path));
        // `/v1/keys/revoke` is itself, not a key of that name.
        let path = paths.min_by_key(|path| path.matches('{').count())?;
        Some(format!("{} {path}", asked.method))
    }
}

/// The fields of a body that was sent; maps of the user's own are looked into no further.
fn sent(value: &Value, place: &str, known: &BTreeSet<String>, lines: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| sent(item, place, known, lines)),
        Value::Object(fields) if known.iter().any(|line| line.starts_with(&format!("{place}."))) => {
            for (name, value) in fields {
                let place = format!("{place}.{name}");
                sent(value, &place, known, lines);
                lines.insert(place);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn everything_that_the_api_takes_can_be_said() {
    let running = Running::start().await;
    let description = Description(running.description.clone());
    let (client, seen) = recorder().await;
    about_keys(&client).await;
    about_imports(&client).await;
    about_verification(&client).await;
    about_accounts_and_resources(&client).await;
    about_teams_and_projects(&client).await;

    let known = description.lines();
    let mut said = BTreeSet::new();
    for asked in seen.lock().unwrap().iter() {
        let operation = description.operation(asked);
        let operation = operation.unwrap_or_else(|| panic!("{} {} is not there", asked.method, asked.path));
        said.extend(asked.parameters.iter().map(|parameter| format!("{operation} {parameter}")));
        let body = asked.body.as_ref().unwrap_or(&Value::Null);
        sent(body, &format!("{operation} body"), &known, &mut said);
        said.insert(operation);
    }
    let lacking = known.difference(&said).collect::<Vec<_>>();
    assert!(lacking.is_empty(), "the API takes what the client cannot say: {lacking:#?}");
    let invented = said.difference(&known).collect::<Vec<_>>();
    assert!(invented.is_empty(), "the client says what the API does not take: {invented:#?}");
    assert!(known.len() > 150, "the description was read: {}", known.len());
}
