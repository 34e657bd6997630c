//! `claviger operator`

use clap::{Args, Subcommand};
use claviger_authority::ports::Ports;
use claviger_authority::{Authority, SqliteOptions};
use serde_json::json;

use crate::clock::stamp;
use crate::config::{Config, Place};
use crate::exit::{Code, Failure};
use crate::output::{Output, short};

/// Repair an installation on the machine itself.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  claviger operator reset --data claviger-data
      the key was lost: make another one, on the machine itself, with the program stopped
  claviger operator reset-clock --data claviger-data
      the clock was years ahead when something was changed, and is right again")]
pub enum Operator {
    /// Make a new operator key, for when the old one is lost.
    Reset(Reset),
    /// Take the machine's clock for right, after it was far ahead.
    ResetClock(ResetClock),
}

/// Make a new operator key, for when the old one is lost.
#[derive(Debug, Args)]
#[command(after_help = "\
`claviger serve` has to be stopped. The key is written to `operator-key` in the data folder, readable by its owner \
alone. Other operator keys go on, as services may depend on them: if one is in the wrong hands, delete it with the new.

Example:
  claviger operator reset --data claviger-data")]
pub struct Reset {
    /// Print JSON instead of text for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Take the machine's clock for right, after it was far ahead.
#[derive(Debug, Args)]
#[command(after_help = "\
`claviger serve` has to be stopped, and the clock has to be right. Time never runs backwards for Claviger: now is never \
earlier than the latest change, so that a key that has expired stays so. If a change was made while the clock was \
ahead, keys are refused too early until the clock has caught up; `claviger doctor` says so. This forgets that time. Keys \
that expired only by the wrong clock are valid again, until their date. The history has a row about it.

Example:
  claviger operator reset-clock --data claviger-data")]
pub struct ResetClock {
    /// Print JSON instead of text for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl ResetClock {
    async fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.place.clone().into())?;
        check_exists(&config)?;
        let before = Authority::reset_clock(&config.database, &Ports::system()).await?;
        let before = before.map(|before| short(stamp(before)));
        let output = Output::new(self.json);
        if output.is_json() {
            return output.json(&json!({"latest_time_before": before}));
        }
        match before {
            Some(before) => {
                eprintln!("The latest time was {before} UTC. From now on it is that of the clock.");
            }
            None => eprintln!("Nothing was changed here yet; the clock is taken for right."),
        }
        Ok(())
    }
}

fn check_exists(config: &Config) -> Result<(), Failure> {
    if config.database.exists() {
        return Ok(());
    }
    let told = format!("there is no database: {}", config.database.display());
    let hint = "`claviger serve` makes one, with an operator key, at its first start.";
    Err(Failure::new(Code::NotFound, told).hint(hint))
}

impl Operator {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Reset(reset) => reset.run().await,
            Self::ResetClock(reset) => reset.run().await,
        }
    }
}

impl Reset {
    async fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.place.clone().into())?;
        check_exists(&config)?;
        let options = SqliteOptions::at(&config.database);
        let authority = Authority::open(options, config.settings.clone(), Ports::system()).await?;
        let reset = authority.operator_reset(&config.data).await;
        authority.close().await?;
        let path = reset?;
        let output = Output::new(self.json);
        if output.is_json() {
            return output.json(&json!({"operator_key_file": path}));
        }
        eprintln!("A new operator key is in {}.", path.display());
        Ok(())
    }
}
