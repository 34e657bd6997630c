//! `claviger doctor`: looks at an installation and says what to do.

mod checks;

use clap::Args;
use serde::Serialize;

use crate::config::Overrides;
use crate::exit::{Code, Failure};
use crate::output::{Colour, Output, Styled, Table};

/// Look at an installation: configuration, permissions, keyring, database, clock, disk, listeners.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed, and it may run beside `claviger serve`. Exits with 1 if a check fails.

Examples:
  claviger doctor --data claviger-data
  claviger doctor --config /etc/claviger.toml --json | jq '.checks[] | select(.state != \"ok\")'")]
pub struct Doctor {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    overrides: Overrides,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found.
    found: String,
    /// What to do, unless all is well.
    #[serde(rename = "do")]
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), advice: None }
    }

    fn is_fail(&self) -> bool {
        matches!(self.state, State::Fail)
    }

    fn warn(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: State::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: State::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

#[derive(Serialize)]
struct Report {
    checks: Vec<Check>,
}

impl Doctor {
    /// Looks and prints.
    pub fn run(self) -> anyhow::Result<()> {
        let output = Output::new(self.json);
        let report = Report { checks: checks::all(&self.overrides) };
        if output.is_json() {
            output.json(&report)?;
        } else {
            output.table(&table(&report))?;
        }
        let failed = report.checks.iter().filter(|check| check.state == State::Fail).count();
        match failed {
            0 => Ok(()),
            1 => Err(Failure::new(Code::Failure, "a check failed").into()),
            _ => Err(Failure::new(Code::Failure, format!("{failed} checks failed")).into()),
        }
    }
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(&["CHECK", "STATE", "FOUND", "WHAT TO DO"]);
    for check in &report.checks {
        let state = match check.state {
            State::Ok => Styled::new("ok", Colour::Green),
            State::Warn => Styled::new("warn", Colour::Yellow),
            State::Fail => Styled::new("fail", Colour::Red),
        };
        let advice = check.advice.as_deref().unwrap_or_default();
        table.row(vec![check.name.into(), state, check.found.as_str().into(), advice.into()]);
    }
    table
}
