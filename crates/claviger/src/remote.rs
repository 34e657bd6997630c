//! With which authority a command talks, and with which key. A key is never an argument: those can be seen by
//! every user of the machine.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use claviger_authority::first_start::OPERATOR_KEY_FILE;
use claviger_client::{Client, Secret};

use crate::config::{DATA, Environment};
use crate::exit::{Code, Failure};
use crate::output::{Output, path_shown};
use crate::serving::{ADDRESS_FILE, serving_address};

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
    /// The address of the authority [default: that of the data folder, else http://127.0.0.1:8400]. Variable:
    /// CLAVIGER_URL.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Read the key to call with from this file; `-` is standard input. Without it: the variable
    /// CLAVIGER_KEY, else `operator-key` in the data folder.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The data folder of a `claviger serve` on this machine. Its key is sent to that one only. Variable:
    /// CLAVIGER_DATA.
    #[arg(long, value_name = "FOLDER")]
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
        let environment = Environment::of_process();
        environment.checked()?;
        let (url, key) = self.url_and_key(&environment)?;
        Ok(Client::builder(&url).allow_plain_http(self.plain_http).key(key).build()?)
    }

    /// How the command answers.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// Where to call, and with which key. A key that was found in a data folder belongs to the installation there,
    /// and goes to no other address.
    fn url_and_key(&self, environment: &Environment) -> anyhow::Result<(String, Secret)> {
        let variable = |name: &str| environment.text(name).map(|text| text.map(str::to_owned));
        let url = match &self.url {
            Some(url) => Some(url.clone()),
            None => variable("CLAVIGER_URL")?,
        };
        let data = self.data.clone().or_else(|| environment.get("CLAVIGER_DATA").map(PathBuf::from));
        let given = match &self.key_file {
            Some(path) => Some(read_key(path)?),
            None => variable(KEY_VARIABLE)?.map(|key| Secret::new(key.trim())),
        };
        if let Some(key) = given {
            let there = || data.as_deref().and_then(|data| serving_address(data).ok().flatten());
            return Ok((url.or_else(there).unwrap_or_else(|| URL.to_owned()), key));
        }
        let data = match (data, &url) {
            (Some(data), _) => data,
            (None, None) if Path::new(DATA).join(OPERATOR_KEY_FILE).exists() => DATA.into(),
            (None, _) => {
                return Err(Failure::usage("there is no key to call with")
                    .hint("Set CLAVIGER_KEY, or name a file with --key-file, or the data folder with --data.")
                    .into());
            }
        };
        let file = data.join(OPERATOR_KEY_FILE);
        let key = read_key(&file)?;
        let address =
            serving_address(&data).with_context(|| data.join(ADDRESS_FILE).display().to_string())?;
        match (address, url) {
            (Some(address), None) => Ok((address, key)),
            (Some(address), Some(url)) if is_same(&address, &url) => Ok((url, key)),
            (Some(address), Some(_)) => Err(Failure::usage(format!(
                "the key in {} belongs to the authority at {address}, and is sent nowhere else",
                data.display()
            ))
            .hint(format!("To send it to another address, name it: --key-file {}", file.display()))
            .into()),
            (None, url) => {
                let to = url.as_deref().unwrap_or(URL);
                Err(Failure::new(Code::Unavailable, format!("no `claviger serve` runs on {}", data.display()))
                    .hint(format!(
                        "Start it; or, if it runs elsewhere, name its address and the key: --url {to} --key-file {}",
                        file.display()
                    ))
                    .into())
            }
        }
    }
}

/// Whether two addresses are the same listener, however this machine is called in them.
fn is_same(a: &str, b: &str) -> bool {
    let plain =
        |url: &str| url.trim_end_matches('/').replace("//localhost:", "//127.0.0.1:").to_ascii_lowercase();
    plain(a) == plain(b)
}

/// Reads a key from a file; `-` is standard input.
///
/// # Errors
/// The file cannot be read, or is empty.
pub fn read_key(path: &Path) -> anyhow::Result<Secret> {
    let hint = "Name another file with --key-file, or its data folder with --data, or set CLAVIGER_KEY.";
    read_key_or(path, |path| Failure::usage(format!("there is no key file {}", path_shown(path))).hint(hint))
}

/// As [`read_key`], with a failure of its own where there is no such file.
///
/// # Errors
/// As [`read_key`].
pub fn read_key_or(path: &Path, absent: impl FnOnce(&Path) -> Failure) -> anyhow::Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    if path.as_os_str() == "-" {
        std::io::stdin().take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).context("standard input")?;
    } else {
        let context = || format!("the key file {}", path_shown(path));
        let file = match std::fs::File::open(path) {
            // A key with a `/` in it is no file in a file, either, and a long one no name of a file.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
                ) =>
            {
                return Err(absent(path).into());
            }
            opened => opened.with_context(context)?,
        };
        file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).with_context(context)?;
    }
    if text.trim().is_empty() {
        let standard = path.as_os_str() == "-";
        let place = if standard { "standard input".to_owned() } else { path_shown(path) };
        return Err(Failure::usage(format!("{place} holds no key")).into());
    }
    Ok(Secret::new(text.trim()))
}
