//! A real nginx in front of an application, which asks about each request and serves it itself.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use claviger_testkit::program::command;
use claviger_testkit::{Client, Process, Serve, folder};
use serde_json::{Value, json};

use crate::PROGRAM;

const OPERATOR: &str = "ck-test-5b7e90a1c44d2f83e6097ab1d25c3f48e9b6";

/// As docs/GATEWAY.md shows it, with a folder of files for the application.
const NGINX: &str = r#"
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
    upstream claviger { server GATEWAY; keepalive 16; }
    server {
        listen 127.0.0.1:PORT;
        root FOLDER/files;
        location / {
            auth_request /_claviger;
            auth_request_set $authority $upstream_http_x_claviger_authority;
            auth_request_set $version $upstream_http_x_claviger_version;
            auth_request_set $claviger_status $upstream_http_x_claviger_status;
            add_header X-Who $authority;
            add_header X-Served-Version $version;
            error_page 403 = @refused;
        }
        location @refused {
            if ($claviger_status = 404) { return 404; }
            if ($claviger_status = 400) { return 400; }
            return 403;
        }
        location = /_claviger {
            internal;
            proxy_pass http://claviger/forward-auth;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
            proxy_set_header X-Forwarded-For $remote_addr;
        }
    }
}
"#;

const CONFIG: &str = r#"
trusted_proxies = ["127.0.0.1"]

[[routes]]
path = "/d/{notebook}.{format}"
target = "notebook:{notebook}"
action = "notebook:read"
upstream = "http://127.0.0.1:1"
"#;

struct House {
    serve: Serve,
    nginx: Client,
    proxy: Process,
    key: Value,
}

impl Drop for House {
    fn drop(&mut self) {
        self.proxy.terminate();
    }
}

fn house(data: &Path) -> House {
    std::fs::write(data.join("claviger.toml"), CONFIG).unwrap();
    let mut program = command(PROGRAM);
    program.arg("serve").arg("--config").arg(data.join("claviger.toml")).arg("--data").arg(data.join("data"));
    program.args([
        "--listen",
        "127.0.0.1:0",
        "--gateway-listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let serve = Serve::of(Process::start(program.env("CLAVIGER_OPERATOR_KEY", OPERATOR)));
    let post =
        |path: &str, body: Value| serve.api.post(path, &body).bearer(OPERATOR).send().expect(201).json();
    let account = post("/v1/accounts", json!({"external_id": "ada"}))["id"].as_str().unwrap().to_owned();
    let holder = format!("account:{account}");
    let resource = json!({"holder": holder, "visibility": "private", "latest_version": 7, "versions": []});
    let put = serve.api.request("PUT", "/v1/resources/notebook:n1").json(&resource).bearer(OPERATOR).send();
    put.expect(201);
    let key = post("/v1/keys", json!({"name": "n", "authority": holder}));
    std::fs::create_dir_all(data.join("files/d")).unwrap();
    std::fs::write(data.join("files/d/n1.js"), "export default 1;").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = serve.gateway.address();
    let text = NGINX.replace("FOLDER", data.to_str().unwrap()).replace("PORT", &port.to_string());
    std::fs::write(data.join("nginx.conf"), text.replace("GATEWAY", &gateway.to_string())).unwrap();
    let mut proxy =
        Process::start(Command::new("nginx").arg("-c").arg(data.join("nginx.conf")).arg("-p").arg(data));
    let nginx = Client::new(&format!("http://127.0.0.1:{port}"));
    proxy.wait_for(|_| nginx.get("/d/n1.js").try_send().ok());
    House { serve, nginx, proxy, key }
}

#[test]
fn a_real_nginx_asks_about_each_request() {
    let data = folder();
    let house = house(data.path());
    let secret = house.key["secret"].as_str().unwrap();
    let get = |path: &str, key: Option<&str>| {
        let request = house.nginx.get(path);
        key.iter().fold(request, |request, key| request.bearer(key)).send()
    };
    let allowed = get("/d/n1.js", Some(secret)).expect(200);
    assert_eq!(allowed.text(), "export default 1;");
    assert_eq!(allowed.header("x-who"), house.key["key"]["authority"].as_str());
    assert_eq!(allowed.header("x-served-version"), Some("7"));
    let unnamed = get("/d/n1.js", None).expect(401);
    assert!(unnamed.joined("www-authenticate").contains("Bearer"), "{}", unnamed.joined("www-authenticate"));
    // The true status comes back where nginx is told how.
    get("/d/n2.js", Some(secret)).expect(404);
    get("/elsewhere", Some(secret)).expect(404);
    get("/d/n1.js", Some("short")).expect(400);
    // The query slot is off: a key there is none.
    get(&format!("/d/n1.js?api_key={secret}"), None).expect(401);

    let path = format!("/v1/keys/{}", house.key["key"]["id"].as_str().unwrap());
    house.serve.api.patch(&path, &json!({"status": "disabled"})).bearer(OPERATOR).send().expect(200);
    get("/d/n1.js", Some(secret)).expect(401);
    house.serve.api.patch(&path, &json!({"status": "active"})).bearer(OPERATOR).send().expect(200);
    get("/d/n1.js", Some(secret)).expect(200);
}

/// Asked by somebody who is no trusted proxy, there is nothing there.
#[test]
fn only_trusted_proxies_may_ask() {
    let data = folder();
    let serve = Serve::start(PROGRAM, data.path(), &[("CLAVIGER_OPERATOR_KEY", OPERATOR)]);
    let asked =
        serve.gateway.get("/forward-auth").header("X-Original-Method", "GET").header("X-Original-URI", "/");
    asked.send().expect(404);
}
