use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::tls::{CERTIFICATE, certify};
use super::{Front, GATEWAY, OPERATIONS, check, check_passed_on, free_port, from_guide, replace};
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
    let guide = replace(guide, "listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
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

#[test]
fn a_real_nginx_passes_everything_on_to_the_gateway_and_the_api() {
    check_passed_on(["api.example.org", "keys.example.org"], |data, guarded, application| {
        run(&from_guide(OPERATIONS, "nginx", guarded, application), data)
    });
}
