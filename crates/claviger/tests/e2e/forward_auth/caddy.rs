use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::{Front, check, free_port, from_guide, replace};
use crate::guarded::Guarded;
use crate::upstream::Upstream;

fn start(data: &Path, house: &Guarded, application: &Upstream) -> Front {
    let port = free_port();
    let guide = from_guide("caddyfile", house, application);
    let guide = replace(&guide, "example.org {\n", &format!("http://127.0.0.1:{port} {{\n"));
    // The proxy ends TLS, but for this test.
    let guide = replace(&guide, "X-Forwarded-Proto {http.request.scheme}", "X-Forwarded-Proto https");
    let file = data.join("Caddyfile");
    std::fs::write(&file, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{guide}\n")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", data).env("XDG_DATA_HOME", data).env("XDG_CONFIG_HOME", data);
    Front::start(Process::start(&mut command), port)
}

#[test]
fn a_real_caddy_asks_about_each_request() {
    check(start);
}
