//! The servers that are measured, each a process of its own on loopback, in a temporary folder.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::Contender;
use crate::postgres::Postgres;

/// The processor of the servers.
const SERVER_PROCESSOR: &str = "0";
const OPERATOR: &str = "ck-bench-84d1b9e07c3f4a52960ed8b1f7c52a3e46d9";

const BARE: &str = "bare hyper, fixed answer";
const VERIFY_GET: &str = "claviger: GET /v1/verify";
const VERIFY_POST: &str = "claviger: POST /v1/verify";
const SQLITE: &str = "axum, a SELECT for each request: SQLite";
const POSTGRES: &str = "axum, a SELECT for each request: PostgreSQL";
const BETTER_AUTH: &str = "better-auth: verifyApiKey on PostgreSQL";
const NGINX_PROXY: &str = "nginx proxy_pass to the bare server";
const NGINX_HEADERS: &str = "nginx proxy_pass that sets the gateway's headers";
const NGINX_ASKING: &str = "nginx auth_request to claviger, then proxy_pass";
const GATEWAY: &str = "claviger: gateway to the bare server";
const NGINX_FILE: &str = "nginx, a file";
const AUTH_REQUEST: &str = "nginx, the file behind auth_request to claviger";

/// What is set against what.
pub(crate) const RATIOS: [(&str, &str, &str); 9] = [
    ("GET /v1/verify / bare hyper", VERIFY_GET, BARE),
    ("POST /v1/verify / bare hyper", VERIFY_POST, BARE),
    ("GET /v1/verify / SELECT on SQLite", VERIFY_GET, SQLITE),
    ("GET /v1/verify / SELECT on PostgreSQL", VERIFY_GET, POSTGRES),
    ("GET /v1/verify / better-auth", VERIFY_GET, BETTER_AUTH),
    ("gateway / nginx proxy_pass", GATEWAY, NGINX_PROXY),
    ("gateway / nginx proxy_pass that sets its headers", GATEWAY, NGINX_HEADERS),
    ("gateway / nginx auth_request and proxy_pass", GATEWAY, NGINX_ASKING),
    ("auth_request to claviger / nginx alone", AUTH_REQUEST, NGINX_FILE),
];

const NGINX: &str = r#"
daemon off;
master_process off;
user root;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 512; }
http {
    access_log off;
    keepalive_requests 1000000000;
    upstream claviger { server GATEWAY; keepalive 64; keepalive_requests 1000000000; }
    upstream bare { server BARE; keepalive 64; keepalive_requests 1000000000; }
    server {
        listen 127.0.0.1:PORT;
        root FOLDER/files;
        location = /file { }
        location = /guarded { auth_request /_claviger; alias FOLDER/files/file; }
        location = /proxied { proxy_pass http://bare/; proxy_http_version 1.1; proxy_set_header Connection ""; }
        location = /headed {
            proxy_pass http://bare/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "";
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
FIXED
        }
        location = /asked {
            auth_request /_claviger;
            proxy_pass http://bare/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "";
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Proto $scheme;
ANSWERED
        }
        location = /_claviger {
            internal;
            proxy_pass http://claviger/forward-auth/nginx;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
        }
    }
}
"#;

/// The gateway's own headers, and values as long as they are.
const IDENTITY: [(&str, &str); 8] = [
    ("X-Claviger-Subject", "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("X-Claviger-Account", "acct_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("X-Claviger-Key-Id", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"),
    ("X-Claviger-Scopes", "*:read"),
    ("X-Claviger-Grants", "none"),
    ("X-Claviger-Resource", "none"),
    ("X-Claviger-Version", "none"),
    ("X-Claviger-Request-Id", "req_0123456789abcdef"),
];

/// All servers. They end with it.
pub(crate) struct House {
    folder: PathBuf,
    children: Vec<Child>,
    postgres: Option<Postgres>,
    bare: String,
    api: String,
    gateway: String,
    key: String,
    nginx: String,
    selects: Vec<(&'static str, String, String)>,
}

impl Drop for House {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.postgres = None;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl House {
    /// Starts everything. PostgreSQL is measured where it is installed, or `BENCH_POSTGRES` names a database to use.
    pub(crate) fn build() -> Self {
        let folder = std::env::temp_dir().join(format!("claviger-bench-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("files")).expect("a temporary folder");
        std::fs::write(folder.join("files/file"), "x".repeat(200)).expect("a file");
        let mut house = Self {
            folder,
            children: Vec::new(),
            postgres: None,
            bare: String::new(),
            api: String::new(),
            gateway: String::new(),
            key: String::new(),
            nginx: String::new(),
            selects: Vec::new(),
        };
        house.bare = house.peer("bare", &["0", "1"]);
        house.start_claviger();
        let database = house.folder.join("select.sqlite");
        house.start_select(SQLITE, &["0", "1", "sqlite", &database.display().to_string()]);
        let named = std::env::var("BENCH_POSTGRES").ok();
        if named.is_none() {
            house.postgres = Postgres::start(&house.folder, SERVER_PROCESSOR);
        }
        if let Some(url) = named.or_else(|| Some(house.postgres.as_ref()?.url.clone())) {
            house.start_select(POSTGRES, &["0", "1", "postgres", &url]);
            house.start_better_auth(&url);
        }
        house.start_nginx();
        house
    }

    pub(crate) fn contenders(&self) -> Vec<Contender> {
        let key = Some(self.key.as_str());
        let mut all = vec![
            Contender::get(BARE, self.bare.clone(), key),
            Contender::get(VERIFY_GET, format!("{}/v1/verify", self.api), key),
            self.post_verify(),
            Contender::get(NGINX_PROXY, format!("{}/proxied", self.nginx), key),
            Contender::get(NGINX_HEADERS, format!("{}/headed", self.nginx), key),
            Contender::get(NGINX_ASKING, format!("{}/asked", self.nginx), key),
            Contender::get(GATEWAY, format!("{}/proxied", self.gateway), key),
            Contender::get(NGINX_FILE, format!("{}/file", self.nginx), key),
            Contender::get(AUTH_REQUEST, format!("{}/guarded", self.nginx), key),
        ];
        all.extend(self.selects.iter().map(|(name, url, key)| Contender::get(name, url.clone(), Some(key))));
        all
    }

    fn post_verify(&self) -> Contender {
        let script = self.folder.join("post.lua");
        let text = format!(
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{{\"key\": \"{}\"}}'\n",
            self.key
        );
        std::fs::write(&script, text).expect("a script");
        let url = format!("{}/v1/verify", self.api);
        Contender {
            script: Some(script.display().to_string()),
            ..Contender::get(VERIFY_POST, url, Some(OPERATOR))
        }
    }

    /// Starts a program on the servers' processor and returns the first line that it prints.
    fn start(&mut self, mut command: Command) -> String {
        let program = command.get_program().to_owned();
        let mut child =
            command.stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        self.children.push(child);
        line.trim().to_owned()
    }

    fn peer(&mut self, name: &str, arguments: &[&str]) -> String {
        let mut command = pinned(peers().join("target/release").join(name));
        command.args(arguments);
        self.start(command)
    }

    fn start_select(&mut self, name: &'static str, arguments: &[&str]) {
        let line = self.peer("select", arguments);
        let (url, key) = line.split_once(' ').expect("an address and a key");
        self.selects.push((name, url.to_owned(), key.to_owned()));
    }

    fn start_better_auth(&mut self, url: &str) {
        let folder = peers().join("better-auth");
        if !folder.join("node_modules").exists() {
            return;
        }
        let mut command = pinned("node".into());
        command.arg("server.mjs").arg("0").current_dir(folder).env("DATABASE_URL", url);
        let line = self.start(command);
        let (url, key) = line.split_once(' ').expect("an address and a key");
        self.selects.push((BETTER_AUTH, url.to_owned(), key.to_owned()));
    }

    fn start_claviger(&mut self) {
        let config = self.folder.join("claviger.toml");
        let route = |path: &str| {
            format!(
                "[[routes]]\npath = \"{path}\"\naction = \"profile:read\"\nupstream = \"{}\"\n",
                self.bare
            )
        };
        let routes = ["/proxied", "/guarded", "/asked"].map(route).concat();
        let text = format!("trusted_proxies = [\"127.0.0.1\"]\n{routes}");
        std::fs::write(&config, text).expect("a configuration");
        let own = std::env::current_exe().expect("a path");
        let program = own.with_file_name("claviger");
        let log = std::fs::File::create(self.folder.join("log")).expect("a log");
        let mut command = pinned(program);
        command.arg("serve").arg("--config").arg(&config).arg("--data").arg(self.folder.join("data"));
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--gateway-listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ]);
        command.env("CLAVIGER_OPERATOR_KEY", OPERATOR).env("TOKIO_WORKER_THREADS", "1").stderr(log);
        self.children.push(command.spawn().expect("claviger, built in release mode"));
        let ready = |text: &str| {
            let line = text.lines().find(|line| line.contains(" ready"))?;
            let field = |name: &str| Some(line.split_once(name)?.1.split_whitespace().next()?.to_owned());
            Some((field(" api=")?, field(" gateway=")?))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        let (api, gateway) = loop {
            let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if let Some(found) = ready(&text) {
                break found;
            }
            assert!(Instant::now() < deadline, "claviger did not start: {text}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let account = post(&api, "/v1/accounts", r#"{"external_id": "bench"}"#);
        let account = text_after(&account, "\"id\":\"");
        let key = format!(r#"{{"name": "bench", "subject": "account:{account}"}}"#);
        self.key = text_after(&post(&api, "/v1/keys", &key), "\"secret\":\"");
        (self.api, self.gateway) = (format!("http://{api}"), format!("http://{gateway}"));
    }

    fn start_nginx(&mut self) {
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("a port").port();
        let host = |url: &str| url.trim_start_matches("http://").to_owned();
        let fixed = IDENTITY.map(|(name, value)| format!("proxy_set_header {name} \"{value}\";"));
        let answered = IDENTITY.map(|(name, _)| {
            let variable = name.to_ascii_lowercase().replace('-', "_");
            format!(
                "auth_request_set ${variable} $upstream_http_{variable}; proxy_set_header {name} ${variable};"
            )
        });
        let text = NGINX
            .replace("FIXED", &fixed.join("\n"))
            .replace("ANSWERED", &answered.join("\n"))
            .replace("FOLDER", &self.folder.display().to_string())
            .replace("PORT", &port.to_string())
            .replace("GATEWAY", &host(&self.gateway))
            .replace("BARE", &host(&self.bare));
        let config = self.folder.join("nginx.conf");
        std::fs::write(&config, text).expect("a configuration");
        let mut command = pinned("nginx".into());
        command.arg("-c").arg(&config).arg("-p").arg(&self.folder).stderr(Stdio::null());
        self.children.push(command.spawn().expect("nginx is installed"));
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.nginx = format!("http://127.0.0.1:{port}");
    }
}

fn pinned(program: PathBuf) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_PROCESSOR]).arg(program);
    command
}

/// The folder of what is measured against.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("claviger listens");
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {OPERATOR}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    answer
}

fn text_after(answer: &str, before: &str) -> String {
    let (_, rest) = answer.split_once(before).expect("a field");
    rest.split('"').next().unwrap_or_default().to_owned()
}
