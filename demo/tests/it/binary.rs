//! The program as it is started by hand.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::{APP_KEY, Authority};

/// The program with a complete configuration and nothing else in its environment.
fn program(authority: &Authority) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger-demo"));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command.env("DEMO_AUTHORITY", format!("http://{}", authority.address));
    command.env("DEMO_KEY", APP_KEY).env("DEMO_LISTEN", "127.0.0.1:0");
    command.env("DEMO_OWNER", "acct_a").env("DEMO_MEMBER", "acct_b").env("DEMO_STRANGER", "acct_c");
    command.env("DEMO_TEAM", "team_a").env("DEMO_ATLAS", "proj_a").env("DEMO_BOREALIS", "proj_b");
    command
}

#[tokio::test]
async fn wrong_usage_is_explained() {
    let authority = Authority::start().await;
    let check = async |command: &mut Command, code: i32, says: &str| {
        let output = command.output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains(APP_KEY), "{text}");
    };
    check(program(&authority).arg("--help"), 0, "DEMO_KEY").await;
    check(program(&authority).arg("--what"), 2, "unknown argument `--what`").await;
    check(program(&authority).env_remove("DEMO_TEAM"), 2, "DEMO_TEAM is not set").await;
    check(program(&authority).env("DEMO_LISTEN", "here"), 2, "not an address and port").await;
    check(program(&authority).env("DEMO_LISTEN", "0.0.0.0:0"), 2, "not a loopback address").await;
    let elsewhere = "http://keys.example.org";
    check(program(&authority).env("DEMO_AUTHORITY", elsewhere), 2, "a key would travel over plain HTTP")
        .await;
    let taken = authority.address.to_string();
    check(program(&authority).env("DEMO_LISTEN", &taken), 1, "in use").await;
    assert!(authority.seen().is_empty());
}

#[tokio::test]
async fn it_runs_until_it_is_told_to_stop() {
    let authority = Authority::start().await;
    let mut child = program(&authority).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let ready = async {
        let mut log = String::new();
        while !log.contains("serving") {
            log.push_str(&lines.next_line().await.unwrap().unwrap());
        }
        log
    };
    let log = timeout(Duration::from_secs(20), ready).await.unwrap();
    assert!(!log.contains(APP_KEY), "{log}");
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let status = timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}
