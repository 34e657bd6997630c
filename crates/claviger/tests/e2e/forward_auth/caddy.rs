use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::{Front, GATEWAY, OPERATIONS, check, check_passed_on, free_port, from_guide, replace};
use crate::guarded::Guarded;
use crate::upstream::Upstream;

fn start(data: &Path, guarded: &Guarded, application: &Upstream) -> Front {
    let port = free_port();
    let guide = from_guide(GATEWAY, "caddyfile", guarded, application);
    run(&replace(&guide, "\nexample.org {\n", &format!("\nhttps://127.0.0.1:{port} {{\n")), port, data)
}

fn run(guide: &str, port: u16, data: &Path) -> Front {
    // Its own authority signs the certificate, since none outside would.
    let here = "{\nadmin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\n";
    let rest = guide.strip_prefix("{\n").unwrap();
    let file = data.join("Caddyfile");
    std::fs::write(&file, format!("{here}{rest}\n")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", data).env("XDG_DATA_HOME", data).env("XDG_CONFIG_HOME", data);
    Front::start(Process::start(&mut command), port, data.join("caddy/pki/authorities/local/root.crt"))
}

#[test]
fn a_real_caddy_asks_about_each_request() {
    check("Caddy", start);
}

#[test]
fn a_real_caddy_passes_everything_on_to_the_gateway_and_the_api() {
    check_passed_on(["127.0.0.1", "localhost"], |data, guarded, application| {
        let port = free_port();
        let guide = from_guide(OPERATIONS, "caddyfile", guarded, application);
        let guide = replace(&guide, "api.example.org {", &format!("https://127.0.0.1:{port} {{"));
        let guide = replace(&guide, "keys.example.org {", &format!("https://localhost:{port} {{"));
        run(&guide, port, data)
    });
}
