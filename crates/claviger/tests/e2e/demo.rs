//! `claviger demo`: what it prints for programs and for people, and how it ends.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Duration;

use claviger_testkit::{Demo, Process, folder, program};

use crate::PROGRAM;

/// Requests under way may take this long to end, and the program a little longer.
const DRAIN: Duration = Duration::from_secs(22);

const ADDRESSES: [&str; 6] = ["/api", "/gateway", "/admin", "/playground", "/application", "/operator_key"];
const PEOPLE: [&str; 3] = ["owner", "member", "stranger"];
const IDS: [&str; 3] = ["/teams/lab/id", "/projects/atlas/id", "/projects/borealis/id"];
const RESOURCES: [&str; 5] =
    ["private_notebook", "team_notebook", "unshared_team_notebook", "public_notebook", "private_sample"];
const KEYS: [&str; 10] = [
    "owner_account",
    "member_account",
    "lab_team",
    "lab_operations",
    "atlas_project",
    "pinned_notebook",
    "open_notebook",
    "expired",
    "disabled",
    "thirty_two",
];

#[test]
fn its_line_has_every_field_and_everything_is_ready_by_then() {
    let data = folder();
    let mut demo = Demo::start(PROGRAM, data.path());
    // Ready first, told second: so the first request of each kind works.
    demo.admin().get("/readyz").send().expect(200);
    demo.gateway().get(&format!("/d/{}.js", demo.resource("public_notebook"))).send().expect(200);
    assert_eq!(demo.text("/playground"), format!("{}/playground", demo.text("/api")));
    demo.api().get("/playground").send().expect(200);
    demo.api().get("/v1/whoami").bearer(demo.operator()).send().expect(200);

    let mut paths: Vec<String> = ADDRESSES.iter().chain(&IDS).map(|path| (*path).to_owned()).collect();
    for person in PEOPLE {
        paths.extend(["id", "email", "password"].map(|field| format!("/accounts/{person}/{field}")));
    }
    paths.extend(RESOURCES.map(|name| format!("/resources/{name}")));
    paths.extend(KEYS.map(|name| format!("/keys/{name}")));
    assert!(paths.iter().all(|path| !demo.text(path).is_empty()));
    assert!(RESOURCES.iter().all(|name| !demo.resource(name).contains(':')), "ids are bare");

    let starts = |key: &str, prefix: &str| assert!(demo.key(key).starts_with(prefix), "{key}");
    starts("owner_account", "sk_");
    starts("lab_team", "sk-team-");
    starts("atlas_project", "sk-project-");
    starts("pinned_notebook", "rk_");
    let thirty_two = demo.key("thirty_two");
    assert_eq!(thirty_two.len(), 32);
    assert!(thirty_two.bytes().all(|byte| byte.is_ascii_alphanumeric()), "it has no prefix");
    assert!(demo.operator().starts_with("ck_"));

    // A connection that nobody uses does not hold up the end.
    let mut idle = TcpStream::connect(demo.gateway().address()).unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let (status, took) = demo.process.terminate();
    assert_eq!(status.code(), Some(0), "{}", demo.process.err());
    assert!(took < DRAIN, "{took:?}");
    assert_eq!(demo.process.out().lines().count(), 1, "the line is all there is on standard output");
}

#[test]
fn each_line_that_it_prints_for_people_answers_as_it_says() {
    let temporary = folder();
    let mut command = program::command(PROGRAM);
    command.arg("demo").env("TMPDIR", temporary.path());
    for flag in ["--listen", "--gateway-listen", "--admin-listen"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    let mut process = Process::start(&mut command);
    let printed = process.wait_for(|process| {
        let out = process.out();
        out.contains("Ctrl-C ends it").then_some(out)
    });

    let mut tried = 0;
    let mut lines = printed.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(said) = line.strip_prefix("# ") else { continue };
        let (what, status) = said.rsplit_once(": ").unwrap();
        let pasted = lines.next().unwrap();
        let Output { stdout, stderr, .. } = bash(pasted, temporary.path().as_os_str());
        let answer = String::from_utf8_lossy(&stdout);
        let told = answer.split_whitespace().nth(1).unwrap_or_default();
        assert_eq!(told, status, "{what}\n{pasted}\n{answer}{}", String::from_utf8_lossy(&stderr));
        tried += 1;
    }
    assert!(tried >= 12, "{tried} lines");

    let npm = printed.lines().map(str::trim).find(|line| line.starts_with("npm install")).unwrap();
    let place = folder();
    let installed = bash(&format!("cd {} && {npm}", place.path().display()), place.path().as_os_str());
    assert!(installed.status.success(), "{npm}\n{}", String::from_utf8_lossy(&installed.stderr));
    assert!(place.path().join("node_modules/@notebooks").is_dir());

    let (status, _) = process.terminate();
    assert_eq!(status.code(), Some(0), "{}", process.err());
    let left: Vec<_> = temporary.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "its temporary folder is gone: {left:?}");
}

/// Runs a line as a person would paste it.
fn bash(line: &str, temporary: &std::ffi::OsStr) -> Output {
    let mut command = Command::new("bash");
    command.args(["-c", line]).env("TMPDIR", temporary);
    for proxy in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command.output().unwrap()
}
