//! The main road: npm installs a private notebook with a key in its address, the real Observable runtime runs
//! it, a change to the key is in force at once for both, and a restart agrees.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use claviger_testkit::{Demo, TempDir, folder};
use serde_json::{Value, json};

use crate::PROGRAM;

/// The sample application's own script, which runs a notebook in the real runtime.
const SCRIPT: [&str; 3] = ["package.json", "package-lock.json", "run-module.mjs"];

/// A place with the runtime from the npm registry.
struct Node {
    folder: TempDir,
}

impl Node {
    fn new() -> Self {
        let folder = folder();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/tests/node");
        for name in SCRIPT {
            std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
        }
        let node = Self { folder };
        let installed = node.npm(node.folder.path(), &["ci"]);
        assert!(installed.status.success(), "npm ci: {}", told(&installed));
        node
    }

    fn npm(&self, place: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("npm");
        command.args(arguments).args(["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"]);
        // What one installation keeps must not serve the next one.
        let cache = if arguments == ["ci"] { None } else { Some(folder()) };
        if let Some(cache) = &cache {
            command.env("npm_config_cache", cache.path());
        }
        command.current_dir(place).output().unwrap()
    }

    /// Installs a package into a place of its own.
    fn install(&self, url: &str) -> Result<TempDir, String> {
        let place = folder();
        std::fs::write(place.path().join("package.json"), "{\"private\": true}").unwrap();
        let output = self.npm(place.path(), &["install", url]);
        if output.status.success() { Ok(place) } else { Err(told(&output)) }
    }

    /// Runs a module in the real runtime; returns the values of its cells.
    fn run(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = Command::new("node")
            .arg("run-module.mjs")
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            Err(told(&output))
        }
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A key that was made for this test, so that it can be looked up by its id.
struct Key {
    id: String,
    text: String,
}

fn create(demo: &Demo) -> Key {
    let subject = format!("account:{}", demo.text("/accounts/owner/id"));
    let body = json!({"name": "Main road", "subject": subject});
    let made = demo.api().post("/v1/keys", &body).bearer(demo.operator()).send().expect(201);
    assert_eq!(made.joined("cache-control"), "no-store");
    let made = made.json();
    Key {
        id: made["key"]["id"].as_str().unwrap().to_owned(),
        text: made["secret"].as_str().unwrap().to_owned(),
    }
}

/// Sets the key's status. What was taken away is gone everywhere when this returns.
fn set_status(demo: &Demo, key: &Key, status: &str) {
    let target = format!("/v1/keys/{}", key.id);
    let changed =
        demo.api().patch(&target, &json!({"status": status})).bearer(demo.operator()).send().expect(200);
    let changed = changed.json();
    assert_eq!(changed["status"], status, "{changed}");
    if status == "disabled" {
        assert_eq!(changed["revocation"]["state"], "complete", "{changed}");
    }
}

/// Everything that a program can do with the key on the main road: what works, or what it is told.
fn travel(demo: &Demo, node: &Node, key: &Key) -> Result<(), String> {
    let (gateway, id) = (demo.text("/gateway"), demo.resource("private_notebook"));
    let header = format!("Authorization: ApiKey {}", key.text);
    let run = node.run(&[&format!("{gateway}/d/{id}@2.js?v=3"), &header]);
    let installed = node.install(&format!("{gateway}/d/{id}@2.tgz?api_key={}", key.text));
    match (run, installed) {
        (Ok(values), Ok(place)) => {
            assert_eq!(values["version"], 2, "{values}");
            assert_eq!(values["answer"], 74, "{values}");
            let main = package(place.path(), id).join("index.js");
            assert_eq!(node.run(&[main.to_str().unwrap()]), Ok(values), "the package is the same notebook");
            Ok(())
        }
        (Err(run), Err(installed)) => Err(format!("{run}\n{installed}")),
        (run, installed) => panic!("one works and the other does not: {run:?} {installed:?}"),
    }
}

fn package(place: &Path, id: &str) -> PathBuf {
    place.join("node_modules/@notebooks").join(id)
}

#[test]
fn the_main_road() {
    let data = folder();
    let mut demo = Demo::start(PROGRAM, data.path());
    let node = Node::new();

    // Without a key, nobody learns that there is such a package.
    let (gateway, id) = (demo.text("/gateway").to_owned(), demo.resource("private_notebook").to_owned());
    let refused = node.install(&format!("{gateway}/d/{id}@2.tgz")).unwrap_err();
    assert!(refused.contains("404"), "{refused}");
    let refused = node.run(&[&format!("{gateway}/d/{id}@2.js")]).unwrap_err();
    assert!(refused.starts_with("404"), "{refused}");

    let key = create(&demo);
    travel(&demo, &node, &key).unwrap();

    set_status(&demo, &key, "disabled");
    let refused = travel(&demo, &node, &key).unwrap_err();
    assert!(refused.contains("key_disabled") && refused.contains("E401"), "{refused}");
    set_status(&demo, &key, "active");
    travel(&demo, &node, &key).unwrap();

    // A restart agrees, whichever way it stands.
    set_status(&demo, &key, "disabled");
    let keys_before = demo.told["keys"].clone();
    assert_eq!(demo.process.terminate().0.code(), Some(0));
    let mut demo = Demo::start(PROGRAM, data.path());
    assert_eq!(demo.told["keys"], keys_before);
    let fetch = |demo: &Demo| demo.gateway().get(&format!("/d/{id}.js")).bearer(&key.text).send();
    let refused = fetch(&demo);
    assert_eq!((refused.status, refused.code().as_str()), (401, "key_disabled"));
    set_status(&demo, &key, "active");
    assert_eq!(demo.process.terminate().0.code(), Some(0));
    let demo = Demo::start(PROGRAM, data.path());
    travel(&demo, &node, &key).unwrap();

    let gone = demo.api().request("DELETE", &format!("/v1/keys/{}", key.id)).bearer(demo.operator()).send();
    assert_eq!(gone.expect(200).json()["revocation"]["state"], "complete");
    assert_eq!(fetch(&demo).code(), "invalid_key");
}

#[test]
fn a_change_is_in_force_when_its_answer_is_there() {
    let data = folder();
    let demo = Demo::start(PROGRAM, data.path());
    let key = create(&demo);
    let target = format!("/d/{}.js", demo.resource("private_notebook"));
    let fetch = || demo.gateway().get(&target).bearer(&key.text).send();
    for _ in 0..50 {
        set_status(&demo, &key, "disabled");
        assert_eq!(fetch().code(), "key_disabled");
        set_status(&demo, &key, "active");
        assert_eq!(fetch().status, 200);
    }
}
