//! Slow connections, and a limit of open files that they could use up.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use claviger_testkit::{PORTS, Process, Serve, folder};

use crate::PROGRAM;

/// `claviger serve` with these limits of open files.
fn serve(data: &std::path::Path, soft: u32, hard: u32) -> Serve {
    let mut command = Command::new("sh");
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, PROGRAM, "serve"]).args(PORTS).arg("--data").arg(data);
    command.env_clear().env("CLAVIGER_LOG", "info");
    Serve::of(Process::start(&mut command))
}

/// A report that never comes to its end.
fn slow(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "POST /v1/leaks HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn slow_connections_on_the_api_silence_neither_gateway_nor_health() {
    let folder = folder();
    let house = serve(folder.path(), 256, 256);
    let address = house.api.address();
    let slow = (0..300).map(|_| slow(address)).collect::<Vec<_>>();
    // Time enough to be accepted, as far as they ever are.
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..3 {
        assert_eq!(house.admin.get("/livez").send().status, 200);
        assert_eq!(house.gateway.get("/nowhere").send().status, 404);
    }
    drop(slow);
    assert_eq!(house.api.get("/openapi.json").send().status, 200, "and the API is back when they are gone");
}

#[test]
fn the_soft_limit_is_raised_and_too_low_a_limit_is_refused() {
    let data = folder();
    let house = serve(data.path(), 200, 1_000);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", house.process.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>()[3..5], ["1000", "1000"], "{line}");
    let data = folder();
    let script = "ulimit -n 100 && exec \"$0\" \"$@\"";
    let ended = Command::new("sh")
        .args(["-c", script, PROGRAM, "serve"])
        .args(PORTS)
        .arg("--data")
        .arg(data.path())
        .output()
        .unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && told.contains("at least 192"), "{told}");
}

/// What is slow for too long is cut, and says why.
#[test]
fn a_byte_now_and_then_does_not_hold_a_connection() {
    let data = folder();
    let house = serve(data.path(), 256, 256);
    let mut stream = slow(house.api.address());
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while answer.is_empty() {
        let _closed = stream.write_all(b"x");
        if let Ok(read) = stream.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..read]);
            break;
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}
