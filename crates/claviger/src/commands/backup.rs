//! `claviger backup`

use std::path::PathBuf;

use clap::Args;
use claviger_authority::backup_file;

use crate::config::{Config, Overrides};
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
    #[command(flatten)]
    overrides: Overrides,
}

impl Backup {
    /// Copies.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.overrides)?;
        backup_file(&config.database, &self.file)?;
        eprintln!("The database was copied to {}.", self.file.display());
        let keyring = config.data.join(KEYRING_FILE);
        eprintln!("The keyring is not in it; keep a copy of {} in another place.", keyring.display());
        eprintln!("A restoration needs the newest {}.revocations.jsonl, too.", config.database.display());
        Ok(())
    }
}
