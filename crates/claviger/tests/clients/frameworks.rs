//! The applications in `examples/`, in the real frameworks, which ask a real `claviger serve` about each caller.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use claviger_testkit::{Answer, Client, Process, Serve, TempDir, basic, folder};
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::python::Python;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
/// Two tests of one package must not unpack it side by side into npm's cache.
static NPM: Mutex<()> = Mutex::new(());

/// Lets the Express application believe the proxy in front, as its README says; uvicorn believes loopback by itself.
const TRUSTING: &str = "const app = express();\napp.set(\"trust proxy\", \"loopback\");\n";

/// Makes the command that runs an application, which then asks the authority at this address.
type Start<'a> = &'a dyn Fn() -> Command;

#[test]
fn a_fastapi_application_asks_about_its_callers() {
    let python = Python::with("fastapi", include_str!("../../../../examples/fastapi/requirements.txt"));
    check(&|| {
        let mut command = python.command("uvicorn");
        command.args(["app:app", "--port", "0"]).current_dir(Path::new(EXAMPLES).join("fastapi"));
        // Nothing is left behind in the folder of the example.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    });
}

#[test]
fn an_express_application_asks_about_its_callers() {
    let place = express();
    check(&|| {
        let mut command = Command::new("node");
        command.arg("app.mjs").current_dir(place.path()).env("PORT", "0");
        command
    });
}

/// The Express application in a folder of its own, with the packages of its lock file.
fn express() -> TempDir {
    let place = folder();
    for file in std::fs::read_dir(Path::new(EXAMPLES).join("express")).unwrap() {
        let path: PathBuf = file.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, place.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let file = place.path().join("app.mjs");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("const app = express();\n"), "{text}");
    std::fs::write(&file, text.replace("const app = express();\n", TRUSTING)).unwrap();
    let _one = NPM.lock().unwrap();
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(place.path());
    match npm.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "the packages of examples/express could not be installed: {text}"
            );
        }
        Err(error) => {
            panic!("This test needs Node.js and npm (on Debian: apt-get install nodejs npm): {error}")
        }
    }
    place
}

/// An application that runs. It says where it listens.
struct Application {
    _process: Process,
    client: Client,
}

impl Application {
    fn start(start: Start<'_>, authority: &str, key: &str) -> Self {
        let mut command = start();
        let mut process = Process::start(command.env("CLAVIGER_URL", authority).env("CLAVIGER_KEY", key));
        let client = process.wait_for(|process| {
            let text = process.out() + &process.err();
            let (_, rest) = text.split_once("http://127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some(Client::new(&format!("http://127.0.0.1:{port}")))
        });
        Self { _process: process, client }
    }

    fn read(&self, invoice: &str, key: &str) -> Answer {
        self.client.get(&format!("/invoices/{invoice}")).header("X-API-Key", key).send()
    }

    fn report(&self, key: &str) -> Answer {
        self.client.post("/reports", &json!({})).bearer(key).send()
    }
}

/// Two customers, each with an invoice.
struct Customers<'s> {
    server: &'s Serve,
    operator: String,
    accounts: [String; 2],
}

impl<'s> Customers<'s> {
    fn of(server: &'s Serve, data: &Path) -> Self {
        let operator = std::fs::read_to_string(data.join("operator-key")).unwrap().trim().to_owned();
        let mut customers = Self { server, operator, accounts: Default::default() };
        customers.accounts = [("user-1", "2026-001"), ("user-2", "2026-002")].map(|(name, invoice)| {
            let account = customers.post("/v1/accounts", &json!({"external_id": name}));
            let account = format!("account:{}", account["id"].as_str().unwrap());
            let body =
                json!({"owner": account, "visibility": "private", "latest_version": 1, "versions": []});
            let put = server.api.request("PUT", &format!("/v1/resources/invoice:{invoice}")).json(&body);
            put.bearer(&customers.operator).send().expect(201);
            account
        });
        customers
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.server.api.post(path, body).bearer(&self.operator).send().expect(201).json()
    }

    /// A key of the first customer, or of the operator, with what else the body says. Returns its id and its text.
    fn key(&self, authority: &str, mut body: Value) -> (String, String) {
        (body["name"], body["subject"]) = (json!("Key"), json!(authority));
        let made = self.post("/v1/keys", &body);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["key"]["id"]), text(&made["secret"]))
    }
}

fn check(start: Start<'_>) {
    let data = folder();
    let mut server = Serve::start(PROGRAM, data.path(), &[]);
    let url = format!("http://{}", server.api.address());
    let customers = Customers::of(&server, data.path());
    let (_, verifier) = customers.key("operator", json!({"scopes": ["key:verify"]}));
    let application = Application::start(start, &url, &verifier);
    let account = customers.accounts[0].as_str();
    let (id, key) = customers.key(account, json!({"scopes": ["invoice:read"]}));

    keys_are_judged(&application, &key);
    restrictions_hold(&application, &customers, account);
    // Disabled: the next request is refused, however short a time ago that was.
    let body = json!({"status": "disabled"});
    let change = server.api.patch(&format!("/v1/keys/{id}"), &body).bearer(&customers.operator);
    change.send().expect(200);
    application.read("2026-001", &key).expect(401);

    // An authority that does not answer is never taken for one that says yes.
    let (_, key) = customers.key(account, json!({"scopes": ["*:*"]}));
    application.read("2026-001", &key).expect(200);
    nobody_is_let_in_unverified(start, &url, &key);
    server.process.kill();
    let answer = application.read("2026-001", &key).expect(503);
    assert_eq!(answer.header("retry-after"), Some("1"));
}

/// By its text, its scopes and the target, presented in either way.
fn keys_are_judged(application: &Application, key: &str) {
    let answer = application.read("2026-001", key).expect(200);
    assert_eq!(answer.json()["total"], "1250.00");
    application.client.get("/invoices/2026-001").bearer(key).send().expect(200);
    let anonymous = application.client.get("/invoices/2026-001").send().expect(401);
    assert_eq!(anonymous.header("www-authenticate"), Some("Bearer"));
    let authorized =
        |value: &str| application.client.get("/invoices/2026-001").header("Authorization", value).send();
    for scheme in ["ApiKey", "apikey", "BEARER"] {
        authorized(&format!("{scheme} {key}")).expect(200);
    }
    authorized(&basic(key)).expect(200);
    authorized(&basic(&format!("{key}:more"))).expect(401);
    for unread in ["Basic eA==", "Basic ====", "Basic", "Digest x", key] {
        authorized(unread).expect(401);
    }
    application.read("2026-001", "nonsense").expect(401);
    // Somebody else's, one that does not exist, and one that nothing can be called: all alike.
    let hidden = application.read("2026-002", key).expect(404);
    let missing = application.read("2026-003", key).expect(404);
    assert_eq!(hidden.timeless(), missing.timeless());
    application.read("a%20b", key).expect(404);
    let lacking = application.report(key).expect(403);
    assert!(lacking.text().contains("forbidden"), "{}", lacking.text());
}

/// By the client's address, and by how often the key was used.
fn restrictions_hold(application: &Application, customers: &Customers<'_>, account: &str) {
    let restricted = |restrictions: Value| {
        customers.key(account, json!({"scopes": ["*:*"], "restrictions": restrictions}))
    };
    let (id, here) = restricted(json!({"addresses": ["127.0.0.1/32"]}));
    let report = application.report(&here).expect(202);
    assert_eq!(report.json()["requested_by"], id.as_str());
    let (_, elsewhere) = restricted(json!({"addresses": ["192.0.2.0/24"]}));
    application.report(&elsewhere).expect(403);
    // An address that the proxy in front does not know, or that is none, keeps out keys that depend on it, and no others.
    let (_, free) = restricted(json!({}));
    for unknown in ["unknown", "_hidden", "127.0.0.1.9"] {
        let from = |key: &str| {
            let request = application.client.get("/invoices/2026-001").header("X-Forwarded-For", unknown);
            request.header("X-API-Key", key).send()
        };
        from(&free).expect(200);
        from(&here).expect(403);
    }
    let (_, rare) = restricted(json!({"quota": {"limit": 1, "period": "month"}}));
    application.report(&rare).expect(202);
    let limited = application.report(&rare).expect(429);
    assert!(limited.header("retry-after").is_some_and(|wait| wait.parse::<u64>().unwrap() > 0));
}

fn nobody_is_let_in_unverified(start: Start<'_>, url: &str, key: &str) {
    // It may not verify keys; what it says is not about the caller.
    let refused = Application::start(start, url, key);
    refused.read("2026-001", key).expect(503);
    // It accepts connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let waiting = Application::start(start, &silent_url, key);
    waiting.read("2026-001", key).expect(503);
}
