use std::path::Path;
use std::process::Command;

use claviger_testkit::Process;

use super::{Front, check, free_port, from_guide, replace};
use crate::guarded::Guarded;
use crate::upstream::Upstream;

fn start(data: &Path, house: &Guarded, application: &Upstream) -> Front {
    let port = free_port();
    let script = from_guide("lua", house, application);
    // The proxy ends TLS, but for this test.
    let script = replace(&script, "txn.sf:ssl_fc() == 1 and \"https\" or \"http\"", "\"https\"");
    std::fs::write(data.join("claviger.lua"), script).unwrap();
    let config = from_guide("haproxy", house, application);
    let config = replace(&config, "bind :443 ssl crt example.org.pem", &format!("bind 127.0.0.1:{port}"));
    std::fs::write(data.join("haproxy.cfg"), format!("{config}\n")).unwrap();
    let mut command = Command::new("haproxy");
    Front::start(Process::start(command.arg("-db").arg("-f").arg("haproxy.cfg").current_dir(data)), port)
}

#[test]
fn a_real_haproxy_asks_about_each_request() {
    check(start);
}
