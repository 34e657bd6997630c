//! `claviger demo` and `claviger serve` as processes.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::client::Client;
use crate::process::Process;

/// Free ports on the loopback address.
pub const PORTS: [&str; 6] =
    ["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// The program, without whatever configures it in the environment of the test.
#[must_use]
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLAVIGER_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running `claviger demo --json`.
#[derive(Debug)]
pub struct Demo {
    /// The process.
    pub process: Process,
    /// The object that it printed.
    pub told: Value,
}

impl Demo {
    /// Starts it with its data in this folder, and waits for its line.
    #[must_use]
    pub fn start(program: &str, data: &Path) -> Self {
        Self::start_with(program, data, &[])
    }

    /// Starts it with more arguments.
    ///
    /// # Panics
    /// It does not get ready, or its first line is not an object.
    #[must_use]
    pub fn start_with(program: &str, data: &Path, arguments: &[&str]) -> Self {
        let mut command = command(program);
        command.args(["demo", "--json"]).args(PORTS).arg("--data").arg(data).args(arguments);
        let mut process = Process::start(&mut command);
        let line = process.wait_for(|process| Some(process.out().split_once('\n')?.0.to_owned()));
        let told = serde_json::from_str(&line).expect("a line of JSON");
        Self { process, told }
    }

    /// The text at this path, such as `/keys/owner_account`.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn text(&self, path: &str) -> &str {
        let value = self.told.pointer(path).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{path} in {}", self.told))
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> &str {
        self.text(&format!("/keys/{name}"))
    }

    /// The bare id of the resource of this name.
    #[must_use]
    pub fn resource(&self, name: &str) -> &str {
        self.text(&format!("/resources/{name}"))
    }

    /// The gateway.
    #[must_use]
    pub fn gateway(&self) -> Client {
        Client::new(self.text("/gateway"))
    }

    /// The API.
    #[must_use]
    pub fn api(&self) -> Client {
        Client::new(self.text("/api"))
    }

    /// The sample application itself, past the gateway.
    #[must_use]
    pub fn application(&self) -> Client {
        Client::new(self.text("/application"))
    }

    /// The admin listener.
    #[must_use]
    pub fn admin(&self) -> Client {
        Client::new(self.text("/admin"))
    }

    /// The operator key.
    #[must_use]
    pub fn operator(&self) -> &str {
        self.text("/operator_key")
    }
}

/// A running `claviger serve`.
#[derive(Debug)]
pub struct Serve {
    /// The process.
    pub process: Process,
    /// The API.
    pub api: Client,
    /// The gateway.
    pub gateway: Client,
    /// The admin listener.
    pub admin: Client,
}

impl Serve {
    /// Starts it with its data in this folder, and waits until it is ready.
    #[must_use]
    pub fn start(program: &str, data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command(program);
        command.arg("serve").args(PORTS).arg("--data").arg(data).envs(environment.iter().copied());
        Self::of(Process::start(&mut command))
    }

    /// Waits until a process of `claviger serve` is ready: its log says where it listens.
    #[must_use]
    pub fn of(mut process: Process) -> Self {
        let (api, gateway, admin) = process.wait_for(|process| {
            let log = process.err();
            let line = log.lines().find(|line| line.contains(" ready"))?;
            let field = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}="))?;
                rest.split_whitespace().next().map(Client::new)
            };
            Some((field(" api")?, field(" gateway")?, field(" admin")?))
        });
        Self { process, api, gateway, admin }
    }
}
