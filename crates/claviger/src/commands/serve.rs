//! `claviger serve`

use std::io::{IsTerminal, Write};

use anyhow::Context as _;
use clap::Args;
use claviger_authority::first_start::FirstStart;
use claviger_authority::settings::Settings;
use claviger_core::key::{FormatName, Formats, KeyFormat};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigError, Overrides, reference_file};
use crate::server::{OPERATOR_KEY_VARIABLE, Server, stop_signal, supplied_operator_key};
use crate::telemetry;

/// Run the authority: the API, the gateway and the admin listener.
#[derive(Args)]
#[command(after_help = "\
Examples:
  claviger serve
      the API on 127.0.0.1:8400, the gateway on :8401, health and metrics on :8402;
      everything is kept in ./claviger-data
  claviger serve --config claviger.toml --check
      look at the configuration, start nothing
  claviger serve --print-config > claviger.toml
      a file with every setting, commented out, to start from
  kill -HUP $(pidof claviger)
      read routes, limits, retention, policies and defaults again; a mistake in the file changes nothing
  (umask 077; openssl rand -hex 24 > operator-key)
  CLAVIGER_OPERATOR_KEY=$(cat operator-key) claviger serve
      install this operator key at the first start instead of a generated one")]
pub struct Serve {
    #[command(flatten)]
    overrides: Overrides,
    /// Check the configuration, name everything that is wrong with it, and stop.
    #[arg(long)]
    check: bool,
    /// Print a commented configuration file with every setting, and stop.
    #[arg(long)]
    print_config: bool,
}

impl Serve {
    /// Runs until SIGTERM.
    pub async fn run(self) -> anyhow::Result<()> {
        if self.print_config {
            return std::io::stdout().write_all(reference_file().as_bytes()).map_err(Into::into);
        }
        let config = Config::load(&self.overrides);
        if self.check {
            return check(config);
        }
        let mut config = config?;
        telemetry::start(&config)?;
        for warning in config.warnings() {
            tracing::warn!(warning, "the configuration works, but may not be what you mean");
        }
        // Before anybody can know that this runs: until there is a handler, the signal ends the process.
        let mut hangup = signal(SignalKind::hangup())?;
        let mut server = Server::start(&config).await?;
        announce(&server.first_start)?;
        server.open_gateway(&config.routes)?;
        tracing::info!(api = %server.api, gateway = %server.gateway, admin = %server.admin, "ready");
        let authority = server.authority.clone();
        let mut stop = std::pin::pin!(stop_signal());
        let mut failed = std::pin::pin!(authority.failed());
        let failure = loop {
            tokio::select! {
                outcome = &mut stop => break outcome.map(|()| None)?,
                reason = &mut failed => break Some(reason),
                Some(()) = hangup.recv() => self.reload(&server, &mut config).await,
            }
        };
        match failure {
            None => {
                tracing::info!("stopping");
                server.shutdown().await
            }
            Some(reason) => Err(server.give_up(reason).await),
        }
    }
}

impl Serve {
    /// Reads the configuration again and puts in force what may change while the program runs. With a mistake
    /// in it, everything stays as it was.
    async fn reload(&self, server: &Server, config: &mut Config) {
        let reread = match Config::load(&self.overrides) {
            Ok(reread) => server.reload(&reread).await.map(|changed| (reread, changed)),
            Err(error) => Err(error.into()),
        };
        let (reread, mut changed) = match reread {
            Ok(reread) => reread,
            Err(error) => {
                let error = format!("{error:#}").replace("\n  ", "; ");
                tracing::error!(error, "the configuration is wrong; everything stays as it was");
                return;
            }
        };
        if reread.routes != config.routes {
            changed.push("routes");
        }
        // What takes a restart is compared with what was there at the start, each time.
        let restart = config.takes_restart(&reread);
        config.routes = reread.routes;
        let listed = |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        tracing::info!(
            changed = listed(&changed),
            takes_restart = listed(&restart),
            "the configuration was read again"
        );
    }
}

/// Says that the configuration can be used, and what is odd about it; or everything that is wrong with it.
fn check(config: Result<Config, ConfigError>) -> anyhow::Result<()> {
    let formats = match &config {
        Ok(config) => config.settings.formats.clone(),
        Err(_) => Settings::default().formats,
    };
    let config = match (config, supplied_key_is_good(formats)) {
        (config, Ok(())) => config?,
        (Ok(_), Err(mistake)) => return Err(mistake.into()),
        (Err(mistakes), Err(mistake)) => return Err(mistakes.and(mistake).into()),
    };
    for warning in config.warnings() {
        eprintln!("warning: {warning}");
    }
    let routes = match config.routes.len() {
        1 => "1 route".to_owned(),
        several => format!("{several} routes"),
    };
    eprintln!("The configuration is fine: {routes}, data in {}.", config.data.display());
    Ok(())
}

/// Whether the operator key that a first start would install can be presented later.
fn supplied_key_is_good(formats: Vec<(FormatName, KeyFormat)>) -> Result<(), ConfigError> {
    let Some(key) = supplied_operator_key()? else { return Ok(()) };
    let wrong = |error| ConfigError::new(format!("{OPERATOR_KEY_VARIABLE}: {error}"));
    Formats::new(formats, []).accept(&key).map(|_| ()).map_err(wrong)
}

/// Says where the operator key is; shows it only to a person at a terminal.
fn announce(first_start: &FirstStart) -> anyhow::Result<()> {
    match first_start {
        FirstStart::Done => {}
        FirstStart::Supplied => tracing::info!("the operator key that was supplied is installed"),
        FirstStart::Written(path) => {
            tracing::info!(path = %path.display(), "an operator key was made; it is in this file");
            if std::io::stderr().is_terminal() {
                let key = std::fs::read_to_string(path).context("reading the operator key back")?;
                eprintln!(
                    "\n  Operator key: {}\n  It is also in {}. Keep it like a password.\n",
                    key.trim(),
                    path.display()
                );
            }
        }
    }
    Ok(())
}
