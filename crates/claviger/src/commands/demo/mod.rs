//! `claviger demo`: everything at once, on sample data.

mod print;
mod routes;
mod seed;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Args;
use claviger_authority::first_start::OPERATOR_KEY_FILE;
use claviger_client::Secret;
use claviger_demo::{App, Config as AppConfig};

use crate::config::{Config, Environment, Overrides, Place};
use crate::server::{Server, stop_signal, supplied_operator_key};
use crate::telemetry;
use seed::Seeds;

/// Run everything on sample data, with a sample application behind the gateway.
#[derive(Args)]
#[command(after_help = "\
Examples:
  claviger demo
      starts it all in a temporary folder and prints what to try
  claviger demo --data ./demo-data
      keeps the folder, so that the next start goes on where this one ended
  claviger demo --json --listen 127.0.0.1:0 --gateway-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0
      for programs: free ports, and one line of JSON that says where everything is")]
pub struct Demo {
    /// Print one JSON object instead of text for people.
    #[arg(long)]
    json: bool,
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<OsString>,
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDRESS")]
    gateway_listen: Option<OsString>,
    /// Where health and metrics are served.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<OsString>,
    /// The folder for everything; without one, a temporary folder that is removed at the end.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// What is logged: `error`, `warn`, `info`, `debug` or `trace` [default: warn]. Variable: CLAVIGER_LOG.
    #[arg(long, value_name = "LEVEL")]
    log: Option<OsString>,
    /// Append a line for each request that reaches the sample application to this file.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    record: Option<PathBuf>,
}

/// The operator key of the demo: the one in its folder, else the one that was supplied.
fn operator_key(data: &Path) -> anyhow::Result<String> {
    let path = data.join(OPERATOR_KEY_FILE);
    match (std::fs::read_to_string(&path), supplied_operator_key()?) {
        (Ok(key), _) => Ok(key.trim().to_owned()),
        (Err(_), Some(key)) => Ok(key),
        (Err(error), _) => Err(error).context(path.display().to_string()),
    }
}

fn log_variable() -> Option<OsString> {
    Environment::of_process().get("CLAVIGER_LOG").map(ToOwned::to_owned)
}

/// A folder that is removed at the end, unless it was asked for.
enum Folder {
    Kept(PathBuf),
    Temporary(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

impl Demo {
    /// Runs until SIGTERM.
    pub async fn run(self) -> anyhow::Result<()> {
        let folder = match &self.data {
            Some(path) => Folder::Kept(path.clone()),
            None => {
                Folder::Temporary(std::env::temp_dir().join(format!("claviger-demo-{}", std::process::id())))
            }
        };
        let overrides = Overrides {
            place: Place { data: Some(folder.path().into()), ..Place::default() },
            listen: self.listen.clone(),
            gateway_listen: self.gateway_listen.clone(),
            admin_listen: self.admin_listen.clone(),
            log: self.log.clone().or_else(log_variable).or_else(|| Some("warn".into())),
        };
        // A demo is complete in itself: variables that are meant for a real installation do not alter it.
        let config = Config::load_with(&overrides, &Environment::default())?;
        telemetry::start(&config)?;
        let mut server = Server::start(&config).await?;
        let operator_key = operator_key(&config.data)?;
        let seeding = Seeds::begin(&server.authority, &config.data, &operator_key).await?;
        let app = self.start_app(&server, seeding.seeds()).await?;
        let seeds = seeding.finish().await?;
        server.open_gateway(&routes::routes(app.address)?)?;
        if self.json {
            print::json(&server, app.address, &operator_key, &seeds)?;
        } else {
            print::people(&server, app.address, &config.data, &seeds)?;
        }
        stop_signal().await?;
        app.shutdown().await;
        server.shutdown().await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the sample application knows nothing of our Clock; it takes a function"
    )]
    async fn start_app(&self, server: &Server, seeds: &Seeds) -> anyhow::Result<App> {
        let observer = self.record.as_deref().map(print::recorder).transpose()?;
        let config = AppConfig {
            authority: format!("http://{}", server.api),
            key: Secret::new(seeds.app_key.clone()),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            people: claviger_demo::People {
                owner: seeds.accounts.owner.id.clone(),
                member: seeds.accounts.member.id.clone(),
                stranger: seeds.accounts.stranger.id.clone(),
            },
            team: seeds.teams.lab.id.clone(),
            projects: claviger_demo::Projects {
                atlas: seeds.projects.atlas.id.clone(),
                borealis: seeds.projects.borealis.id.clone(),
            },
            observer,
            clock: SystemTime::now,
        };
        claviger_demo::start(config).await.context("the sample application")
    }
}
