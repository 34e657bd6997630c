use std::path::Path;
use std::process::Command;

use claviger_testkit::{Process, folder};

use super::tls::{CERTIFICATE, certify};
use super::{CONFIG, Front, GATEWAY, OPERATIONS, check, free_port, from_guide, no_key_is_logged, replace};
use crate::guarded::Guarded;
use crate::upstream::Upstream;

/// What stands around the guide's text.
const AROUND: &str = r#"
daemon off;
user root;
worker_processes 1;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
events { worker_connections 64; }
http {
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    GUIDE
}
"#;

fn start(data: &Path, guarded: &Guarded, application: &Upstream) -> Front {
    run(&from_guide(GATEWAY, "nginx", guarded, application), data)
}

fn run(guide: &str, data: &Path) -> Front {
    let port = free_port();
    let certificate = certify(data);
    let guide = replace(guide, "listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;"));
    let guide = replace(&guide, "/var/log/nginx/", "FOLDER/");
    let guide = replace(&guide, "/etc/ssl/example.org.pem", &format!("FOLDER/{CERTIFICATE}"));
    let guide = replace(&guide, "/etc/ssl/example.org.key", &format!("FOLDER/{CERTIFICATE}"));
    let config = AROUND.replace("GUIDE", &guide).replace("FOLDER", data.to_str().unwrap());
    std::fs::write(data.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    let process = Process::start(command.arg("-c").arg(data.join("nginx.conf")).arg("-p").arg(data));
    Front::start(process, port, certificate)
}

#[test]
fn a_real_nginx_asks_about_each_request() {
    check("nginx", start);
}

/// The other way: nginx passes everything on to the gateway, and the host of `public_url` to the API.
#[test]
fn a_real_nginx_ends_tls_before_the_gateway_and_the_api() {
    let data = folder();
    let (application, mut guarded) = (Upstream::start(), Guarded::start(data.path(), CONFIG));
    let front = run(&from_guide(OPERATIONS, "nginx", &guarded, &application), data.path());
    let ask = |host: &str, target: &str| {
        let key = guarded.secret();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n");
        front.client.raw(request.as_bytes()).unwrap()
    };
    // The route has no upstream here, so what the gateway says shows that the request reached it.
    assert_eq!(ask("api.example.org", "/d/n1.js").expect(404).code(), "no_upstream");
    let query = format!("?api_key={}", guarded.secret());
    assert_eq!(ask("keys.example.org", "/v1/whoami").expect(200).json()["kind"], "key");
    ask("keys.example.org", &format!("/v1/whoami{query}")).expect(200);
    guarded.serve.process.kill();
    for (host, path) in [("api.example.org", "/d/n1.js"), ("keys.example.org", "/v1/whoami")] {
        let target = format!("{path}?api_key={}", guarded.secret());
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(front.client.raw(request.as_bytes()).unwrap().status, 502);
    }
    no_key_is_logged(&front, data.path(), &guarded);
}
