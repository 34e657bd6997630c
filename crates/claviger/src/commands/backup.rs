//! `claviger backup`

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use claviger_authority::{backup_file, journal_file};
use serde_json::json;

use crate::config::{Config, Place};
use crate::exit::{Code, Failure};
use crate::output::{Output, path_shown};
use crate::server::KEYRING_FILE;

/// Copy the database to a file, also while `claviger serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "\
The copy is whole and of one instant. A file it makes is readable by its owner alone. It holds digests of keys, \
never keys. The keyring is not in it, so that nobody who finds a backup can open what is sealed: copy it once, to \
another place. Nor is the journal of revocations, which grows on beside the database: `claviger restore` needs it as \
it is then.

Examples:
  claviger backup --data claviger-data backups/claviger-2027-01-31.sqlite
  claviger backup --config claviger.toml \"/backups/claviger-$(date +%F).sqlite\"
  claviger backup --data claviger-data - | age -r age1… > claviger.sqlite.age")]
pub struct Backup {
    /// The file to make, which must not exist yet; `-` is standard output.
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
        if self.file.as_os_str() == "-" {
            return to_standard_output(&config);
        }
        self.check()?;
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

impl Backup {
    /// What keeps the file from being made, said before the database is read.
    fn check(&self) -> anyhow::Result<()> {
        let file = self.file.display();
        if self.file.is_dir() {
            let hint = format!("Name a file in it: {}", self.file.join("claviger.sqlite").display());
            return Err(Failure::usage(format!("{file} is a folder")).hint(hint).into());
        }
        if self.file.symlink_metadata().is_ok() {
            let told = format!("there is a file already: {file}");
            return Err(Failure::new(Code::Conflict, told)
                .hint("Nothing is overwritten: name another.")
                .into());
        }
        let folder =
            self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.exists() {
            let told = format!("the folder {} does not exist", path_shown(folder));
            let hint = format!("Create it first: mkdir -p {}", path_shown(folder));
            return Err(Failure::new(Code::NotFound, told).hint(hint).into());
        }
        if !folder.is_dir() {
            return Err(Failure::usage(format!("{} is a file, not a folder", folder.display())).into());
        }
        if let Err(error) = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
            let why = std::io::Error::from(error).kind();
            let told = format!("cannot write to the folder {}: {why}", folder.display());
            let hint = "Name another folder, or run this as a user that may write there.";
            return Err(Failure::new(Code::Failure, told).hint(hint).into());
        }
        Ok(())
    }
}

/// Copies to standard output, by way of a file beside the database: only a whole copy is worth sending on.
fn to_standard_output(config: &Config) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        let hint = "Send it to a file or a program: claviger backup - | gzip > claviger.sqlite.gz";
        return Err(Failure::usage("a database is not for a terminal").hint(hint).into());
    }
    let mut name = config.database.as_os_str().to_owned();
    name.push(format!(".backup-{}", std::process::id()));
    let path = PathBuf::from(name);
    let copied = backup_file(&config.database, &path)
        .with_context(|| format!("the copy is made at {} first", path.display()))
        .and_then(|()| Ok(File::open(&path)?));
    // Its name goes at once, so that nothing stays behind whatever happens to this program.
    let _absent = std::fs::remove_file(&path);
    std::io::copy(&mut copied?, &mut out).context("standard output")?;
    out.flush().context("standard output")
}
