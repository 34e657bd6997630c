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
      read routes, limits, retention, policies and defaults again; a mistake in the file changes nothing
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
        let mut config = Config::load(&self.overrides)?;
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
        let authority = server.authority.clone();
        let mut stop = std::pin::pin!(stop_signal());
        let mut failed = std::pin::pin!(authority.failed());
        let failure = loop {
            tokio::select! {
                outcome = &mut stop => break outcome.map(|()| None)?,
                reason = &mut failed => break Some(reason),
                Some(()) = hangup.recv() => self.reload(&server, &mut config),
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
    fn reload(&self, server: &Server, config: &mut Config) {
        let reread = Config::load(&self.overrides)
            .map_err(anyhow::Error::from)
            .and_then(|reread| server.reload(&reread).map(|changed| (reread, changed)));
        let (reread, mut changed) = match reread {
            Ok(reread) => reread,
            Err(error) => {
                let error = format!("{error:#}");
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
