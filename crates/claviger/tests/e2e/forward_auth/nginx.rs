use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::{Front, check, free_port, from_guide, replace};
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
    access_log FOLDER/access.log;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    GUIDE
}
"#;

fn start(data: &Path, house: &Guarded, application: &Upstream) -> Front {
    let port = free_port();
    let guide = from_guide("nginx", house, application);
    let guide = replace(&guide, "server {\n", &format!("server {{\n    listen 127.0.0.1:{port};\n"));
    // The proxy ends TLS, but for this test.
    let (before, asking) = guide.split_once("location = /_claviger").unwrap();
    let asking = replace(asking, "X-Forwarded-Proto $scheme", "X-Forwarded-Proto https");
    let guide = format!("{before}location = /_claviger{asking}");
    let config = AROUND.replace("GUIDE", &guide).replace("FOLDER", data.to_str().unwrap());
    std::fs::write(data.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("nginx");
    Front::start(Process::start(command.arg("-c").arg(data.join("nginx.conf")).arg("-p").arg(data)), port)
}

#[test]
fn a_real_nginx_asks_about_each_request() {
    check(start);
}
