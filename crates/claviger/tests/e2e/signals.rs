//! Signals while requests are under way: SIGHUP changes the routes of those that come, SIGTERM lets those end
//! that are there.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claviger_testkit::{folder, program};
use rustix::process::{Pid, Signal, kill_process};

use crate::PROGRAM;
use crate::guarded::Guarded;
use crate::upstream::Upstream;

fn route(path: &str, upstream: &Upstream) -> String {
    format!(
        "[[routes]]\npath = \"{path}\"\nmethods = [\"GET\", \"POST\"]\nupstream = \"{}\"\n[[routes]]\npath = \"/always\"\nupstream = \"{}\"\n",
        upstream.url, upstream.url
    )
}

fn hang_up(house: &Guarded) {
    send(house, Signal::HUP);
}

fn send(house: &Guarded, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(house.serve.process.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits until the log says something once more than before.
fn until_told(house: &mut Guarded, what: &str, times: usize) -> String {
    house.serve.process.wait_for(|process| {
        let log = process.err();
        let line = log.lines().filter(|line| line.contains(what)).nth(times - 1)?;
        Some(line.to_owned())
    })
}

/// A request that has begun and waits for its own end.
struct UnderWay(TcpStream);

impl UnderWay {
    fn begin(house: &Guarded, path: &str) -> Self {
        let mut stream = TcpStream::connect(house.serve.gateway.address()).unwrap();
        let key = house.secret();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhello"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // Time enough to be decided about.
        std::thread::sleep(Duration::from_millis(300));
        Self(stream)
    }

    fn end(mut self) -> String {
        self.0.write_all(b"world").unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn requests_under_way_keep_their_routes() {
    let data = folder();
    let (first, second) = (Upstream::start(), Upstream::start());
    let mut house = Guarded::start(data.path(), &route("/old", &first));
    let file = data.path().join("claviger.toml");
    let get =
        |house: &Guarded, path: &str| house.serve.gateway.get(path).bearer(house.secret()).send().status;
    assert_eq!((get(&house, "/old"), get(&house, "/new")), (200, 404));

    // Somebody asks all the time, and never notices.
    let stop = Arc::new(AtomicBool::new(false));
    let asking = {
        let (stop, gateway, key) = (Arc::clone(&stop), house.serve.gateway, house.secret().to_owned());
        std::thread::spawn(move || {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                gateway.get("/always").bearer(&key).send().expect(200);
                count += 1;
            }
            count
        })
    };
    let under_way = UnderWay::begin(&house, "/old");
    std::fs::write(&file, route("/new", &second)).unwrap();
    hang_up(&house);
    until_told(&mut house, "the configuration was read again", 1);
    assert_eq!((get(&house, "/old"), get(&house, "/new")), (404, 200));
    let answer = under_way.end();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"bytes\":10"), "{answer}");

    // A mistake changes nothing, and the log says which it is.
    for (wrong, why) in [
        ("[[routes]]\npath = \"x\"\nupstream = \"http://127.0.0.1:1\"\n", "routes[1].path"),
        ("[[routes]\n", "claviger.toml"),
        ("surprise = 1\n", "surprise"),
    ]
    .into_iter()
    {
        std::fs::write(&file, wrong).unwrap();
        let before = house.serve.process.err().matches("the configuration is wrong").count();
        hang_up(&house);
        let told = until_told(&mut house, "the configuration is wrong", before + 1);
        assert!(told.contains(why), "{told}");
        assert_eq!((get(&house, "/old"), get(&house, "/new")), (404, 200));
        check(&file, Some(why));
    }
    std::fs::write(&file, route("/newest", &second)).unwrap();
    check(&file, None);
    hang_up(&house);
    until_told(&mut house, "the configuration was read again", 2);
    assert_eq!((get(&house, "/new"), get(&house, "/newest")), (404, 200));
    stop.store(true, Ordering::Relaxed);
    assert!(asking.join().unwrap() > 10);
}

/// What `--check` says of a file, before anybody relies on it.
fn check(file: &Path, expect: Option<&str>) {
    let mut command: Command = program::command(PROGRAM);
    let output = command.args(["serve", "--check", "--config"]).arg(file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), expect.is_none(), "{told}");
    assert!(told.contains(expect.unwrap_or("The configuration is fine: 2 routes")), "{told}");
}

#[test]
fn requests_under_way_are_completed_before_the_end() {
    let data = folder();
    let upstream = Upstream::start();
    let mut house = Guarded::start(data.path(), &route("/old", &upstream));
    let idle = TcpStream::connect(house.serve.gateway.address()).unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let under_way = UnderWay::begin(&house, "/old");
    send(&house, Signal::TERM);
    until_told(&mut house, "stopping", 1);
    // Whoever waits for nothing is let go, and nobody else is let in.
    assert_eq!((&idle).read(&mut [0]).unwrap(), 0);
    for listener in [house.serve.gateway, house.serve.api, house.serve.admin] {
        assert!(TcpStream::connect(listener.address()).is_err(), "{listener:?} still listens");
    }
    std::thread::sleep(Duration::from_millis(500));
    let answer = under_way.end();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"bytes\":10"), "{answer}");
    assert_eq!(house.serve.process.wait().code(), Some(0));
}
