//! SIGHUP reads the configuration again.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Server, program, run};

fn route(path: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nupstream = \"http://127.0.0.1:1\"\n")
}

/// The status that the gateway answers with.
fn status(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.gateway.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn routes_are_swapped_and_a_mistake_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("claviger.toml");
    std::fs::write(&config, route("/old")).unwrap();
    let mut server = Server::start(Some(&config));
    let pid = Pid::from_raw(i32::try_from(server.process.id()).unwrap()).unwrap();
    assert_eq!((status(&server, "/old").as_str(), status(&server, "/new").as_str()), ("401", "404"));

    std::fs::write(&config, route("/new")).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    let line = server.until("the configuration was read again");
    assert!(line.contains("changed=\"routes\"") && line.contains("takes_restart=\"nothing\""), "{line}");
    assert_eq!((status(&server, "/old").as_str(), status(&server, "/new").as_str()), ("404", "401"));

    std::fs::write(&config, "[[routes]]\npath = \"x\"\nupstream = \"http://127.0.0.1:1\"\n").unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    assert!(server.until("the configuration is wrong").contains("routes[1].path"));
    assert_eq!(status(&server, "/new"), "401");
}

#[test]
fn limits_and_policies_are_swapped_all_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.toml");
    std::fs::write(&path, "keys_per_subject_max = 1\n").unwrap();
    let mut server = Server::start(Some(&path));
    let pid = Pid::from_raw(i32::try_from(server.process.id()).unwrap()).unwrap();
    let create = |server: &Server| {
        let arguments = ["keys", "create", "n", "--for", "operator", "--scope", "key:read"];
        let (mut command, key) = (program(&arguments), server.folder().join("operator-key"));
        let key = std::fs::read_to_string(key).unwrap();
        let made = run(command.env("CLAVIGER_URL", &server.url).env("CLAVIGER_KEY", key.trim()), "");
        assert!(made.code == 0 || made.err.contains("key_limit_reached"), "{made:?}");
        made.code == 0
    };
    // The first operator key is there already, and one is the limit.
    assert!(!create(&server));
    let reload = |server: &mut Server, text: &str, until: &str| {
        std::fs::write(&path, text).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
        server.until(until)
    };
    let text = "keys_per_subject_max = 2\nhistory_retention_days = 5\npublic_url = \"https://keys.example\"\n[defaults.operator]\nscopes = [\"key:read\"]\n";
    let line = reload(&mut server, text, "the configuration was read again");
    assert!(line.contains("changed=\"keys_per_subject_max, history_retention_days, defaults\""), "{line}");
    assert!(line.contains("takes_restart=\"public_url\""), "{line}");
    assert!(create(&server) && !create(&server));
    // A default that names a format which is not in force yet: the larger limit is not put in force, either.
    let text = "keys_per_subject_max = 9\n[formats.new]\nprefix = \"n_\"\nlength = 40\n[defaults.account]\nformat = \"new\"\n";
    let line = reload(&mut server, text, "the configuration is wrong");
    assert!(line.contains("formats take a restart"), "{line}");
    assert!(!create(&server));
    let text = "keys_per_subject_max = 9\n[formats.new]\nprefix = \"n_\"\nlength = 40\n";
    let line = reload(&mut server, text, "the configuration was read again");
    assert!(line.contains("takes_restart=\"formats\""), "{line}");
    assert!(create(&server));
}
