//! Typical mistakes, and what the program says to them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Server, program, run};

#[test]
fn a_key_of_a_data_folder_goes_to_its_own_program_only() {
    let (one, two) = (Server::start(None), Server::start(None));
    let whoami =
        |data: &Path, more: &[&str]| run(program(&["whoami"]).arg("--data").arg(data).args(more), "");
    let data = one.folder();
    assert!(whoami(&data, &[]).good().contains("operator"), "found without a port");
    assert_eq!(whoami(&data, &["--url", &one.url]).code, 0);
    assert_eq!(whoami(&data, &["--url", &one.url.replace("127.0.0.1", "localhost")]).code, 0);
    let elsewhere = whoami(&data, &["--url", &two.url]);
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
    assert!(
        elsewhere.err.contains("is sent nowhere else") && elsewhere.err.contains("--key-file"),
        "{elsewhere:?}"
    );
    let variable = run(program(&["whoami"]).env("CLAVIGER_URL", &two.url).env("CLAVIGER_DATA", &data), "");
    assert_eq!(variable.code, 2, "{variable:?}");
    // Named, it is somebody's own decision.
    let file = data.join("operator-key");
    let named = whoami(&data, &["--url", &two.url, "--key-file", file.to_str().unwrap()]);
    assert_eq!(named.code, 3, "{named:?}");

    // What the program leaves behind when it is killed misleads nobody.
    let Server { around, process, .. } = one;
    drop(process);
    let dead = whoami(&data, &[]);
    assert_eq!(dead.code, 6, "{dead:?}");
    assert!(dead.err.contains("no `claviger serve` runs on"), "{dead:?}");
    drop(around);
}

#[test]
fn ports_that_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |listen: &str| {
        run(program(&["serve", "--listen", listen, "--data"]).arg(folder.path().join("data")), "")
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = serve(&address);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("cannot bind {address}: address already in use")), "{said:?}");
    assert!(!said.err.contains("os error"), "{said:?}");
    let said = run(
        program(&[
            "serve",
            "--admin-listen",
            "192.0.2.1:8402",
            "--listen",
            "127.0.0.1:0",
            "--gateway-listen",
        ])
        .arg("127.0.0.1:0")
        .arg("--data")
        .arg(folder.path().join("data")),
        "",
    );
    assert!(
        said.err.contains("cannot bind 192.0.2.1:8402: this machine does not have that address"),
        "{said:?}"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.toml");
    std::fs::write(&path, "log = \"warning\"\npublic_url = \"keys.example.org\"\n").unwrap();
    let said = run(
        program(&["serve", "--check", "--config"])
            .arg(&path)
            .env("CLAVIGER_TRUSTED_PROXY", "10.0.0.5")
            .env("CLAVIGER_OPERATOR_KEY", "ck_Zr8vQ2mWx7Lk4TnB9cHd3FZr8vQ2mWx7Lk4Tn0"),
        "",
    );
    assert_eq!(said.code, 2, "{said:?}");
    for expect in [
        "4 mistakes in the configuration",
        "claviger.toml:1: log: unknown level \"warning\"; use error, warn, info, debug or trace",
        "claviger.toml:2: public_url: the scheme is missing",
        "CLAVIGER_TRUSTED_PROXY: unknown variable",
        "CLAVIGER_OPERATOR_KEY: prefix and length are those of a key of this installation",
    ] {
        assert!(said.err.contains(expect), "{expect}: {said:?}");
    }
    assert!(!said.err.contains("Zr8v"), "{said:?}");
    std::fs::write(&path, "trusted_proxies = [\"0.0.0.0/0\"]\n").unwrap();
    let said = run(program(&["serve", "--check", "--config"]).arg(&path), "");
    assert!(
        said.code == 0 && said.err.contains("warning: trusted_proxies: 0.0.0.0/0 trusts nearly"),
        "{said:?}"
    );
    // The commands that call an authority look at variables, too.
    let said = run(program(&["whoami"]).env("CLAVIGER_KEYS", "x"), "");
    assert!(said.code == 2 && said.err.contains("did you mean CLAVIGER_KEY?"), "{said:?}");
}

#[test]
fn a_commented_file_with_every_setting_is_printed_and_accepted() {
    let printed = run(&mut program(&["serve", "--print-config"]), "").good();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claviger.toml");
    std::fs::write(&path, printed).unwrap();
    let said = run(program(&["serve", "--check", "--config"]).arg(&path), "");
    assert!(said.code == 0 && said.err.contains("The configuration is fine: 0 routes"), "{said:?}");
}

#[test]
fn backups_to_places_where_none_can_be() {
    let server = Server::start(None);
    let data = server.folder();
    let backup = |file: &str| run(program(&["backup"]).arg("--data").arg(&data).arg(file), "");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let said = backup(&at("none/x.sqlite"));
    assert!(said.code == 4 && said.err.contains("mkdir -p"), "{said:?}");
    let said = backup(folder.path().to_str().unwrap());
    assert!(said.code == 2 && said.err.contains("is a folder"), "{said:?}");
    // A whole database, and nothing else, on standard output.
    let piped = program(&["backup", "-"]).arg("--data").arg(&data).output().unwrap();
    assert!(
        piped.status.success() && piped.stdout.starts_with(b"SQLite format 3\0"),
        "{}",
        piped.stdout.len()
    );
    let left = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("backup")), "{left:?}");
    std::fs::write(at("piped.sqlite"), piped.stdout).unwrap();
    let fresh = at("fresh");
    let restored =
        run(program(&["restore", &at("piped.sqlite"), "--trust-backup", "--data", &fresh]).env("X", ""), "");
    assert_eq!(restored.code, 0, "{restored:?}");
}

/// Kubernetes gives a mounted secret to the group of the container.
#[test]
fn the_owners_group_may_read_a_key_and_nobody_else() {
    let (around, data) = {
        let server = Server::start(None);
        let data = server.folder();
        (server.around, data)
    };
    let doctor = |file: &str, mode: u32| {
        let path = data.join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let said = run(program(&["doctor", "--data"]).arg(&data), "");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        said.code
    };
    for file in ["keyring", "operator-key"] {
        for (mode, expect) in [(0o400, 0), (0o440, 0), (0o640, 0), (0o660, 1), (0o604, 1), (0o666, 1)] {
            assert_eq!(doctor(file, mode), expect, "{file} {mode:o}");
        }
    }
    // A key that the database does not know is not all right.
    std::fs::write(data.join("operator-key"), "ck_something_else_altogether\n").unwrap();
    let said = run(program(&["doctor", "--data"]).arg(&data), "");
    assert!(said.code == 1 && said.out.contains("does not know this key"), "{said:?}");
    drop(around);
}

#[test]
fn keys_that_a_restoration_disabled_are_enabled_together() {
    let server = Server::start(None);
    let data = server.folder();
    let call = |server: &Server, data: &Path, arguments: &[&str]| {
        run(program(arguments).env("CLAVIGER_URL", &server.url).arg("--data").arg(data), "")
    };
    let make = |name: &str| {
        let more = ["--for", "operator", "--scope", "history:read", "--json"];
        let made = call(&server, &data, &[&["keys", "create", name], &more[..]].concat()).json();
        made["key"]["id"].as_str().unwrap().to_owned()
    };
    let (one, two, asleep) = (make("one"), make("two"), make("asleep"));
    call(&server, &data, &["keys", "disable", &asleep]).good();
    let backups = tempfile::tempdir().unwrap();
    let backup = backups.path().join("one.sqlite");
    let backup = backup.to_str().unwrap();
    assert_eq!(run(program(&["backup", backup, "--data"]).arg(&data), "").code, 0);
    // Elsewhere there is no journal.
    let fresh = backups.path().join("fresh");
    let restored = run(program(&["restore", backup, "--data"]).arg(&fresh), "");
    assert!(restored.err.contains("claviger keys enable --from"), "{restored:?}");
    assert_eq!(run(program(&["operator", "reset", "--data"]).arg(&fresh), "").code, 0);
    let listed = fresh.join("disabled-by-restore");
    let text = std::fs::read_to_string(&listed).unwrap();
    assert!(text.contains(&one) && text.contains(&two) && !text.contains(&asleep), "{text}");
    assert_eq!(std::fs::metadata(&listed).unwrap().permissions().mode() & 0o777, 0o600);

    let served = Server::on(fresh.clone());
    let status = |id: &str| call(&served, &fresh, &["keys", "show", id, "--json"]).json()["status"].clone();
    let listed = listed.to_str().unwrap();
    let asked = call(&served, &fresh, &["keys", "enable", "--from", listed]);
    assert!(asked.code == 2 && asked.err.contains("Pass --yes to enable 3 keys."), "{asked:?}");
    assert_eq!(status(&one), "disabled");
    let done = call(&served, &fresh, &["keys", "enable", "--from", listed, "--yes"]);
    assert!(done.code == 0 && done.out.ends_with("3 API keys have been enabled.\n"), "{done:?}");
    assert_eq!(
        (status(&one), status(&two), status(&asleep)),
        ("active".into(), "active".into(), "disabled".into())
    );
    let again = call(&served, &fresh, &["keys", "enable", "--from", listed, "--yes"]);
    assert!(
        again.code == 0 && again.out == "0 API keys have been enabled.\n3 API keys were active already.\n",
        "{again:?}"
    );
    let rest = call(&served, &fresh, &["keys", "enable", "--for", "operator", "--yes", "--json"]).json();
    assert_eq!(rest["enabled"], serde_json::json!([asleep]));
    let none = call(&served, &fresh, &["keys", "enable", "--for", "operator", "--yes"]);
    assert_eq!((none.code, none.out.as_str()), (0, "No disabled keys match.\n"));
    let unknown = "key_01jd3m0q7w8r9t2v4x6y8z0a1b";
    let mixed = call(&served, &fresh, &["keys", "enable", &one, unknown, "--yes"]);
    assert!(
        mixed.code == 1 && mixed.out.contains(unknown) && mixed.out.contains("1 API key was active already"),
        "{mixed:?}"
    );
}

#[test]
fn whatever_is_wrong_with_a_row_is_its_own_outcome_with_the_line_of_the_file() {
    let server = Server::start(None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("KEYS.CSV");
    let import = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        run(program(&["keys", "import"]).arg(&path).arg("--data").arg(server.folder()).args(more), "")
    };
    let key = |n: u32| format!("old_{n}_AbCdEfGhIjKlMnOpQrStUvWx{n}");
    let head = "\u{feff}Name,Subject,Key,Scopes,Status,Expires_at,owner";
    let rows = [
        format!("one,operator,{},history:read,Active,2030-01-31T12:00:00.123Z,x", key(1)),
        String::new(),
        format!("two,operator,{},history:read,,,x", key(2)),
        format!("three,operator,{},history:read,gone,,x", key(3)),
        "four,operator,$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW,history:read,,,x"
            .to_owned(),
        "five,operator,9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08,history:read,,,x"
            .to_owned(),
        "six,operator,sk_live_****abcd,history:read,,,x".to_owned(),
        format!("seven,operator,{},history:read", key(7)),
        format!("\"eight\r\nand more\",operator,{},history:read,,tomorrow,x", key(8)),
        format!("nine,operator,{},history:read,,2023-05-01 10:22:33,x", key(9)),
    ];
    let text = format!("{head}\r\n{}\r\n", rows.join("\r\n"));
    let refused = import(&text, &["--dry-run"]);
    assert!(refused.code == 2 && refused.err.contains("--ignore-column owner"), "{refused:?}");
    let dry = import(&text, &["--dry-run", "--ignore-column", "owner", "--json"]);
    let report = serde_json::from_str::<serde_json::Value>(&dry.out).unwrap();
    let line = |n: usize| {
        let row = &report["rows"][n];
        (row["line"].as_u64().unwrap(), row["detail"].as_str().unwrap_or_default().to_owned())
    };
    let expect = [
        (2, ""),
        (4, ""),
        (5, "status: use active or disabled"),
        (6, "key: this is a password hash"),
        (7, "key: this looks like a digest"),
        (8, "key: this is a masked key"),
        (9, "the row has 4 cells, and the first line names 7"),
        (10, "expires_at: write a time such as"),
        (12, ""),
    ];
    for (n, (number, detail)) in expect.into_iter().enumerate() {
        let found = line(n);
        assert!(found.0 == number && found.1.starts_with(detail), "{found:?} {detail}");
        assert_eq!(found.1.is_empty(), detail.is_empty(), "{found:?}");
    }
    assert_eq!((&report["imported"], &report["wrong"]), (&3.into(), &6.into()));
    let skipped = import(&text, &["--skip-bad", "--ignore-column", "owner"]);
    assert!(skipped.code == 1 && skipped.out.contains("3 imported, 6 invalid."), "{skipped:?}");
    assert!(!skipped.out.contains("AbCdEf"), "{skipped:?}");
    assert!(skipped.out.contains("1 of them has expired already."), "{skipped:?}");
    let unused = import(&text, &["--dry-run", "--ignore-column", "owner", "--ignore-column", "MD6"]);
    assert!(
        unused.err.contains("warning: --ignore-column MD6: ") && unused.err.contains("has no such column"),
        "{unused:?}"
    );
    assert!(!unused.err.contains("--ignore-column owner"), "{unused:?}");
    let nobody = format!("name,subject,key\nten,account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b,{}\n", key(10));
    let nobody = import(&nobody, &["--dry-run"]);
    assert!(nobody.code == 1 && nobody.out.contains("subject: there is no such account"), "{nobody:?}");

    // One remark, not one for each row.
    let digests =
        (1..=60).map(|n| format!("d{n},operator,{n:032x}{n:032x},history:read\n")).collect::<String>();
    let digests = format!("name,subject,sha256,scopes\n{digests}");
    let unstated = import(&digests, &[]);
    assert_eq!(unstated.out.matches("needs --digests-are-strong").count(), 1, "{unstated:?}");
    assert!(unstated.out.contains("2, 3, 4, 5, 6 and 55 more"), "{unstated:?}");
    let stated = import(&digests, &["--digests-are-strong"]).good();
    assert!(
        stated.contains("60 imported.") && stated.contains("60 of them are known by their digests alone"),
        "{stated}"
    );
}

/// A key in the wrong place must not end in a log.
#[test]
fn no_argument_that_could_be_a_key_is_printed() {
    let key = "sk_7L20aZr8vQ2mWx7Lk4TnB9cHd3FpZr8vQ2mWx7Lk";
    let with_slash = "Zr8vQ2mWx7Lk4/TnB9cHd3FZr8v+Q2mWx7Lk4TnB9cHd3F=";
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("data");
    let lines: &[&[&str]] = &[
        &["verify", "KEY"],
        &["explain", "KEY"],
        &["whoami", "--key-file", "KEY"],
        &["whoami", "KEY"],
        &["KEY"],
        &["keys", "KEY"],
        &["keys", "import", "KEY"],
        &["keys", "import", "KEY", "--format", "csv"],
        &["keys", "enable", "--from", "KEY"],
        &["keys", "create", "CI", "--for", "operator", "--rate", "KEY"],
        &["keys", "create", "CI", "--for", "operator", "--metadata", "KEY"],
        &["keys", "create", "CI", "--for", "operator", "--expires", "KEY"],
        &["keys", "show", "KEY"],
        &["verify", "--ip", "KEY"],
        &["verify", "--context", "KEY"],
        &["verify", "--target", "KEY@KEY"],
        &["verify", "--KEY"],
        &["history", "--since", "KEY"],
        &["history", "--limit", "KEY"],
        &["restore", "KEY"],
        &["completions", "KEY"],
        &["serve", "KEY"],
    ];
    for (line, key) in lines.iter().flat_map(|line| [(line, key), (line, with_slash)]) {
        let arguments = line.iter().map(|word| word.replace("KEY", key)).collect::<Vec<_>>();
        let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
        let mut command = program(&arguments);
        command.env("CLAVIGER_KEY", "x").env("CLAVIGER_URL", "http://127.0.0.1:9");
        let said = run(command.env("CLAVIGER_DATA", &database), "");
        assert!(said.code != 0 && !said.err.is_empty(), "{line:?}: {said:?}");
        assert!(!said.err.contains(key) && !said.out.contains(key), "{line:?}: {said:?}");
    }
    let said = run(program(&["verify", key]).env("CLAVIGER_KEY", "x"), "");
    assert!(said.code == 2 && said.err.contains("there is no such file"), "{said:?}");
    assert!(said.err.contains("printf %s \"$KEY\" | claviger verify"), "{said:?}");
    let said = run(&mut program(&["keys", "revoke", "key_01jd3m0q7w8r9t2v4x6y8z0a1b"]), "");
    assert!(said.code == 2 && said.err.contains("'claviger keys delete' revokes a key for good"), "{said:?}");
    let said = run(&mut program(&["keys", "list", "--statsu", "active"]), "");
    assert!(said.err.contains("'--statsu'") && said.err.contains("'--status'"), "{said:?}");
}

#[test]
fn what_is_gone_is_noticed() {
    let (around, data) = {
        let server = Server::start(None);
        let data = server.folder();
        run(
            program(&["keys", "create", "CI", "--for", "operator", "--scope", "history:read", "--json"])
                .arg("--data")
                .arg(&data),
            "",
        )
        .json();
        (server.around, data)
    };
    std::fs::remove_file(data.join("keyring")).unwrap();
    {
        let mut server = Server::on_unread(data.clone());
        server.until("there was no keyring beside this database");
    }
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(data.join(format!("claviger.sqlite{suffix}")));
    }
    let journal = data.join("claviger.sqlite.revocations.jsonl");
    assert!(std::fs::metadata(&journal).unwrap().len() > 0);
    let said = run(program(&["doctor", "--data"]).arg(&data), "");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("is missing, but") && said.out.contains("claviger restore"), "{said:?}");
    assert!(!said.out.contains("at its first start"), "{said:?}");
    drop(around);
}
