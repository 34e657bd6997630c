//! Backup, restoration, the operator key and the doctor, on a real installation.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Ended, Server, program, run};

fn on(arguments: &[&str], data: &Path) -> Ended {
    run(program(arguments).arg("--data").arg(data), "")
}

fn serve_once(server: Server) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = server.folder();
    // The folder outlives the process.
    let Server { around, .. } = server;
    (around.unwrap(), folder)
}

#[test]
fn a_backup_while_serving_and_what_a_restoration_trusts() {
    let server = Server::start(None);
    let data = server.folder();
    let backups = tempfile::tempdir().unwrap();
    let backup = backups.path().join("one.sqlite");
    let backup = backup.to_str().unwrap();
    let url = server.url.clone();
    let call =
        |arguments: &[&str]| run(program(arguments).env("CLAVIGER_URL", &url).arg("--data").arg(&data), "");
    let make = |name: &str| {
        let scopes = ["--for", "operator", "--scope", "history:read", "--json"];
        call(&[&["keys", "create", name], &scopes[..]].concat()).json()["key"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (kept, revoked) = (make("kept"), make("revoked"));
    let made = on(&["backup", backup], &data);
    assert!(made.code == 0 && made.err.contains("keyring is not in it"), "{made:?}");
    assert_eq!(std::fs::metadata(backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(on(&["backup", backup], &data).code, 5, "nothing is overwritten");
    assert_eq!(on(&["backup", backup], backups.path()).code, 4, "there is nothing to copy");
    call(&["keys", "delete", &revoked, "--yes"]).good();
    let refused = on(&["restore", backup, "--replace"], &data);
    assert!(
        refused.code == 1 && refused.err.contains("another process has this database open"),
        "{refused:?}"
    );
    let locked = on(&["operator", "reset"], &data);
    assert!(locked.code == 1 && locked.err.contains("another process"), "{locked:?}");

    let (_folder, data) = serve_once(server);
    assert_eq!(on(&["restore", backup], &data).code, 5);
    let restored = on(&["restore", backup, "--replace"], &data);
    assert!(
        restored.code == 0 && restored.err.contains("Applied 1 change from the journal."),
        "{restored:?}"
    );
    let fresh = backups.path().join("fresh");
    let restored = on(&["restore", backup], &fresh);
    assert!(restored.err.contains("3 keys were disabled for that reason."), "{restored:?}");
    let newer = backups.path().join("newer");
    let restored = on(&["restore", backup, "--trust-backup"], &newer);
    assert!(
        restored.code == 0 && restored.err.contains("Keys revoked since then work again."),
        "{restored:?}"
    );
    assert!(!restored.err.contains("disabled") && !restored.err.contains("journal"), "{restored:?}");
    // What was revoked after the backup was made stays revoked; what was not goes on.
    let served = Server::on(data.clone());
    let known = |id: &str| {
        run(program(&["keys", "show", id]).env("CLAVIGER_URL", &served.url).arg("--data").arg(&data), "").code
    };
    assert_eq!((known(&kept), known(&revoked)), (0, 4));
    drop(served);
    assert!(data.join("claviger.sqlite.before-restore").exists(), "what was there is kept");
    assert!(!backups.path().join("one.sqlite.lock").exists(), "a backup is only read");
    let told = on(&["doctor"], &data);
    assert!(told.code == 0 && told.out.contains("whole") && told.out.contains("2 keys"), "{told:?}");
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let (_folder, data) = serve_once(Server::start(None));
    let well = run(program(&["doctor", "--json"]).arg("--data").arg(&data), "").json();
    let states = well["checks"].as_array().unwrap().iter().map(|check| check["state"].as_str().unwrap());
    assert!(states.clone().all(|state| state != "fail"), "{well}");
    assert!(states.count() >= 10);

    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&data, 0o755);
    mode(&data.join("operator-key"), 0o644);
    mode(&data.join("keyring"), 0o644);
    for beside in ["claviger.sqlite-wal", "claviger.sqlite-shm"] {
        // SQLite would mend the file from these.
        let _ = std::fs::remove_file(data.join(beside));
    }
    std::fs::write(data.join("claviger.sqlite"), "not a database, but long enough to look like some file")
        .unwrap();
    let sick = on(&["doctor"], &data);
    assert!(sick.code == 1 && sick.err.contains("4 checks failed"), "{sick:?}");
    for (check, advice) in [
        ("data folder", "chmod 700"),
        ("operator key", "chmod 600"),
        ("keyring", "chmod 600"),
        ("database", "claviger restore"),
    ] {
        let line = sick.out.lines().find(|line| line.starts_with(check)).unwrap();
        assert!(line.contains("fail") && line.contains(advice), "{line}");
    }
    let wrong = run(&mut program(&["doctor", "--listen", "0.0.0.0:80"]), "");
    assert!(wrong.code == 1 && wrong.out.contains("plain HTTP"), "{wrong:?}");
}

#[test]
fn a_lost_operator_key() {
    let (_folder, data) = serve_once(Server::start(None));
    let before = std::fs::read_to_string(data.join("operator-key")).unwrap();
    std::fs::remove_file(data.join("operator-key")).unwrap();
    let reset = on(&["operator", "reset"], &data);
    assert!(reset.code == 0 && reset.err.contains("A new operator key is in"), "{reset:?}");
    assert!(!reset.err.contains("ck_") && reset.out.is_empty());
    let after = std::fs::read_to_string(data.join("operator-key")).unwrap();
    assert_ne!(before, after);
    assert_eq!(std::fs::metadata(data.join("operator-key")).unwrap().permissions().mode() & 0o777, 0o600);
    let nowhere = tempfile::tempdir().unwrap();
    assert_eq!(on(&["operator", "reset"], nowhere.path()).code, 4);
}

#[test]
fn the_doctor_finds_files_that_the_service_cannot_read() {
    use std::os::unix::fs::MetadataExt;
    let (_folder, data) = serve_once(Server::start(None));
    if std::fs::metadata(&data).unwrap().uid() != 0 {
        return;
    }
    let journal = data.join("claviger.sqlite.revocations.jsonl");
    std::os::unix::fs::chown(&journal, Some(65_534), Some(65_534)).unwrap();
    let sick = on(&["doctor"], &data);
    let line = sick.out.lines().find(|line| line.starts_with("owner")).unwrap();
    let advice = format!("chown 0:0 {}", journal.display());
    assert!(sick.code == 1 && line.contains("user 65534") && line.contains(&advice), "{line}");
}

#[test]
fn a_data_folder_that_others_can_write_to_is_refused() {
    let (_folder, data) = serve_once(Server::start(None));
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o777)).unwrap();
    let ports =
        ["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let refused = on(&[&["serve"], &ports[..]].concat(), &data);
    let advice = format!("chmod 700 {}", data.display());
    assert!(refused.code == 1 && refused.err.contains(&advice), "{refused:?}");
}

#[test]
fn a_database_that_is_gone_is_refused_with_the_ways_out() {
    let (_folder, data) = serve_once(Server::start(None));
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(data.join(format!("claviger.sqlite{suffix}")));
    }
    let ports =
        ["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let refused = on(&[&["serve"], &ports[..]].concat(), &data);
    assert_eq!(refused.code, 1, "{refused:?}");
    for part in ["a loss and not a first start", "claviger restore", "mv "] {
        assert!(refused.err.contains(part), "{refused:?}");
    }
    assert!(!data.join("claviger.sqlite").exists());
}

/// A clock that shows 2030.
struct Ahead;

impl claviger_authority::ports::Clock for Ahead {
    fn now(&self) -> claviger_core::Timestamp {
        claviger_core::Timestamp::from_millis(1_893_456_000_000)
    }
}

#[test]
fn a_first_start_in_2030_is_found_and_put_right() {
    use claviger_authority::ports::{Ports, SystemRandom};
    use claviger_authority::{Authority, SqliteOptions};
    use std::sync::Arc;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let ports = Ports { clock: Arc::new(Ahead), random: Arc::new(SystemRandom) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = SqliteOptions::at(data.join("claviger.sqlite"));
        let settings = claviger_authority::settings::Settings::default();
        let authority = Authority::open(options, settings, ports).await.unwrap();
        authority.first_start(data, None).await.unwrap();
        authority.close().await.unwrap();
    });
    let clock = || {
        let told = on(&["doctor"], data);
        told.out.lines().find(|line| line.starts_with("clock")).unwrap().to_owned()
    };
    assert!(clock().contains("fail") && clock().contains("operator reset-clock"), "{}", clock());
    let reset = on(&["operator", "reset-clock"], data);
    assert!(reset.code == 0 && reset.err.contains("2030-01-01"), "{reset:?}");
    assert!(clock().contains("ok"), "{}", clock());
    assert_eq!(on(&["operator", "reset-clock"], &data.join("none")).code, 4);
}
