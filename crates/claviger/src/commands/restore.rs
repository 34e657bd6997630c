//! `claviger restore`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use claviger_authority::keyring::write_private;
use claviger_authority::ports::Ports;
use claviger_authority::{Authority, inspect_file};
use claviger_core::KeyId;
use serde_json::json;

use crate::config::{Config, Place};
use crate::exit::{Code, Failure};
use crate::output::{Output, path_shown};
use crate::server::private_folder;

/// Put a backup in the place of the database of a stopped `claviger serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
A backup knows nothing of what was revoked after it was made; the journal of revocations beside the database \
does (`claviger.sqlite.revocations.jsonl`). It is applied, so that what was revoked stays revoked. Where it is missing or has a \
gap, every active key is disabled, and listed for `claviger keys enable --from`: enable what you know to be right, or \
pass --trust-backup to take every key as the backup has it. The database that was there is kept beside the new one, as `….before-restore`, or `….before-restore-2` and so on. Where operator keys were \
disabled, too, `claviger operator reset` lets you in.

Examples:
  claviger restore --data claviger-data backups/claviger-2027-01-31.sqlite --replace
  claviger restore --data new-data backups/claviger-2027-01-31.sqlite --trust-backup
      on a new machine, where nothing was revoked since; copy the keyring there, too")]
pub struct Restore {
    /// The backup.
    file: PathBuf,
    /// Replace the database that is there.
    #[arg(long)]
    replace: bool,
    /// Take every key as the backup has it: those that were revoked since work again.
    #[arg(long)]
    trust_backup: bool,
    /// Print JSON instead of text for people.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// The file in the data folder that names the keys which a restoration had to disable.
const DISABLED_FILE: &str = "disabled-by-restore";

/// Lists them, for `claviger keys enable --from`. What an earlier restoration left is about keys that are no more
/// as they were.
fn list_disabled(data: &Path, keys: &[KeyId]) -> anyhow::Result<Option<PathBuf>> {
    let path = data.join(DISABLED_FILE);
    let context = || path.display().to_string();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(context);
        }
        Ok(()) | Err(_) => {}
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let lines = keys.iter().map(|key| format!("{key}\n")).collect::<String>();
    write_private(&path, lines.as_bytes()).with_context(context)?;
    Ok(Some(path))
}

impl Restore {
    /// Looks at the backup before anything is touched.
    fn check(&self) -> anyhow::Result<()> {
        let file = self.file.display();
        if !self.file.exists() {
            return Err(Failure::new(
                Code::NotFound,
                format!("there is no backup: {}", path_shown(&self.file)),
            )
            .into());
        }
        let found = inspect_file(&self.file).with_context(|| format!("{file} cannot be restored"))?;
        match found.damage.first() {
            None => Ok(()),
            Some(first) => Err(Failure::new(Code::Failure, format!("{file} is damaged: {first}"))
                .hint("Nothing was changed: restore another backup.")
                .into()),
        }
    }

    /// Restores.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.place.clone().into())?;
        if config.database.exists() && !self.replace {
            let told = format!("there is a database already: {}", config.database.display());
            return Err(Failure::new(Code::Conflict, told)
                .hint("Pass --replace to put the backup in its place.")
                .into());
        }
        self.check()?;
        private_folder(&config.data).with_context(|| config.data.display().to_string())?;
        let (database, trust) = (&config.database, self.trust_backup);
        let restored = Authority::restore(&self.file, database, trust, &Ports::system()).await?;
        let listed = list_disabled(&config.data, &restored.disabled)?;
        let output = Output::new(self.json);
        if output.is_json() {
            return output.json(&json!({
                "database": database,
                "journal_complete": restored.vouched,
                "changes_applied": restored.applied,
                "keys_disabled": restored.disabled.len(),
                "keys_disabled_file": listed,
            }));
        }
        eprintln!("The backup is in place: {}.", database.display());
        match restored.applied {
            0 if trust && !restored.vouched => {
                eprintln!("Every key is as it was in the backup. Keys revoked since then work again.");
            }
            1 => eprintln!("Applied 1 change from the journal."),
            several => eprintln!("Applied {several} changes from the journal."),
        }
        if trust && !restored.vouched && restored.applied > 0 {
            eprintln!("The journal has a gap: keys whose revocation it lacks work again.");
        }
        if !restored.vouched && !trust {
            eprintln!("The journal does not cover everything that was revoked since the backup was made.");
            match restored.disabled.len() {
                1 => eprintln!("1 key was disabled for that reason."),
                several => eprintln!("{several} keys were disabled for that reason."),
            }
        }
        if let Some(listed) = listed {
            eprintln!("They are listed in {}. `claviger operator reset` lets you in; once", listed.display());
            eprintln!(
                "`claviger serve` runs, enable those that you know to be right, or all of them at once:"
            );
            eprintln!("  claviger keys enable --from {}", listed.display());
        }
        Ok(())
    }
}
