//! SIGHUP reads the routes again.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Server;

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
    server.until("the routes were read again");
    assert_eq!((status(&server, "/old").as_str(), status(&server, "/new").as_str()), ("404", "401"));

    std::fs::write(&config, "[[routes]]\npath = \"x\"\nupstream = \"http://127.0.0.1:1\"\n").unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    assert!(server.until("the configuration is wrong").contains("route 1"));
    assert_eq!(status(&server, "/new"), "401");
}
