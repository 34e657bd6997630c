//! The gateway between programs that other people wrote: curl and nginx before it, Node behind it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use claviger_testkit::{Client, Process, folder};
use serde_json::Value;

use crate::guarded::Guarded;
use crate::upstream::Upstream;

/// How much goes through, in bytes.
const LARGE: u64 = 200 * 1000 * 1000;
/// How much more memory the program may take for that, in bytes: far less than a tenth of it.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;

const ROUTES: &str = r#"
[[routes]]
path = "/d/{notebook}.js"
target = "notebook:{notebook}"
action = "notebook:read"
upstream = "UPSTREAM"

[[routes]]
path = "/{rest..}"
methods = ["GET", "POST", "PUT"]
upstream = "UPSTREAM"

[[routes]]
path = "/registry/{rest..}"
methods = ["GET", "PUT"]
paths = "any"
upstream = "UPSTREAM"
"#;

fn house(data: &Path) -> (Upstream, Guarded) {
    let upstream = Upstream::start();
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", ROUTES.replace("UPSTREAM", &upstream.url));
    let guarded = Guarded::start(data, &config);
    (upstream, guarded)
}

fn curl(arguments: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "120"])
        .args(arguments)
        .output()
        .unwrap()
}

/// What curl wrote to standard output, if it was content.
#[track_caller]
fn curled(arguments: &[&str]) -> String {
    let output = curl(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The most memory that a process ever had, in bytes.
fn peak_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn large_bodies_are_held_in_memory() {
    let data = folder();
    let (_upstream, house) = house(data.path());
    let key = format!("X-API-Key: {}", house.secret());
    let base = format!("http://{}", house.serve.gateway.address());
    let file = data.path().join("large");
    std::fs::File::create(&file).unwrap().set_len(LARGE).unwrap();
    // Whatever the first request costs once is not counted.
    curled(&["-H", &key, &format!("{base}/warm")]);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let before = peak_bytes(&house.serve.process);
        let sent = curled(&[version, "-H", &key, "-T", file.to_str().unwrap(), &format!("{base}/upload")]);
        let seen: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(seen["bytes"], LARGE);
        let ending = "%{http_code} %{size_download}";
        let target = format!("{base}/big/{LARGE}");
        let got = curled(&[version, "-H", &key, "-o", "/dev/null", "-w", ending, &target]);
        assert_eq!(got, format!("200 {LARGE}"));
        let growth = peak_bytes(&house.serve.process) - before;
        println!("{version}: {growth} bytes more for {LARGE} up and down");
        assert!(growth < GROWTH_MAX, "{version}: {growth} bytes for two bodies of {LARGE}");
    }
}

/// The version of HTTP is the client's choice; what the application is told is not.
#[test]
fn curl_in_every_version() {
    let data = folder();
    let (_upstream, house) = house(data.path());
    let base = format!("http://{}", house.serve.gateway.address());
    let (bearer, forged) =
        (format!("Authorization: Bearer {}", house.secret()), "X-Claviger-Authority: account:acct_forged");
    for version in ["--http1.0", "--http1.1", "--http2-prior-knowledge"] {
        let ending = "\n%{http_code} %header{x-claviger-version}";
        let target = format!("{base}/d/n1.js?x=%20+&y");
        let answer = curled(&[version, "-H", &bearer, "-H", forged, "-w", ending, &target]);
        let (body, status) = answer.rsplit_once('\n').unwrap();
        assert_eq!(status, "200 7", "{version}");
        let seen: Value = serde_json::from_str(body).unwrap();
        assert_eq!(seen["url"], "/d/n1.js?x=%20+&y", "{version}");
        assert_eq!(seen["headers"]["x-claviger-authority"], house.account.as_str(), "{version}");
        assert_eq!(seen["headers"].get("authorization"), None, "{version}");
    }
    // Without a key the upload is not even asked for: curl waits for a 100 that never comes.
    let (file, target) = (data.path().join("claviger.toml"), format!("{base}/upload"));
    let waiting = ["--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "60", "-o", "/dev/null"];
    let ending = ["-w", "%{http_code} %{size_upload}", "-T", file.to_str().unwrap(), &target];
    assert_eq!(curled(&[&waiting[..], &ending].concat()), "401 0");
    let size = std::fs::metadata(&file).unwrap().len();
    assert_eq!(curled(&[&waiting[..], &["-H", &bearer], &ending].concat()), format!("200 {size}"));
}

/// npm asks for `/@scope%2Fname`: an application that takes paths literally gets them byte for byte, everybody
/// else gets only such as can be read in one way.
#[test]
fn paths_are_passed_on_byte_for_byte() {
    let data = folder();
    let (_upstream, house) = house(data.path());
    let gateway = house.serve.gateway;
    for target in ["/a%2Fb//c?x=%20+", "/@scope%2Fname", "/a/../b", "/%2e%2e/b", "//"] {
        let literal = format!("/registry{target}");
        let seen = gateway.get(&literal).bearer(house.secret()).send().expect(200).json();
        assert_eq!(seen["url"], literal.as_str());
        let refused = gateway.get(target).bearer(house.secret()).send().expect(400).json();
        assert_eq!(refused["code"], "bad_request", "{target}");
    }
    // The key is the only thing that is taken out.
    let target = format!("/registry/a%2Fb//c?x=%20+&api_key={}&y=%2B", house.secret());
    let seen = gateway.get(&target).send().expect(200).json();
    assert_eq!(seen["url"], "/registry/a%2Fb//c?x=%20+&y=%2B");
}

const NGINX: &str = r#"
daemon off;
user root;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {
        listen 127.0.0.1:PORT;
        location / {
            VERSION
            proxy_pass http://GATEWAY;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
        }
    }
}
"#;

/// nginx as a client: with HTTP/1.0 and a connection for each request, which is its default, and with HTTP/1.1.
#[test]
fn an_nginx_in_front() {
    let data = folder();
    let (mut upstream, house) = house(data.path());
    for (n, version) in
        ["", "proxy_http_version 1.1; proxy_set_header Connection \"\";"].into_iter().enumerate()
    {
        let files = data.path().join(n.to_string());
        std::fs::create_dir(&files).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = NGINX
            .replace("FOLDER", files.to_str().unwrap())
            .replace("PORT", &port.to_string())
            .replace("VERSION", version)
            .replace("GATEWAY", &house.serve.gateway.address().to_string());
        std::fs::write(files.join("nginx.conf"), config).unwrap();
        let mut proxy = Process::start(
            Command::new("nginx").arg("-c").arg(files.join("nginx.conf")).arg("-p").arg(&files),
        );
        let nginx = Client::new(&format!("http://127.0.0.1:{port}"));
        proxy.wait_for(|_| nginx.get("/warm").try_send().ok());
        let get = |target: &str| nginx.get(target).bearer(house.secret());
        let seen = get("/d/n1.js?x=%20+").send().expect(200).json();
        assert_eq!(seen["url"], "/d/n1.js?x=%20+");
        assert_eq!(seen["headers"]["x-forwarded-proto"], "https", "nginx is trusted to say so");
        nginx.get("/d/n1.js").send().expect(401);
        get("/d/n2.js").send().expect(404);
        // Large, and of a length that nobody tells beforehand.
        let answer = get("/big/3000000").send().expect(200);
        assert_eq!(answer.body.len(), 3_000_000);
        proxy.terminate();
    }
    upstream.process.terminate();
    house.serve.gateway.get("/d/n1.js").bearer(house.secret()).send().expect(502);
}
