//! Running the program.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// What it printed, having ended well.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The JSON that it printed, having ended well.
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.good()).unwrap()
    }

    /// All of it, as a snapshot shows it.
    pub(crate) fn shown(&self) -> String {
        format!("exit {}\n--- out\n{}--- err\n{}", self.code, self.out, self.err)
    }
}

/// The program with an environment of its own.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir());
    command
}

/// Runs a command with this standard input.
pub(crate) fn run(command: &mut Command, input: &str) -> Ended {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A program that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: ended.status.code().unwrap_or(-1), out: text(ended.stdout), err: text(ended.stderr) }
}

/// A program that runs until the test ends.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `claviger serve` on free ports.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) gateway: String,
    /// The folder around the data, where it was made for this server.
    pub(crate) around: Option<TempDir>,
    data: PathBuf,
    pub(crate) process: Running,
    log: BufReader<std::process::ChildStderr>,
}

impl Server {
    pub(crate) fn start(config: Option<&Path>) -> Self {
        let around = tempfile::tempdir().unwrap();
        let server = Self::serve(config, around.path().join("data"));
        Self { around: Some(around), ..server }
    }

    /// On a folder that is there already.
    pub(crate) fn on(data: PathBuf) -> Self {
        Self::serve(None, data)
    }

    /// The same, its log read from the beginning by the caller; its addresses are not known.
    pub(crate) fn on_unread(data: PathBuf) -> Self {
        Self::spawn(None, data)
    }

    fn serve(config: Option<&Path>, data: PathBuf) -> Self {
        let mut server = Self::spawn(config, data);
        let ready = server.until("ready");
        let address = |name: &str| {
            let value = ready.split(&format!("{name}=")).nth(1).unwrap().split_whitespace().next().unwrap();
            format!("http://{value}")
        };
        (server.url, server.gateway) = (address("api"), address("gateway"));
        server
    }

    fn spawn(config: Option<&Path>, data: PathBuf) -> Self {
        let mut command = program(&["serve", "--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0", "--data"]).arg(&data);
        config.map(|path| command.arg("--config").arg(path));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (url, gateway) = (String::new(), String::new());
        Self { url, gateway, around: None, data, process: Running(child), log }
    }

    /// The next line of the log that has this text in it.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "the log ended before `{text}`");
        }
        line
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.data.clone()
    }
}

/// `claviger demo` on free ports, and what it says of itself.
pub(crate) struct Demo {
    pub(crate) facts: serde_json::Value,
    _process: Running,
    /// It is killed, and so leaves its own folder behind: in this one.
    _temporary: TempDir,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let ports =
            ["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let temporary = tempfile::tempdir().unwrap();
        let mut command = program(&["demo", "--json"]);
        command.env("TMPDIR", temporary.path());
        let mut child = command.args(ports).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { facts: serde_json::from_str(&line).unwrap(), _process: Running(child), _temporary: temporary }
    }

    pub(crate) fn fact(&self, pointer: &str) -> String {
        self.facts.pointer(pointer).and_then(|value| value.as_str()).unwrap().to_owned()
    }

    /// Runs a command as the operator.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = program(arguments);
        let key = self.fact("/operator_key");
        run(command.env("CLAVIGER_URL", self.fact("/api")).env("CLAVIGER_KEY", key), input)
    }
}

/// An authority that gives one answer to every request.
pub(crate) fn fixed(status: &'static str, body: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 8192];
            let _ = stream.read(&mut head);
            let answer = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\nx-request-id: req_1\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}
