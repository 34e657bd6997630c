//! The help texts, the completions and the manual pages.

use crate::support::{program, run};

const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["demo"],
    &["whoami"],
    &["keys"],
    &["keys", "create"],
    &["keys", "list"],
    &["keys", "show"],
    &["keys", "rename"],
    &["keys", "disable"],
    &["keys", "enable"],
    &["keys", "rotate"],
    &["keys", "delete"],
    &["keys", "import"],
    &["verify"],
    &["explain"],
    &["history"],
    &["backup"],
    &["restore"],
    &["doctor"],
    &["operator"],
    &["operator", "reset"],
    &["operator", "reset-clock"],
    &["completions"],
    &["man"],
];

#[test]
fn help_teaches_by_example() {
    for command in COMMANDS {
        let arguments = [*command, &["--help"]].concat();
        let shown = run(&mut program(&arguments), "").good();
        assert!(shown.contains("\nExample"), "{command:?}");
        insta::assert_snapshot!(format!("help_{}", [&["claviger"], *command].concat().join("_")), shown);
    }
}

#[test]
fn completions_and_manual_pages() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&mut program(&["completions", shell]), "").good().contains("claviger"));
    }
    let folder = tempfile::tempdir().unwrap();
    run(program(&["man"]).arg(folder.path()), "").good();
    let page = std::fs::read_to_string(folder.path().join("claviger-keys-create.1")).unwrap();
    assert!(page.contains(".TH claviger-keys-create 1") && page.contains("secret\\-only"), "{page}");
}
