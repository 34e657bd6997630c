//! `claviger operator`

use clap::{Args, Subcommand};
use claviger_authority::ports::Ports;
use claviger_authority::{Authority, SqliteOptions};
use serde_json::json;

use crate::config::{Config, Place};
use crate::exit::{Code, Failure};
use crate::output::Output;

/// What to do with the operator key of an installation.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Example:
  claviger operator reset --data claviger-data
      the key was lost: make another one, on the machine itself, with the program stopped")]
pub enum Operator {
    /// Make a new operator key, for when the old one is lost.
    Reset(Reset),
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

impl Operator {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Reset(reset) => reset.run().await,
        }
    }
}

impl Reset {
    async fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.place.clone().into())?;
        if !config.database.exists() {
            let told = format!("there is no database: {}", config.database.display());
            let hint = "`claviger serve` makes one, with an operator key, at its first start.";
            return Err(Failure::new(Code::NotFound, told).hint(hint).into());
        }
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
