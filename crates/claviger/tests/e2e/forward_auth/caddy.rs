use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::{Front, GATEWAY, check, free_port, from_guide, replace};
use crate::guarded::Guarded;
use crate::upstream::Upstream;

fn start(data: &Path, guarded: &Guarded, application: &Upstream) -> Front {
    let port = free_port();
    let guide = from_guide(GATEWAY, "caddyfile", guarded, application);
    let guide = replace(&guide, "example.org {\n", &format!("https://127.0.0.1:{port} {{\n"));
    // Its own authority signs the certificate, since none outside would.
    let here = "\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tauto_https disable_redirects\n\tlog {\n";
    let guide = replace(&guide, "\tlog {\n", here);
    let file = data.join("Caddyfile");
    std::fs::write(&file, format!("{guide}\n")).unwrap();
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", data).env("XDG_DATA_HOME", data).env("XDG_CONFIG_HOME", data);
    Front::start(Process::start(&mut command), port, data.join("caddy/pki/authorities/local/root.crt"))
}

#[test]
fn a_real_caddy_asks_about_each_request() {
    check("Caddy", start);
}
