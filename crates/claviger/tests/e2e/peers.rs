//! The gateway between programs that other people wrote: curl and nginx before it, Node behind it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use claviger_testkit::{Client, Process, folder};
use serde_json::Value;

use crate::guarded::Guarded;
use crate::upstream::Upstream;

/// How much goes through, in bytes.
const LARGE: u64 = 200 * 1000 * 1000;
/// How much more memory the program may take for that, in bytes: two to ten million were seen.
const GROWTH_MAX: u64 = 32 * 1024 * 1024;

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
        let growth = peak_bytes(&house.serve.process).saturating_sub(before);
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
        (format!("Authorization: Bearer {}", house.secret()), "X-Claviger-Subject: account:acct_forged");
    for version in ["--http1.0", "--http1.1", "--http2-prior-knowledge"] {
        let ending = "\n%{http_code} %header{x-claviger-version}";
        let target = format!("{base}/d/n1.js?x=%20+&y");
        let answer = curled(&[version, "-H", &bearer, "-H", forged, "-w", ending, &target]);
        let (body, status) = answer.rsplit_once('\n').unwrap();
        assert_eq!(status, "200 7", "{version}");
        let seen: Value = serde_json::from_str(body).unwrap();
        assert_eq!(seen["url"], "/d/n1.js?x=%20+&y", "{version}");
        assert_eq!(seen["headers"]["x-claviger-subject"], house.account.as_str(), "{version}");
        assert_eq!(seen["headers"].get("authorization"), None, "{version}");
        // Half an answer is an error, also where only the end of the connection tells the end.
        let broken = curl(&[version, "-H", &bearer, &format!("{base}/broken")]);
        assert!(!broken.status.success(), "{version} takes half an answer for all of it");
        assert_eq!(curled(&[version, "-H", &bearer, &format!("{base}/stream/300000")]).len(), 300_000);
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
        assert_eq!(refused["code"], "ambiguous_path", "{target}");
    }
    // The key is the only thing that is taken out.
    let target = format!("/registry/a%2Fb//c?x=%20+&api_key={}&y=%2B", house.secret());
    let seen = gateway.get(&target).send().expect(200).json();
    assert_eq!(seen["url"], "/registry/a%2Fb//c?x=%20+&y=%2B");
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Streams that are opened and reset as fast as they can be written (CVE-2023-44487), by many connections, and
/// header blocks that go on without end (CVE-2024-27316).
#[test]
fn floods_of_http2_cost_memory() {
    let data = folder();
    let (_upstream, house) = house(data.path());
    let gateway = house.serve.gateway;
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
    // `GET http://a/`, then a reset with CANCEL.
    let get = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    let resets =
        (1..20_000).step_by(2).flat_map(|n| [frame(1, 5, n, &get), frame(3, 0, n, &[0, 0, 0, 8])].concat());
    let resets = preface.iter().copied().chain(resets).collect::<Vec<u8>>();
    // A block that begins a request, and 16 MB of fields that belong to it.
    let field = [&[0x00, 0x01, b'x', 0x7f, 0x81, 0x7e][..], &[b'y'; 255]].concat();
    let block = frame(9, 0, 1, &field.repeat(60));
    let blocks = [preface.clone(), frame(1, 0, 1, &get), block.repeat(1_000)].concat();
    gateway.get("/d/n1.js").bearer(house.secret()).send().expect(200);
    let before = peak_bytes(&house.serve.process);
    for flood in [&resets, &blocks] {
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let mut stream = TcpStream::connect(gateway.address()).unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                    // It is cut off in the middle, and that is what is looked for: the connection ends.
                    let _ = stream.write_all(flood);
                    let mut answer = Vec::new();
                    match stream.read_to_end(&mut answer) {
                        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                        Ok(_) => assert!(!answer.is_empty()),
                    }
                });
            }
        });
        gateway.get("/d/n1.js").bearer(house.secret()).send().expect(200);
    }
    let growth = peak_bytes(&house.serve.process).saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes for floods");
}

/// Whoever connects and says nothing, or not enough to tell what it speaks, is let go on every listener.
#[test]
fn silence_holds_a_connection() {
    let data = folder();
    let (_upstream, house) = house(data.path());
    std::thread::scope(|scope| {
        for listener in [house.serve.api, house.serve.gateway, house.serve.admin] {
            for said in ["", "P", "PRI * HTTP/2.0\r\n\r\n"] {
                scope.spawn(move || {
                    let mut stream = TcpStream::connect(listener.address()).unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                    stream.write_all(said.as_bytes()).unwrap();
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "{said:?}");
                });
            }
        }
    });
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
        for target in ["/big/3000000", "/stream/3000000"] {
            assert_eq!(get(target).send().expect(200).body.len(), 3_000_000, "{target}");
        }
        // What breaks off is not taken for complete by the next in line either.
        assert!(get("/broken").try_send().is_err());
        proxy.terminate();
    }
    upstream.process.terminate();
    house.serve.gateway.get("/d/n1.js").bearer(house.secret()).send().expect(502);
}

/// A body that stops in the middle is not waited for without end, neither by the API nor by the gateway: it
/// takes no key to report a leak, so whoever likes could hold a connection.
#[test]
fn half_a_body_holds_a_connection() {
    let data = folder();
    let (_upstream, house) = house(data.path());
    let key = format!("X-API-Key: {}\r\n", house.secret());
    std::thread::scope(|scope| {
        for (listener, target, key, expect) in [
            (house.serve.api, "/v1/leaks", "", "HTTP/1.1 408"),
            (house.serve.api, "/v1/keys", &*key, "HTTP/1.1 408"),
            (house.serve.gateway, "/upload", &*key, "HTTP/1.1 408"),
        ] {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(listener.address()).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
                let head = format!("POST {target} HTTP/1.1\r\nHost: {}\r\n{key}", listener.address());
                let more = "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"leaks\": [";
                stream.write_all(format!("{head}{more}").as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(
                    answer.starts_with(expect) && answer.contains("request_timeout"),
                    "{target}: {answer}"
                );
            });
        }
    });
}
