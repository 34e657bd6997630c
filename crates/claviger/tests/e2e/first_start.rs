//! The first start, what makes later ones differ, and what keeps the program from starting.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use claviger_testkit::{Process, Serve, folder, program};

use crate::PROGRAM;

const SUPPLIED: &str = "b2f8c1d96e0a4735f8d21c7e9a6b3f50";

/// Runs `claviger serve` with these arguments to its end; returns its exit code and what it said.
fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = program::command(PROGRAM);
    command.arg("serve").args(arguments).envs(environment.iter().copied());
    let mut process = Process::start(&mut command);
    let status = process.wait();
    (status.code(), process.err() + &process.out())
}

/// The same, with its data in this folder and on free ports.
fn serve_in(data: &Path, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut arguments = vec!["--data", data.to_str().unwrap()];
    for flag in ["--listen", "--gateway-listen", "--admin-listen"] {
        arguments.extend([flag, "127.0.0.1:0"]);
    }
    serve(&arguments, environment)
}

fn whoami(server: &Serve, key: &str) -> u16 {
    server.api.get("/v1/whoami").bearer(key).send().status
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn two_installations_share_no_secret() {
    let folders = [folder(), folder()];
    let servers = folders.each_ref().map(|data| Serve::start(PROGRAM, &data.path().join("data"), &[]));
    let read = |name: &str| {
        folders.each_ref().map(|data| std::fs::read(data.path().join("data").join(name)).unwrap())
    };
    for name in ["operator-key", "keyring"] {
        let [one, other] = read(name);
        assert_ne!(one, other, "{name}");
        assert!(one.len() >= 32, "{name}");
    }
    let keys = read("operator-key").map(|key| String::from_utf8(key).unwrap().trim().to_owned());
    assert_eq!((whoami(&servers[0], &keys[0]), whoami(&servers[1], &keys[1])), (200, 200));
    assert_eq!((whoami(&servers[0], &keys[1]), whoami(&servers[1], &keys[0])), (401, 401));
    for (server, (data, key)) in servers.iter().zip(folders.iter().zip(&keys)) {
        let log = server.process.err() + &server.process.out();
        assert!(log.contains("operator-key"), "it says where the key is: {log}");
        assert!(!log.contains(key.as_str()), "it shows the key to a terminal only");
        let data = data.path().join("data");
        assert_eq!(mode(&data), 0o700);
        for entry in data.read_dir().unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path) & 0o077, 0, "{} is for its owner alone", path.display());
        }
        assert_eq!(mode(&data.join("operator-key")), 0o600);
        assert_eq!(mode(&data.join("keyring")), 0o600);
    }
}

#[test]
fn nothing_can_be_made_before_authentication() {
    let data = folder();
    let server = Serve::start(PROGRAM, data.path(), &[]);
    let requests = [
        ("POST", "/v1/keys", serde_json::json!({"name": "x", "subject": "operator"})),
        ("POST", "/v1/accounts", serde_json::json!({"external_id": "x"})),
        ("POST", "/v1/teams", serde_json::json!({"name": "x"})),
        ("POST", "/v1/projects", serde_json::json!({"name": "x"})),
        ("PUT", "/v1/resources/notebook:x", serde_json::json!({})),
    ];
    for (method, target, body) in requests {
        let request = || server.api.request(method, target).json(&body);
        let answer = request().send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "credentials_required"),
            "{method} {target}"
        );
        // Whoever comes first is nobody in particular.
        for guess in ["", "admin", "changeme", &"0".repeat(40)] {
            let status = request().bearer(guess).send().status;
            assert!(matches!(status, 400 | 401), "{method} {target} `{guess}`: {status}");
        }
    }
}

#[test]
fn a_supplied_operator_key_is_installed_once() {
    let data = folder();
    let mut server = Serve::start(PROGRAM, data.path(), &[("CLAVIGER_OPERATOR_KEY", SUPPLIED)]);
    assert_eq!(whoami(&server, SUPPLIED), 200);
    let log = server.process.err();
    assert!(!log.contains(SUPPLIED), "{log}");
    for entry in data.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(SUPPLIED.len()).any(|window| window == SUPPLIED.as_bytes());
        assert!(!found, "{} has the supplied key in it", path.display());
    }
    assert_eq!(server.process.terminate().0.code(), Some(0));

    // Later, another one changes nothing; nor does one that would have been refused.
    let other = SUPPLIED.replace('b', "e");
    for supplied in [other.as_str(), "weak"] {
        let mut server = Serve::start(PROGRAM, data.path(), &[("CLAVIGER_OPERATOR_KEY", supplied)]);
        assert_eq!((whoami(&server, SUPPLIED), whoami(&server, &other)), (200, 401));
        assert_eq!(server.process.terminate().0.code(), Some(0));
    }
}

#[test]
fn an_operator_key_that_is_weak_or_could_never_be_accepted_is_refused() {
    for weak in [
        "changeme",
        &"a".repeat(64),
        "0123456789abcdef0123456789abcde",
        "two words of a pass phrase, no less",
        // The prefix and length of an operator key of this installation, and no checksum.
        "ck_Zr8vQ2mWx7Lk4TnB9cHd3FZr8vQ2mWx7Lk4Tn0",
        "ck_...Tn01",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    ] {
        let data = folder();
        let (code, said) = serve_in(data.path(), &[("CLAVIGER_OPERATOR_KEY", weak)]);
        assert_eq!(code, Some(2), "`{weak}`: {said}");
        assert!(said.contains("CLAVIGER_OPERATOR_KEY: "), "{said}");
        assert!(!said.contains(weak), "it does not repeat what it was given: {said}");
    }
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let data = folder();
    let first = Serve::start(PROGRAM, data.path(), &[]);
    let (code, said) = serve_in(data.path(), &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another process"), "{said}");
    first.admin.get("/readyz").send().expect(200);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let data = [folder(), folder()];
    let first = Serve::start(PROGRAM, data[0].path(), &[]);
    let taken = first.api.address().to_string();
    let path = data[1].path().to_str().unwrap();
    let (code, said) = serve(&["--data", path, "--listen", &taken], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot bind {taken}: address already in use")), "{said}");
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn the_configuration_is_checked_without_starting_anything() {
    let place = folder();
    let data = place.path().join("data");
    let file = place.path().join("claviger.toml");
    let check = |text: &str, expect: (i32, &str)| {
        std::fs::write(&file, text).unwrap();
        let arguments = ["--check", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
        let (code, said) = serve(&arguments, &[]);
        assert_eq!(code, Some(expect.0), "{text}: {said}");
        assert!(said.contains(expect.1), "{text}: {said}");
        assert!(!data.exists(), "nothing was made");
    };
    check("", (0, "fine"));
    let route = "[[routes]]\npath = \"/d/{notebook}\"\ntarget = \"notebook:{notebook}\"\naction = \"notebook:read\"\n\
                 upstream = \"http://127.0.0.1:9\"\n";
    check(route, (0, "1 route"));
    check("lisen = \"127.0.0.1:1\"", (2, "lisen"));
    check(&route.replace("{notebook}\"\na", "{book}\"\na"), (2, "{book}"));
    check(&(route.to_owned() + route), (2, "route"));
    // Keys would travel in the clear.
    check("listen = \"0.0.0.0:8400\"", (2, "plain HTTP"));
    check("gateway_listen = \"[::]:8401\"", (2, "plain HTTP"));
    check("listen = \"0.0.0.0:8400\"\ntrusted_proxies = [\"10.0.0.0/8\"]", (0, "fine"));
    let (code, said) = serve(&["--listen", "0.0.0.0:0", "--data", data.to_str().unwrap()], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("plain HTTP") && !data.exists(), "{said}");
}
