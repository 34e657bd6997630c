//! `claviger serve`

use std::io::IsTerminal;

use anyhow::Context as _;
use clap::Args;
use claviger_authority::first_start::FirstStart;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Overrides};
use crate::server::{Server, stop_signal};
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
  kill -HUP $(pidof claviger)
      read the routes again; with a mistake in the file, those in force stay
  CLAVIGER_OPERATOR_KEY=$(openssl rand -hex 32) claviger serve
      install this operator key at the first start instead of a generated one")]
pub struct Serve {
    #[command(flatten)]
    overrides: Overrides,
    /// Check the configuration and stop.
    #[arg(long)]
    check: bool,
}

impl Serve {
    /// Runs until SIGTERM.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = Config::load(&self.overrides)?;
        if self.check {
            eprintln!(
                "The configuration is fine: {} routes, data in {}.",
                config.routes.len(),
                config.data.display()
            );
            return Ok(());
        }
        telemetry::start(&config)?;
        // Before anybody can know that this runs: until there is a handler, the signal ends the process.
        let mut hangup = signal(SignalKind::hangup())?;
        let mut server = Server::start(&config).await?;
        announce(&server.first_start)?;
        server.open_gateway(&config.routes)?;
        tracing::info!(api = %server.api, gateway = %server.gateway, admin = %server.admin, "ready");
        let mut stop = std::pin::pin!(stop_signal());
        loop {
            tokio::select! {
                outcome = &mut stop => break outcome?,
                Some(()) = hangup.recv() => self.reload(&server),
            }
        }
        tracing::info!("stopping");
        server.shutdown().await
    }
}

impl Serve {
    /// Reads the configuration again and puts its routes in force. With a mistake in it, those in force stay.
    fn reload(&self, server: &Server) {
        let reread = Config::load(&self.overrides)
            .map_err(anyhow::Error::from)
            .and_then(|config| server.replace_routes(&config.routes).map(|()| config.routes.len()));
        match reread {
            Ok(routes) => {
                tracing::info!(routes, "the routes were read again; all else takes a restart to change");
            }
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the configuration is wrong; the routes stay as they were"
                );
            }
        }
    }
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
