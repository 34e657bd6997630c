//! `claviger backup`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use claviger_authority::{backup_file, journal_file};
use serde_json::json;

use crate::config::{Config, Place};
use crate::exit::{Code, Failure};
use crate::output::Output;
use crate::server::KEYRING_FILE;

/// Copy the database to a file, also while `claviger serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "\
The copy is of one instant, whole, and readable by its owner alone. It holds digests of keys, never keys. The \
keyring is not in it, so that whoever finds a backup cannot open what is sealed: copy it once, to another place. Nor is \
the journal of revocations, which grows on beside the database: `claviger restore` needs it as it is then.

Examples:
  claviger backup --data claviger-data backups/claviger-2027-01-31.sqlite
  claviger backup --config claviger.toml \"/backups/claviger-$(date +%F).sqlite\"")]
pub struct Backup {
    /// The file to make; it must not exist yet.
    file: PathBuf,
    /// Print JSON instead of text for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Backup {
    /// Copies.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.place.clone().into())?;
        if !config.database.exists() {
            let told = format!("there is no database: {}", config.database.display());
            return Err(Failure::new(Code::NotFound, told).hint("Name its folder with --data.").into());
        }
        if self.file.exists() {
            let told = format!("there is a file already: {}", self.file.display());
            return Err(Failure::new(Code::Conflict, told)
                .hint("Nothing is overwritten: name another.")
                .into());
        }
        backup_file(&config.database, &self.file).with_context(|| self.file.display().to_string())?;
        let (keyring, journal) = (config.data.join(KEYRING_FILE), journal_file(&config.database));
        let output = Output::new(self.json);
        if output.is_json() {
            return output.json(&json!({"backup": self.file, "keyring": keyring, "journal": journal}));
        }
        eprintln!("The database was copied to {}.", self.file.display());
        eprintln!("The keyring is not in it; keep a copy of {} in another place.", keyring.display());
        eprintln!("A restoration needs the newest {}, too.", journal.display());
        Ok(())
    }
}
