//! A `claviger serve` with one account, its private notebook `n1` at version 7, and a key of that account.

use std::path::Path;

use claviger_testkit::program::command;
use claviger_testkit::{Process, Serve};
use serde_json::{Value, json};

use crate::PROGRAM;

pub(crate) const OPERATOR: &str = "ck-test-5b7e90a1c44d2f83e6097ab1d25c3f48e9b6";

pub(crate) struct Guarded {
    pub(crate) serve: Serve,
    /// `account:acct_…`
    pub(crate) account: String,
    /// The answer to the creation of the key.
    pub(crate) key: Value,
}

impl Guarded {
    /// Starts it with this configuration file.
    pub(crate) fn start(data: &Path, config: &str) -> Self {
        std::fs::write(data.join("claviger.toml"), config).unwrap();
        let mut program = command(PROGRAM);
        program.arg("serve").arg("--config").arg(data.join("claviger.toml"));
        program.arg("--data").arg(data.join("data"));
        for listener in ["--listen", "--gateway-listen", "--admin-listen"] {
            program.args([listener, "127.0.0.1:0"]);
        }
        let serve = Serve::of(Process::start(program.env("CLAVIGER_OPERATOR_KEY", OPERATOR)));
        let new = serve.api.post("/v1/accounts", &json!({"external_id": "ada"}));
        let account = new.bearer(OPERATOR).send().expect(201).json()["id"].as_str().unwrap().to_owned();
        let account = format!("account:{account}");
        let resource =
            json!({"owner": account, "visibility": "private", "latest_version": 7, "versions": []});
        let put = serve.api.request("PUT", "/v1/resources/notebook:n1").json(&resource);
        put.bearer(OPERATOR).send().expect(201);
        let mut guarded = Self { serve, account, key: Value::Null };
        guarded.key = guarded.new_key(json!({}));
        guarded
    }

    /// Another key of the account; the answer to its creation.
    pub(crate) fn new_key(&self, more: Value) -> Value {
        let mut body = json!({"name": "n", "subject": self.account});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.serve.api.post("/v1/keys", &body).bearer(OPERATOR).send().expect(201).json()
    }

    /// The text of the key.
    pub(crate) fn secret(&self) -> &str {
        secret(&self.key)
    }

    /// Disables the key, or enables it again.
    pub(crate) fn set_status(&self, status: &str) {
        let path = format!("/v1/keys/{}", self.key["key"]["id"].as_str().unwrap());
        self.serve.api.patch(&path, &json!({"status": status})).bearer(OPERATOR).send().expect(200);
    }
}

/// The text of a key, in the answer to its creation.
pub(crate) fn secret(created: &Value) -> &str {
    created["secret"].as_str().unwrap()
}
