//! The configuration: one TOML file, overridden by variables and flags. Sensible with no file at all.

mod environment;
mod mistake;
mod reader;
mod reference;
mod sections;
mod setting;
mod source;
mod values;

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use claviger_authority::settings::Settings;
use claviger_core::decide::Policy;
use claviger_http::api::GithubKey;
use claviger_http::gate::RouteConfig;
use claviger_http::state::EdgeSettings;
use ipnet::IpNet;

pub use self::environment::{Environment, nearest};
pub use self::mistake::ConfigError;
use self::mistake::Mistakes;
use self::reader::{Flags, Reader};
pub use self::reference::toml as reference_file;
use self::setting::Setting;

/// The configuration, read and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
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
    /// How long requests under way may take to end after the signal to stop.
    pub drain: Duration,
    /// What is logged.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Which installation: what commands need that do not listen. Each flag has a variable of the same name.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The configuration file; without one the defaults hold. Variable: CLAVIGER_CONFIG.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder for everything that Claviger keeps. Variable: CLAVIGER_DATA.
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<OsString>,
    /// The database, `sqlite:PATH`; by default a file in the data folder. Variable: CLAVIGER_DATABASE.
    #[arg(long, value_name = "URL")]
    pub database: Option<OsString>,
}

/// Flags that override the file. Each has a variable of the same name.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// Which installation.
    #[command(flatten)]
    pub place: Place,
    /// Where the API listens; port 0 takes a free one. Variable: CLAVIGER_LISTEN.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<OsString>,
    /// Where the gateway listens. Variable: CLAVIGER_GATEWAY_LISTEN.
    #[arg(long, value_name = "ADDRESS")]
    pub gateway_listen: Option<OsString>,
    /// Where health and metrics are served. Variable: CLAVIGER_ADMIN_LISTEN.
    #[arg(long, value_name = "ADDRESS")]
    pub admin_listen: Option<OsString>,
    /// What is logged: `error`, `warn`, `info`, `debug` or `trace`. Variable: CLAVIGER_LOG.
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<OsString>,
}

impl Overrides {
    fn flags(&self) -> Flags {
        vec![
            ("data", self.place.data.clone()),
            ("database", self.place.database.clone()),
            ("listen", self.listen.clone()),
            ("gateway-listen", self.gateway_listen.clone()),
            ("admin-listen", self.admin_listen.clone()),
            ("log", self.log.clone()),
        ]
    }
}

impl From<Place> for Overrides {
    fn from(place: Place) -> Self {
        Self { place, ..Self::default() }
    }
}

/// The data folder unless another is named.
pub const DATA: &str = "claviger-data";
const DATABASE_FILE: &str = "claviger.sqlite";
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8400);
const GATEWAY_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8401);
const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8402);
/// How long requests under way may take to end after the signal to stop: container runtimes kill after 10 seconds.
const DRAIN: Duration = Duration::from_secs(8);

impl Config {
    /// Reads the file, if there is one, and applies variables and flags.
    ///
    /// # Errors
    /// [`ConfigError`] has everything that is wrong, each with its place.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_with(overrides, &Environment::of_process())
    }

    /// Reads the file, if there is one, and applies these variables and the flags.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(overrides: &Overrides, environment: &Environment) -> Result<Self, ConfigError> {
        let mut mistakes = Mistakes::default();
        environment.check(&mut mistakes);
        let named = overrides.place.config.clone();
        let path = named.or_else(|| environment.get("CLAVIGER_CONFIG").map(PathBuf::from));
        let table = match &path {
            None => Vec::new(),
            Some(path) => source::read(path, &mut mistakes).unwrap_or_default(),
        };
        let flags = overrides.flags();
        let config = Self::read(Reader::top(table, environment, &flags, &mut mistakes));
        mistakes.or(Self { file: path, ..config })
    }

    fn read(mut top: Reader<'_>) -> Self {
        let (data, database) = places(&mut top);
        let listeners = listeners(&mut top);
        let trusted_proxies = top.parsed_texts(&setting::TRUSTED_PROXIES, values::block).unwrap_or_default();
        let public_url = top.parsed(&setting::PUBLIC_URL, values::url).map(|(_, url)| url);
        let mut settings = settings(&mut top);
        let drain = top.whole(&setting::DRAIN_SECONDS).map_or(DRAIN, Duration::from_secs);
        let log =
            top.parsed(&setting::LOG, values::level).map_or_else(|| "info".to_owned(), |(_, level)| level);
        let log_format = top.parsed(&setting::LOG_FORMAT, values::log_format).map(|(_, form)| form);
        let formats = top.named_tables(&setting::FORMATS);
        let defaults = top.named_tables(&setting::DEFAULTS);
        let leaks = top.table(&setting::LEAKS);
        let routes = top.tables(&setting::ROUTES);
        let mistakes = top.end();
        let mut names = settings.formats.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        // A format that is wrong itself is not missed by a default, too.
        names.extend(formats.iter().map(|(name, _)| name.clone()));
        names.sort();
        names.dedup();
        sections::formats(formats, &mut settings, mistakes);
        sections::defaults(defaults, &names, &mut settings, mistakes);
        let github_keys = sections::leaks(leaks, &mut settings, mistakes);
        listeners.check(&trusted_proxies, mistakes);
        let [listen, gateway_listen, admin_listen] = listeners.0.map(|listener| listener.address);
        let routes = sections::routes(routes, gateway_listen, mistakes);
        Self {
            file: None,
            data,
            database,
            listen,
            gateway_listen,
            admin_listen,
            public_url,
            trusted_proxies,
            settings,
            github_keys,
            routes,
            drain,
            log,
            log_format: log_format.unwrap_or_default(),
        }
    }

    /// What works, and is probably not what was meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let everybody = self.trusted_proxies.iter().filter(|block| values::is_nearly_everybody(block));
        let plain = self.public_url.as_deref().filter(|url| values::is_plain_http(url)).map(|_| {
            "public_url: people would send their keys over plain HTTP; write https://, and end TLS in a proxy in \
             front"
                .to_owned()
        });
        everybody
            .map(|block| {
                format!(
                    "trusted_proxies: {block} trusts nearly everybody, so any client can state any address and \
                     that it came over HTTPS; list the addresses of your proxies only, such as 10.0.0.5"
                )
            })
            .chain(plain)
            .collect()
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
            ("drain_seconds", self.drain != other.drain),
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

/// The data folder and the database.
fn places(top: &mut Reader<'_>) -> (PathBuf, PathBuf) {
    let data = top.parsed(&setting::DATA, values::folder).map_or_else(|| DATA.into(), |(_, data)| data);
    let database = match top.parsed(&setting::DATABASE, values::database) {
        None => data.join(DATABASE_FILE),
        Some((place, database)) => {
            if let Err(complaint) = values::has_folder(&database, &data) {
                top.wrong(&setting::DATABASE, &place, complaint);
            }
            database
        }
    };
    (data, database)
}

struct Listener {
    setting: &'static Setting,
    /// None where the default holds.
    place: Option<source::Place>,
    address: SocketAddr,
}

struct Listeners([Listener; 3]);

fn listeners(top: &mut Reader<'_>) -> Listeners {
    let all = [
        (&setting::LISTEN, LISTEN),
        (&setting::GATEWAY_LISTEN, GATEWAY_LISTEN),
        (&setting::ADMIN_LISTEN, ADMIN_LISTEN),
    ];
    Listeners(all.map(|(setting, default)| match top.parsed(setting, values::address) {
        Some((place, address)) => Listener { setting, place: Some(place), address },
        None => Listener { setting, place: None, address: default },
    }))
}

impl Listeners {
    /// What one value alone does not show.
    fn check(&self, trusted_proxies: &[IpNet], mistakes: &mut Mistakes) {
        let [api, gateway, _] = &self.0;
        for listener in [api, gateway] {
            if let Some(place) = &listener.place
                && !listener.address.ip().is_loopback()
                && trusted_proxies.is_empty()
            {
                mistakes.add(
                    place.of(listener.setting.name),
                    format_args!(
                        "keys would travel over plain HTTP on {}; use a loopback address, such as 127.0.0.1:{}, or put a proxy that ends TLS in front and name it in trusted_proxies",
                        listener.address,
                        listener.address.port()
                    ),
                );
            }
        }
        for (n, later) in self.0.iter().enumerate() {
            let taken = self.0[..n].iter().find(|earlier| values::collide(earlier.address, later.address));
            let Some(earlier) = taken else { continue };
            // The one that was set is at fault, not the default that it runs into.
            let (at_fault, other) = if later.place.is_some() { (later, earlier) } else { (earlier, later) };
            if let Some(place) = &at_fault.place {
                let complaint = format!(
                    "{} takes the port of {}, {}; choose another, such as 127.0.0.1:8410",
                    at_fault.address, other.setting.name, other.address
                );
                mistakes.add(place.of(at_fault.setting.name), complaint);
            }
        }
    }
}

/// Settings of the use cases.
fn settings(top: &mut Reader<'_>) -> Settings {
    let mut settings = Settings::default();
    let mut days = |setting: &Setting| top.whole(setting).and_then(|days| u32::try_from(days).ok());
    let or_ever = |days: u32| (days > 0).then_some(days);
    if let Some(days) = days(&setting::EXPIRED_KEY_RETENTION_DAYS) {
        settings.expired_key_retention_days = days;
    }
    if let Some(days) = days(&setting::HISTORY_RETENTION_DAYS) {
        settings.history_retention_days = or_ever(days);
    }
    if let Some(days) = days(&setting::JOURNAL_RETENTION_DAYS) {
        settings.journal_retention_days = or_ever(days);
    }
    if let Some(days) = days(&setting::USAGE_RETENTION_DAYS) {
        settings.usage_retention_days = days;
    }
    if let Some(keys) = days(&setting::KEYS_PER_SUBJECT_MAX) {
        settings.keys_per_subject_max = keys;
    }
    if let Some(teams) = days(&setting::TEAMS_PER_ACCOUNT_MAX) {
        settings.teams_per_account_max = teams;
    }
    if let Some(projects) = days(&setting::PROJECTS_PER_OWNER_MAX) {
        settings.projects_per_owner_max = projects;
    }
    let reach = top.yes_no(&setting::ACCOUNT_KEYS_REACH_TEAMS).unwrap_or(false);
    settings.policy = Policy { account_keys_reach_teams: reach };
    settings
}

#[cfg(test)]
mod tests;
