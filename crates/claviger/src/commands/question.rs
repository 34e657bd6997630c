//! What `verify` and `explain` ask about a key.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use claviger_client::{Secret, Verify};

use crate::exit::Failure;
use crate::remote::read_key_or;

/// What is asked about a key.
#[derive(Debug, Args)]
#[command(next_help_heading = "Question")]
pub struct Question {
    /// The file that holds the key to look at; without it, or with `-`, standard input. Never the key itself:
    /// every user of the machine sees the arguments of a program.
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true, help_heading = "Arguments")]
    file: PathBuf,
    /// What somebody wants to do with it, such as `notebook:read`.
    #[arg(long, value_name = "TYPE:ACTION")]
    action: Option<String>,
    /// To what: a resource, perhaps at a version (`notebook:5e1f@12`), or `account:…`, `team:…`, `project:…`.
    #[arg(long, value_name = "TYPE:ID[@VERSION]")]
    target: Option<String>,
    /// Where it is used.
    #[arg(long, value_name = "CONTEXT", value_enum)]
    context: Option<Where>,
    /// From which address it is used; a key that is restricted to addresses is refused without.
    #[arg(long, value_name = "ADDRESS", value_parser = claviger_core::address::parse)]
    ip: Option<std::net::IpAddr>,
    /// From which web origin it is used.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

/// Where a key is used.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Where {
    /// In a program.
    Api,
    /// In a page of somebody else's.
    Embed,
}

impl Question {
    /// The question, with the key.
    ///
    /// # Errors
    /// The key cannot be read, or the target has a version that is none.
    pub fn read(&self) -> anyhow::Result<Verify> {
        let (target, version) = match &self.target {
            None => (None, None),
            Some(text) => split(text).map(|(target, version)| (Some(target), version))?,
        };
        Ok(Verify {
            action: self.action.clone(),
            target,
            version,
            context: self.context.map(|place| match place {
                Where::Api => "api".to_owned(),
                Where::Embed => "embed".to_owned(),
            }),
            ip: self.ip.map(|ip| ip.to_string()),
            origin: self.origin.clone(),
            ..Verify::new(key(&self.file)?)
        })
    }

    /// The question in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let action = self.action.as_deref().unwrap_or("anything at all");
        let target = self.target.as_ref().map(|target| format!(" on {target}")).unwrap_or_default();
        let embed = if matches!(self.context, Some(Where::Embed)) { ", in an embed" } else { "" };
        format!("{action}{target}{embed}")
    }
}

/// A target and its version.
fn split(text: &str) -> anyhow::Result<(String, Option<u32>)> {
    let Some((target, version)) = text.split_once('@') else { return Ok((text.to_owned(), None)) };
    let version = version.parse().map_err(|_| {
        Failure::usage(
            "`--target`: after the `@`, write a version, a whole number from 1, such as `notebook:5e1f@12`",
        )
    })?;
    Ok((target.to_owned(), Some(version)))
}

fn key(path: &Path) -> anyhow::Result<Secret> {
    if path.as_os_str() != "-" || !std::io::stdin().is_terminal() {
        return read_key_or(path, |_| {
            Failure::usage("there is no such file").hint(
                "This command takes a file that holds the key, never the key itself; pipe it in instead: \
                 printf %s \"$KEY\" | claviger verify",
            )
        });
    }
    write!(std::io::stderr(), "Paste the key and press Enter (it is not shown): ")?;
    let line = hidden_line()?;
    writeln!(std::io::stderr())?;
    if line.expose().is_empty() { Err(Failure::usage("no key was given").into()) } else { Ok(line) }
}

/// A line from the terminal, which does not echo it.
fn hidden_line() -> anyhow::Result<Secret> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes -= LocalModes::ECHO;
    tcsetattr(&stdin, OptionalActions::Now, &silent)?;
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = stdin.read_line(&mut line);
    // Before anything else: a terminal that stays silent looks broken.
    tcsetattr(&stdin, OptionalActions::Now, &before)?;
    read?;
    Ok(Secret::new(line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_with_versions() {
        let check = |text: &str, expect: Option<(&str, Option<u32>)>| {
            let told = split(text).ok();
            assert_eq!(told, expect.map(|(target, version)| (target.to_owned(), version)), "{text}");
        };
        check("notebook:5e1f", Some(("notebook:5e1f", None)));
        check("notebook:5e1f@12", Some(("notebook:5e1f", Some(12))));
        check("notebook:5e1f@latest", None);
        check("notebook:5e1f@12...", None);
    }
}
