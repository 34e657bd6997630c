//! With which authority a command talks, and with which key. A key is never an argument: those can be seen by
//! every user of the machine.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use claviger_authority::first_start::OPERATOR_KEY_FILE;
use claviger_client::{Client, Secret};

use crate::config::DATA;
use crate::exit::Failure;
use crate::output::Output;

/// Where an authority listens by default.
const URL: &str = "http://127.0.0.1:8400";
/// The variable that holds the key to call with.
const KEY_VARIABLE: &str = "CLAVIGER_KEY";
/// Bytes of a file with a key in it at most: a key has at most 256.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// With which authority a command talks, and how it answers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Remote {
    /// The address of the authority [default: http://127.0.0.1:8400].
    #[arg(long, env = "CLAVIGER_URL", value_name = "URL", hide_env_values = true)]
    url: Option<String>,
    /// Read the key to call with from this file; `-` is standard input. Without it: the variable
    /// CLAVIGER_KEY, else `operator-key` in the data folder.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The data folder of a `claviger serve` on this machine.
    #[arg(long, env = "CLAVIGER_DATA", value_name = "FOLDER", hide_env_values = true)]
    data: Option<PathBuf>,
    /// Allow http:// to another machine: the key can be read by everybody on the way.
    #[arg(long)]
    plain_http: bool,
    /// Print the API's JSON instead of text for people.
    #[arg(long)]
    pub json: bool,
}

impl Remote {
    /// The client.
    ///
    /// # Errors
    /// No key, or an address that cannot be used.
    pub fn client(&self) -> anyhow::Result<Client> {
        let builder = Client::builder(self.url.as_deref().unwrap_or(URL)).allow_plain_http(self.plain_http);
        Ok(builder.key(self.key()?).build()?)
    }

    /// How the command answers.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::new(self.json)
    }

    fn key(&self) -> anyhow::Result<Secret> {
        if let Some(path) = &self.key_file {
            return read_key(path);
        }
        if let Some(key) = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.trim().is_empty()) {
            return Ok(Secret::new(key.trim()));
        }
        match (&self.data, &self.url) {
            (Some(data), _) => read_key(&data.join(OPERATOR_KEY_FILE)),
            // The operator key of this folder belongs to the authority on this machine, and goes to no other.
            (None, None) if Path::new(DATA).join(OPERATOR_KEY_FILE).exists() => {
                read_key(&Path::new(DATA).join(OPERATOR_KEY_FILE))
            }
            (None, _) => Err(Failure::usage("there is no key to call with")
                .hint("Set CLAVIGER_KEY, or name a file with --key-file, or the data folder with --data.")
                .into()),
        }
    }
}

/// Reads a key from a file; `-` is standard input.
///
/// # Errors
/// The file cannot be read, or is empty.
pub fn read_key(path: &Path) -> anyhow::Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    if path.as_os_str() == "-" {
        std::io::stdin().take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).context("standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("the key file {}", path.display()))?;
        let read = file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text);
        read.with_context(|| format!("the key file {}", path.display()))?;
    }
    if text.trim().is_empty() {
        let standard = path.as_os_str() == "-";
        let place = if standard { "standard input".to_owned() } else { path.display().to_string() };
        return Err(Failure::usage(format!("{place} holds no key")).into());
    }
    Ok(Secret::new(text.trim()))
}
