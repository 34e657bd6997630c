//! A key of each kind through its whole life, with the command line alone.

use crate::support::Demo;

#[test]
fn a_key_of_each_kind() {
    let demo = Demo::start();
    let subjects = [
        format!("account:{}", demo.fact("/accounts/owner/id")),
        format!("team:{}", demo.fact("/teams/lab/id")),
        format!("project:{}", demo.fact("/projects/atlas/id")),
        format!("notebook:{}", demo.fact("/resources/private_notebook")),
        "operator".to_owned(),
    ];
    for subject in subjects {
        live(&demo, &subject);
    }
}

fn live(demo: &Demo, subject: &str) {
    let resource = subject.starts_with("notebook:");
    let scope = if subject == "operator" { "history:read" } else { "*:read" };
    let mut arguments = vec!["keys", "create", "First", "--for", subject, "--expires", "90d", "--json"];
    arguments.extend(["--scope", scope]);
    if resource {
        arguments.extend(["--versions", "@1...", "--grant", "secrets"]);
    }
    let created = demo.run(&arguments, "").json();
    let id = created["key"]["id"].as_str().unwrap().to_owned();
    let secret = created["secret"].as_str().unwrap().to_owned();
    let question: &[&str] = if resource { &["--target", subject] } else { &[] };
    let verify = |secret: &str| demo.run(&[&["verify", "--json"], question].concat(), secret);
    assert_eq!(verify(&secret).code, 0, "{subject}");

    let listed = demo.run(&["keys", "list", "--for", subject], "").good();
    assert!(listed.contains(&id) && listed.contains("First") && !listed.contains(&secret));
    assert!(demo.run(&["keys", "rename", &id, "Second"], "").good().contains("updated"));
    assert!(demo.run(&["keys", "show", &id], "").good().contains("Second"));
    let explained = demo.run(&[&["explain"], question].concat(), &secret).good();
    assert!(explained.contains("1. the key is active") && explained.contains("valid"), "{explained}");

    assert!(demo.run(&["keys", "disable", &id], "").good().contains("Refused everywhere"));
    let refused = verify(&secret);
    assert!(refused.code == 7 && refused.out.contains("key_disabled"), "{refused:?}");
    demo.run(&["keys", "enable", &id], "").good();
    assert_eq!(verify(&secret).code, 0);

    let rotated = demo.run(&["keys", "rotate", &id, "--json"], "").json();
    let (old, id) = (id, rotated["key"]["id"].as_str().unwrap().to_owned());
    assert_eq!(rotated["key"]["replaces"], old.as_str());
    assert_eq!(verify(&secret).code, 7, "the old key ended");
    let secret = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!(verify(&secret).code, 0);

    // With an overlap both go on, and the old one only for so long.
    let rotated = demo.run(&["keys", "rotate", &id, "--overlap", "1h", "--json"], "").json();
    let (first, id) = (id, rotated["key"]["id"].as_str().unwrap().to_owned());
    let (before, secret) = (secret, rotated["secret"].as_str().unwrap().to_owned());
    assert_eq!((verify(&before).code, verify(&secret).code), (0, 0), "{subject}: both are good");
    let ends = |id: &str| demo.run(&["keys", "show", id, "--json"], "").json()["expires_at"].clone();
    assert!(ends(&first).as_str() < ends(&id).as_str(), "the old one ends first");
    demo.run(&["keys", "delete", &first, "--yes"], "").good();
    assert_eq!((verify(&before).code, verify(&secret).code), (7, 0), "{subject}");

    let gone = demo.run(&["keys", "delete", &id, "--yes"], "").good();
    assert!(gone.contains("deleted") && gone.contains("Refused everywhere"), "{gone}");
    assert_eq!(demo.run(&["keys", "show", &id], "").code, 4);
    let refused = verify(&secret);
    assert!(refused.code == 7 && refused.out.contains("invalid_key"), "{refused:?}");
    let told = demo.run(&["history", "--target", &format!("key:{old}")], "").good();
    for step in ["key:create", "name: First -> Second", "status: active -> disabled", "key:rotate"] {
        assert!(told.contains(step), "{subject}: {step} in\n{told}");
    }
    let lines = demo.run(&["history", "--target", &format!("key:{id}"), "--json-lines"], "").good();
    assert!(lines.lines().any(|line| line.contains("key:delete")), "{lines}");
}

#[test]
fn keys_from_elsewhere() {
    let demo = Demo::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.csv");
    let subject = format!("project:{}", demo.fact("/projects/atlas/id"));
    let key = |n: u32| format!("old_{n}_AbCdEfGhIjKlMnOpQrStUvWx{n}");
    let row = |n: u32| format!("Old {n},{subject},{},*:read,team=a\n", key(n));
    let head = "name,subject,key,scopes,metadata\n";
    let import = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        demo.run(&[&["keys", "import", path.to_str().unwrap()], more].concat(), "")
    };
    let wrong = format!("{head}{}Odd,project:none,{},*:read,\n", row(1), key(2));
    let tried = import(&wrong, &[]);
    assert!(tried.code == 1 && tried.err.contains("nothing was imported"), "{tried:?}");
    assert!(tried.out.contains("Odd") && !tried.out.contains("old_"), "{tried:?}");
    assert_eq!(demo.run(&["verify"], &key(1)).code, 7);
    let dry = import(&format!("{head}{}", row(1)), &["--dry-run"]).good();
    assert_eq!(dry, "1 would be imported.\n");
    assert_eq!(demo.run(&["verify"], &key(1)).code, 7);

    let skipped = import(&wrong, &["--skip-bad", "--json"]);
    assert_eq!(skipped.code, 1);
    let report: serde_json::Value = serde_json::from_str(&skipped.out).unwrap();
    assert_eq!(
        (&report["committed"], &report["imported"], &report["wrong"]),
        (&true.into(), &1.into(), &1.into())
    );
    let many = (1..=450).map(row).collect::<String>();
    let imported = import(&format!("{head}{many}"), &[]).good();
    assert!(imported.ends_with("449 imported, 1 duplicate.\n"), "{imported}");
    assert!(demo.run(&["verify"], &key(450)).good().contains(&subject));
    assert!(import(&format!("{head}{many}"), &[]).good().ends_with("0 imported, 450 duplicate.\n"));
}

#[test]
fn a_key_says_what_it_is_from_a_file_and_from_standard_input() {
    let demo = Demo::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, format!("{}\n", demo.fact("/keys/lab_team"))).unwrap();
    let shown = demo.run(&["whoami", "--key-file", path.to_str().unwrap()], "").good();
    assert!(shown.contains("Team dashboard") && shown.contains("team:team_"), "{shown}");
    let piped = demo.run(&["whoami", "--key-file", "-", "--json"], &demo.fact("/keys/lab_team")).json();
    assert_eq!(piped["key"]["name"], "Team dashboard");
    let secret =
        demo.run(&["keys", "create", "x", "--for", "operator", "--scope", "key:verify", "--secret-only"], "");
    assert!(secret.good().trim().starts_with("ck_"));
    let first = demo.run(&["keys", "list", "--limit", "2", "--json"], "").json();
    let rest = demo.run(&["keys", "list", "--limit", "0", "--json"], "").json();
    assert!(first["items"].as_array().unwrap().len() == 2 && rest["items"].as_array().unwrap().len() > 8);
}
