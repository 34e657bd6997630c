//! The reference of the configuration, made from the descriptions of the settings: `docs/claviger.toml` and
//! `docs/CONFIGURATION.md`. `INSTA_UPDATE=always cargo test -p claviger reference` writes them anew.

use std::fmt::Write as _;

#[cfg(test)]
use super::setting::{Form, Section, grouped};
use super::setting::{SECTIONS, Setting, TOP, VARIABLES};

const WIDTH: usize = 100;

/// A comment, wrapped.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + word.len() >= WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// A setting that is commented out: its default where the file can say it, else an example.
fn line(setting: &Setting) -> String {
    let sayable = setting.default.parse::<u64>().is_ok()
        || setting.default.starts_with('"')
        || matches!(setting.default, "[]" | "true" | "false")
        || (setting.default.starts_with('[') && setting.default.ends_with(']'));
    let value = if sayable { setting.default } else { setting.example };
    let text = format!("{} = {value}", setting.name);
    text.lines().map(|line| format!("# {line}\n")).collect()
}

/// `docs/claviger.toml`: everything is commented out, so that it is the configuration without a file.
#[must_use]
pub fn toml() -> String {
    let mut out = String::from(
        "# Every setting of Claviger. All of them are commented out, with their defaults where they have one.\n\
         # Check your file with: claviger serve --config claviger.toml --check\n\
         #\n\
         # Variables override the file; they are named below. Further variables:\n",
    );
    for variable in VARIABLES {
        comment(&mut out, &format!("{}: {}", variable.name, variable.meaning));
    }
    for setting in TOP {
        out.push('\n');
        comment(&mut out, setting.meaning);
        let default = if setting.default.is_empty() { "none" } else { setting.default };
        comment(&mut out, &format!("Default: {default}. Example: {}", setting.example));
        let reload =
            if setting.reload { "SIGHUP puts a change in force." } else { "A change takes a restart." };
        let variable = setting.variable.map(|name| format!("Variable: {name}. ")).unwrap_or_default();
        comment(&mut out, &format!("{variable}{reload}"));
        out.push_str(&line(setting));
    }
    for section in SECTIONS {
        out.push('\n');
        let reload =
            if section.reload { "SIGHUP puts a change in force." } else { "A change takes a restart." };
        comment(&mut out, &format!("{} {reload}", section.meaning));
        let _ = writeln!(out, "# {}", section.header);
        for setting in section.settings {
            comment(&mut out, setting.meaning);
            let text = format!("{} = {}", setting.name, setting.example);
            out.extend(text.lines().map(|line| format!("# {line}\n")));
        }
    }
    out
}

#[cfg(test)]
fn row(out: &mut String, setting: &Setting) {
    let code = |text: &str| {
        let sayable =
            text.starts_with(['"', '[']) || text.parse::<u64>().is_ok() || matches!(text, "true" | "false");
        if sayable && !text.contains(';') { format!("`{text}`") } else { text.to_owned() }
    };
    let form = match setting.form {
        Form::Text => "text".to_owned(),
        Form::Texts => "list of texts".to_owned(),
        Form::YesNo => "`true` or `false`".to_owned(),
        Form::Whole(least, most) => format!("{} to {}", grouped(least), grouped(most)),
    };
    let default = if setting.default.is_empty() { "must be given".to_owned() } else { code(setting.default) };
    let example = setting.example.replace('\n', " ");
    let _ = writeln!(
        out,
        "| `{}` | {form} | {default} | {} Example: `{example}` |",
        setting.name, setting.meaning
    );
}

#[cfg(test)]
fn section(out: &mut String, section: &Section) {
    let _ = writeln!(out, "\n### `{}`\n\n{}\n", section.header, section.meaning);
    out.push_str("| setting | takes | default | |\n|---|---|---|---|\n");
    section.settings.iter().for_each(|setting| row(out, setting));
}

/// `docs/CONFIGURATION.md`
#[cfg(test)]
fn markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Settings\n\n| setting | takes | default | |\n|---|---|---|---|\n");
    TOP.iter().for_each(|setting| row(&mut out, setting));
    out.push_str("\n| setting | variable | flag |\n|---|---|---|\n");
    for setting in TOP {
        let flag = setting.flag.map(|flag| format!("`--{flag}`")).unwrap_or_default();
        let variable = setting.variable.unwrap_or_default();
        let _ = writeln!(out, "| `{}` | `{variable}` | {flag} |", setting.name);
    }
    out.push_str(
        "\nIn a variable, the items of a list are separated by commas.\n\n## Sections of the file\n",
    );
    SECTIONS.iter().for_each(|one| section(&mut out, one));
    out.push_str("\n## Variables that are no settings\n\n| variable | |\n|---|---|\n");
    for variable in VARIABLES {
        let _ = writeln!(out, "| `{}` | {} |", variable.name, variable.meaning);
    }
    let reloaded = TOP.iter().filter(|setting| setting.reload).map(|setting| format!("`{}`", setting.name));
    let sections =
        SECTIONS.iter().filter(|section| section.reload).map(|section| format!("`{}`", section.header));
    let all = reloaded.chain(sections).collect::<Vec<_>>().join(", ");
    let _ = writeln!(out, "\n## What SIGHUP puts in force\n\n{all}. Everything else takes a restart.");
    out
}

#[cfg(test)]
const INTRODUCTION: &str = "\
# Configuration

Claviger needs no configuration. What you set comes from, the strongest first: flags, variables, one TOML file
(`--config` or `CLAVIGER_CONFIG`). [claviger.toml](claviger.toml) is a commented file with every setting to copy from.

`claviger serve --config claviger.toml --check` reads all of it, starts nothing, and names everything that is wrong,
each with its line; it exits with 2 if something is. Unknown settings, unknown variables that begin with `CLAVIGER_`,
and values that could not work are mistakes. An empty variable counts as unset. Variables that Kubernetes and Docker
set for a service called `claviger` (`CLAVIGER_SERVICE_HOST`, `CLAVIGER_PORT_8400_TCP`, …) are left alone.
Relative paths start at the folder in which the program runs.
";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Config, Environment, Overrides, Place as Installation};
    use super::*;

    fn check(name: &str, made: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == made, "docs/{name} differs; INSTA_UPDATE=always cargo test -p claviger reference");
    }

    #[test]
    fn the_reference_in_docs_is_complete() {
        check("claviger.toml", &toml());
        check("CONFIGURATION.md", &markdown());
    }

    #[test]
    fn the_reference_is_a_configuration_with_and_without_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            let path = folder.path().join("claviger.toml");
            std::fs::write(&path, text).unwrap();
            let overrides = Overrides::from(Installation { config: Some(path), ..Installation::default() });
            Config::load_with(&overrides, &Environment::default()).map_err(|error| error.to_string())
        };
        let commented = load(&toml()).unwrap();
        assert!(commented.routes.is_empty());
        // Every example, as somebody would write it who uses all of them.
        let mut all = String::new();
        for setting in TOP.iter().filter(|setting| !matches!(setting.name, "data" | "database")) {
            let _ = writeln!(all, "{} = {}", setting.name, setting.example);
        }
        for section in SECTIONS {
            let _ = writeln!(all, "{}", section.header);
            for setting in section.settings {
                // Embeds take no anonymous readers of other things; the rest goes together.
                let _ = writeln!(all, "{} = {}", setting.name, setting.example);
            }
        }
        let all = all.replace("methods = [\"GET\", \"POST\"]", "methods = [\"GET\"]");
        let config = load(&all).unwrap();
        assert_eq!((config.routes.len(), config.github_keys.len(), config.trusted_proxies.len()), (1, 1, 2));
    }

    #[test]
    fn the_defaults_that_are_described_are_those_that_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claviger.toml");
        let sayable = TOP
            .iter()
            .filter(|setting| line(setting) == format!("# {} = {}\n", setting.name, setting.default));
        let text =
            sayable.map(|setting| format!("{} = {}\n", setting.name, setting.default)).collect::<String>();
        assert!(text.lines().count() >= TOP.len() - 2, "{text}");
        std::fs::write(&path, text).unwrap();
        let load = |config| {
            let overrides = Overrides::from(Installation { config, ..Installation::default() });
            Config { file: None, ..Config::load_with(&overrides, &Environment::default()).unwrap() }
        };
        assert_eq!(format!("{:?}", load(Some(path))), format!("{:?}", load(None)));
    }

    /// A field of a route that has no description would be refused as unknown.
    #[test]
    fn every_field_of_a_route_is_described() {
        let message = toml::from_str::<claviger_http::gate::RouteConfig>("no_such_field = 1").unwrap_err();
        let expected = message.message().split_once("expected one of ").unwrap().1;
        let mut known = expected.split(", ").map(|name| name.trim_matches('`')).collect::<Vec<_>>();
        let mut described = SECTIONS[4].settings.iter().map(|setting| setting.name).collect::<Vec<_>>();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(known, described);
    }
}
