//! The configuration: one TOML file, overridden by variables and flags. Sensible with no file at all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use claviger_authority::settings::{KindDefaults, Settings};
use claviger_core::Kind;
use claviger_core::decide::Policy;
use claviger_core::key::KeyFormat;
use claviger_core::scope::ScopeSet;
use claviger_http::api::GithubKey;
use claviger_http::gate::{RouteConfig, Routes};
use claviger_http::state::EdgeSettings;
use ipnet::IpNet;
use serde::Deserialize;

/// The configuration, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder for everything that Claviger keeps.
    pub data: PathBuf,
    /// The SQLite file.
    pub database: PathBuf,
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the gateway listens.
    pub gateway_listen: SocketAddr,
    /// Where health and metrics are served.
    pub admin_listen: SocketAddr,
    /// The address under which people reach the API.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Settings of the use cases.
    pub settings: Settings,
    /// Public keys with which GitHub signs its reports of leaked keys.
    pub github_keys: Vec<GithubKey>,
    /// Routes of the gateway.
    pub routes: Vec<RouteConfig>,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What is wrong with the configuration.
#[derive(Debug)]
pub struct ConfigError(String);

impl ConfigError {
    /// With this explanation.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Which installation: what commands need that do not listen. Each flag has a variable of the same name.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The configuration file; without one the defaults hold.
    #[arg(long, env = "CLAVIGER_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder for everything that Claviger keeps.
    #[arg(long, env = "CLAVIGER_DATA", hide_env_values = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// The database: `sqlite:PATH`; by default a file in the data folder.
    #[arg(long, env = "CLAVIGER_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
}

/// Flags that override the file. Each has a variable of the same name.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// Which installation.
    #[command(flatten)]
    pub place: Place,
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, env = "CLAVIGER_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where the gateway listens.
    #[arg(long, env = "CLAVIGER_GATEWAY_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub gateway_listen: Option<SocketAddr>,
    /// Where health and metrics are served.
    #[arg(long, env = "CLAVIGER_ADMIN_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// What is logged: `error`, `warn`, `info`, `debug`.
    #[arg(long, env = "CLAVIGER_LOG", hide_env_values = true, value_name = "LEVEL")]
    pub log: Option<String>,
}

impl From<Place> for Overrides {
    fn from(place: Place) -> Self {
        Self { place, ..Self::default() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    database: Option<String>,
    listen: Option<SocketAddr>,
    gateway_listen: Option<SocketAddr>,
    admin_listen: Option<SocketAddr>,
    public_url: Option<String>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    account_keys_reach_teams: Option<bool>,
    keys_per_authority_max: Option<u32>,
    teams_per_account_max: Option<u32>,
    projects_per_owner_max: Option<u32>,
    expired_key_retention_days: Option<u32>,
    history_retention_days: Option<u32>,
    usage_retention_days: Option<u32>,
    journal_retention_days: Option<u32>,
    #[serde(default)]
    formats: BTreeMap<String, FormatFile>,
    #[serde(default)]
    defaults: BTreeMap<String, DefaultsFile>,
    #[serde(default)]
    leaks: LeaksFile,
    #[serde(default)]
    routes: Vec<RouteConfig>,
    log: Option<String>,
    #[serde(default)]
    log_format: LogFormat,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormatFile {
    prefix: String,
    length: usize,
    #[serde(default = "yes")]
    checksum: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultsFile {
    format: Option<String>,
    scopes: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaksFile {
    #[serde(default)]
    only_told: Vec<String>,
    #[serde(default)]
    github_keys: Vec<GithubKeyFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GithubKeyFile {
    identifier: String,
    pem: String,
}

impl LeaksFile {
    fn github_keys(&self) -> Result<Vec<GithubKey>, ConfigError> {
        let read = |key: &GithubKeyFile| GithubKey::new(&key.identifier, &key.pem);
        let keys = self.github_keys.iter().map(read).collect::<Result<_, _>>();
        keys.map_err(|error| ConfigError::new(format!("`leaks.github_keys`: {error}")))
    }

    fn only_told(&self) -> Result<Vec<Kind>, ConfigError> {
        let read = |word: &String| {
            let wrong = || ConfigError::new(format!("`leaks.only_told`: `{word}` is not a kind of key"));
            Kind::from_word(word).ok_or_else(wrong)
        };
        self.only_told.iter().map(read).collect()
    }
}

fn yes() -> bool {
    true
}

/// The data folder unless another is named.
pub const DATA: &str = "claviger-data";
const DATABASE_FILE: &str = "claviger.sqlite";
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8400);
const GATEWAY_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8401);
const ADMIN_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8402);

impl Config {
    /// Reads the file, if there is one, and applies the overrides.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and what is wrong in it.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = match &overrides.place.config {
            None => File::default(),
            Some(path) => read(path)?,
        };
        let data = overrides.place.data.clone().or(file.data.clone()).unwrap_or_else(|| DATA.into());
        let database = overrides.place.database.clone().or(file.database.clone());
        let config = Self {
            database: database_path(database.as_deref(), &data)?,
            data,
            listen: overrides.listen.or(file.listen).unwrap_or(LISTEN),
            gateway_listen: overrides.gateway_listen.or(file.gateway_listen).unwrap_or(GATEWAY_LISTEN),
            admin_listen: overrides.admin_listen.or(file.admin_listen).unwrap_or(ADMIN_LISTEN),
            public_url: file.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            trusted_proxies: file.trusted_proxies.iter().map(|text| block(text)).collect::<Result<_, _>>()?,
            settings: settings(&file)?,
            github_keys: file.leaks.github_keys()?,
            log: overrides.log.clone().or(file.log.clone()).unwrap_or_else(|| "info".to_owned()),
            log_format: file.log_format,
            routes: file.routes,
        };
        config.check()?;
        Ok(config)
    }

    /// What reading alone does not show.
    fn check(&self) -> Result<(), ConfigError> {
        Routes::new(&self.routes).map_err(|error| ConfigError::new(error.to_string()))?;
        for (name, address) in [("listen", self.listen), ("gateway_listen", self.gateway_listen)] {
            if !address.ip().is_loopback() && self.trusted_proxies.is_empty() {
                return Err(ConfigError::new(format!(
                    "`{name} = \"{address}\"`: keys would travel over plain HTTP. Listen on a loopback address, or put a proxy that ends TLS in front and name it in `trusted_proxies`"
                )));
            }
        }
        Ok(())
    }

    /// What of another configuration takes a restart, by the names in the file.
    #[must_use]
    pub fn takes_restart(&self, other: &Self) -> Vec<&'static str> {
        let sorted = |config: &Self| {
            let mut formats = config.settings.formats.clone();
            formats.sort_by(|a, b| a.0.cmp(&b.0));
            formats
        };
        let all = [
            ("data", self.data != other.data),
            ("database", self.database != other.database),
            ("listen", self.listen != other.listen),
            ("gateway_listen", self.gateway_listen != other.gateway_listen),
            ("admin_listen", self.admin_listen != other.admin_listen),
            ("public_url", self.public_url != other.public_url),
            ("trusted_proxies", self.trusted_proxies != other.trusted_proxies),
            ("formats", sorted(self) != sorted(other)),
            ("leaks.github_keys", self.github_keys != other.github_keys),
            ("log", self.log != other.log),
            ("log_format", self.log_format != other.log_format),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }

    /// Settings of the edge, once the API's address is known.
    #[must_use]
    pub fn edge(&self, api: SocketAddr) -> EdgeSettings {
        EdgeSettings {
            trusted_proxies: self.trusted_proxies.clone(),
            public_url: self.public_url.clone().unwrap_or_else(|| format!("http://{api}")),
            github_keys: self.github_keys.clone(),
        }
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(format!("{}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| ConfigError::new(format!("{}: {error}", path.display())))
}

fn database_path(url: Option<&str>, data: &Path) -> Result<PathBuf, ConfigError> {
    match url.map(|url| url.split_once(':')) {
        None => Ok(data.join(DATABASE_FILE)),
        Some(Some(("sqlite", path))) if !path.is_empty() => Ok(path.into()),
        // Not repeated: it may have a password in it.
        Some(_) => Err(ConfigError::new("`database`: write `sqlite:PATH`")),
    }
}

fn block(text: &str) -> Result<IpNet, ConfigError> {
    claviger_core::restriction::parse_block(text)
        .map_err(|error| ConfigError::new(format!("`trusted_proxies`, `{text}`: {error}")))
}

fn settings(file: &File) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    for (name, format) in &file.formats {
        let made = KeyFormat::new(&format.prefix, format.length, format.checksum)
            .map_err(|error| ConfigError::new(format!("[formats.{name}]: {error}")))?;
        settings.formats.retain(|(known, _)| **known != **name);
        settings.formats.push((name.as_str().into(), made));
    }
    for (word, defaults) in &file.defaults {
        let wrong = |what: String| ConfigError::new(format!("[defaults.{word}]: {what}"));
        let kind = Kind::from_word(word).ok_or_else(|| {
            wrong("kinds are `account`, `team`, `project`, `resource` and `operator`".to_owned())
        })?;
        let known = settings.defaults_of(kind).cloned();
        let format = match (&defaults.format, known.as_ref()) {
            (Some(name), _) if settings.formats.iter().any(|(known, _)| **known == **name) => {
                name.as_str().into()
            }
            (Some(name), _) => return Err(wrong(format!("there is no format `{name}`"))),
            (None, Some(known)) => known.format.clone(),
            (None, None) => kind.as_str().into(),
        };
        let scopes = match &defaults.scopes {
            Some(texts) => {
                let scopes = ScopeSet::parse(texts.iter().map(String::as_str));
                Some(scopes.map_err(|error| wrong(error.to_string()))?)
            }
            None => known.and_then(|known| known.scopes),
        };
        settings.defaults.retain(|defaults| defaults.kind != kind);
        settings.defaults.push(KindDefaults { kind, format, scopes });
    }
    settings.policy = Policy { account_keys_reach_teams: file.account_keys_reach_teams.unwrap_or(false) };
    settings.keys_per_authority_max = file.keys_per_authority_max.unwrap_or(settings.keys_per_authority_max);
    settings.teams_per_account_max = file.teams_per_account_max.unwrap_or(settings.teams_per_account_max);
    settings.projects_per_owner_max = file.projects_per_owner_max.unwrap_or(settings.projects_per_owner_max);
    settings.expired_key_retention_days =
        file.expired_key_retention_days.unwrap_or(settings.expired_key_retention_days);
    settings.usage_retention_days = file.usage_retention_days.unwrap_or(settings.usage_retention_days);
    if let Some(days) = file.history_retention_days {
        settings.history_retention_days = (days > 0).then_some(days);
    }
    if let Some(days) = file.journal_retention_days {
        settings.journal_retention_days = (days > 0).then_some(days);
    }
    settings.leaks_only_told = file.leaks.only_told()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let path = std::env::temp_dir().join(format!("claviger-config-{}-{:x}", std::process::id(), {
            text.bytes().fold(7_u64, |hash, b| hash.wrapping_mul(31).wrapping_add(u64::from(b)))
        }));
        std::fs::write(&path, text).unwrap();
        let loaded = Config::load(&Place { config: Some(path.clone()), ..Place::default() }.into());
        std::fs::remove_file(&path).unwrap();
        loaded.map_err(|error| error.to_string())
    }

    #[test]
    fn no_file_is_fine() {
        let config = Config::load(&Overrides::default()).unwrap();
        assert!(config.listen.ip().is_loopback() && config.admin_listen.ip().is_loopback());
        assert_eq!(config.database, Path::new("claviger-data/claviger.sqlite"));
    }

    #[test]
    fn mistakes_are_told() {
        let check = |text: &str, expect: &str| {
            let told = load(text).err().unwrap_or_default();
            assert!(told.contains(expect), "{text}: {told}");
        };
        check("lisen = 1", "unknown field `lisen`");
        check("listen = \"0.0.0.0:80\"", "plain HTTP");
        check("database = \"mysql:x\"", "sqlite:PATH");
        check("database = \"postgres://user:secret@host/db\"", "`database`: write `sqlite:PATH`");
        check("trusted_proxies = [\"proxy\"]", "`proxy`");
        check("[formats.weak]\nprefix = \"sk_\"\nlength = 20", "[formats.weak]");
        check("[defaults.robot]\nformat = \"account\"", "kinds are");
        check("[defaults.team]\nformat = \"none\"", "no format `none`");
        check("[[routes]]\npath = \"x\"\nupstream = \"http://a\"", "route 1 (`x`)");
        check("[[routes]]\npath = \"/x\"\nupstream = \"http://a\"\nslots = 1", "unknown field `slots`");
    }

    #[test]
    fn for_how_long_things_are_kept() {
        let check = |text: &str, expect: (u32, Option<u32>, u32)| {
            let settings = load(text).unwrap().settings;
            let kept = (
                settings.expired_key_retention_days,
                settings.history_retention_days,
                settings.usage_retention_days,
            );
            assert_eq!(kept, expect, "{text}");
        };
        let default = Settings::default();
        let days = (default.expired_key_retention_days, default.history_retention_days);
        check("", (days.0, days.1, default.usage_retention_days));
        check(
            "expired_key_retention_days = 7\nhistory_retention_days = 0\nusage_retention_days = 9",
            (7, None, 9),
        );
        check("history_retention_days = 30", (days.0, Some(30), default.usage_retention_days));
        let journal = |text: &str| load(text).unwrap().settings.journal_retention_days;
        assert_eq!(
            [journal(""), journal("journal_retention_days = 0"), journal("journal_retention_days = 7")],
            [default.journal_retention_days, None, Some(7)]
        );
    }

    #[test]
    fn what_a_file_can_say() {
        let config = load(
            "listen = \"0.0.0.0:80\"\ntrusted_proxies = [\"10.0.0.0/8\"]\naccount_keys_reach_teams = true\n\
             [formats.short]\nprefix = \"\"\nlength = 32\nchecksum = false\n\
             [defaults.account]\nformat = \"short\"\nscopes = [\"*:*\"]\n",
        )
        .unwrap();
        assert!(config.settings.policy.account_keys_reach_teams);
        let defaults = config.settings.defaults_of(Kind::Account).unwrap();
        assert_eq!(
            (&*defaults.format, defaults.scopes.as_ref().map(ToString::to_string)),
            ("short", Some("*:*".to_owned()))
        );
    }
}
