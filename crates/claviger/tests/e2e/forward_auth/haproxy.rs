use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::tls::certify;
use super::{Front, GATEWAY, check, free_port, from_guide, replace};
use crate::guarded::Guarded;
use crate::upstream::Upstream;

fn start(data: &Path, guarded: &Guarded, application: &Upstream) -> Front {
    let port = free_port();
    let script = from_guide(GATEWAY, "lua", guarded, application);
    std::fs::write(data.join("claviger.lua"), script).unwrap();
    let config = from_guide(GATEWAY, "haproxy", guarded, application);
    let config = replace(&config, "bind :443 ssl", &format!("bind 127.0.0.1:{port} ssl"));
    std::fs::write(data.join("haproxy.cfg"), format!("{config}\n")).unwrap();
    let mut command = Command::new("haproxy");
    let certificate = certify(data);
    let process = Process::start(command.arg("-db").arg("-f").arg("haproxy.cfg").current_dir(data));
    Front::start(process, port, certificate)
}

#[test]
fn a_real_haproxy_asks_about_each_request() {
    check("HAProxy", start);
}
