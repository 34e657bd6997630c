//! A running Claviger: the store, and the three listeners.

use std::collections::HashSet;
use std::env::VarError;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use claviger_authority::first_start::FirstStart;
use claviger_authority::keyring::Keyring;
use claviger_authority::ports::Ports;
use claviger_authority::{Authority, SqliteOptions, check_private};
use claviger_http::admin::AdminService;
use claviger_http::api::ApiService;
use claviger_http::gate::proxy::{Proxy, Tunnels};
use claviger_http::gate::{Gate, GatewayService, RouteConfig, Routes};
use claviger_http::metrics::Metrics;
use claviger_http::serve::{ServeLimits, serve, serve_with};
use claviger_http::state::AppState;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConfigError};
use crate::descriptors::{self, Shares};
use crate::exit::{Code, Failure};
use crate::serving;

/// The first port that every user may listen on.
const PORT_UNPRIVILEGED_MIN: u16 = 1024;
/// The file of the root keyring in the data folder.
pub const KEYRING_FILE: &str = "keyring";

/// The variable with the operator key to install at the first start in place of a generated one.
pub const OPERATOR_KEY_VARIABLE: &str = "CLAVIGER_OPERATOR_KEY";

/// A running Claviger.
pub struct Server {
    /// The authority.
    pub authority: Authority,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Where the gateway will listen.
    pub gateway: SocketAddr,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// What the first start found or did.
    pub first_start: FirstStart,
    state: AppState,
    /// Says where the API is, for the commands of this machine.
    _announced: Option<std::fs::File>,
    gateway_listener: Option<TcpListener>,
    gate: Option<Gate>,
    shares: Shares,
    /// How long requests under way may take to end after the signal to stop.
    drain: Duration,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    /// What is done from time to time, until the last request has ended.
    jobs: (CancellationToken, JoinHandle<()>),
}

impl Server {
    /// Opens the store, binds the listeners and serves the API and the admin pages.
    ///
    /// # Errors
    /// What keeps it from starting, and what to do.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        private_folder(&config.data).with_context(|| {
            format!("cannot make the data folder {}, which --data names", config.data.display())
        })?;
        check_private(&config.data)?;
        let shares = descriptors::shares()?;
        let ports = Ports::system();
        let api_listener = bind("listen", config.listen).await?;
        let gateway_listener = bind("gateway_listen", config.gateway_listen).await?;
        let admin_listener = bind("admin_listen", config.admin_listen).await?;
        let keyring = config.data.join(KEYRING_FILE);
        let keyring_is_new = !keyring.exists();
        Keyring::open_or_create(&keyring, &ports)?;
        if keyring_is_new && config.database.exists() {
            tracing::warn!(
                path = %keyring.display(),
                "there was no keyring beside this database, so another was made; if there is a copy of the old one, stop and put it back"
            );
        }
        let options = SqliteOptions::at(&config.database);
        let authority = Authority::open(options, config.settings.clone(), ports)
            .await
            .with_context(|| format!("the database {}", config.database.display()))?;
        let first_start = authority.first_start(&config.data, supplied_operator_key()?).await?;
        let api = api_listener.local_addr()?;
        let announced = serving::announce(&config.data, api)
            .inspect_err(|error| tracing::warn!(%error, "commands with --data will not find this program"))
            .ok();
        let state = AppState {
            authority: authority.clone(),
            edge: Arc::new(config.edge(api)),
            metrics: Metrics::default(),
        };
        let stop_jobs = CancellationToken::new();
        let jobs = authority.spawn_jobs(stop_jobs.clone());
        let mut server = Self {
            authority,
            jobs: (stop_jobs, jobs),
            api,
            gateway: gateway_listener.local_addr()?,
            admin: admin_listener.local_addr()?,
            first_start,
            gateway_listener: Some(gateway_listener),
            gate: None,
            shares,
            _announced: announced,
            drain: config.drain,
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            state: state.clone(),
        };
        let stop = server.stop.clone();
        let service = ApiService::new(state.clone());
        server.tasks.spawn(serve_with(
            api_listener,
            limits(&state, shares.api),
            move |peer| service.at(peer),
            stop.clone(),
            config.drain,
        ));
        server.tasks.spawn(serve(
            admin_listener,
            limits(&state, shares.admin),
            AdminService::new(state),
            stop,
            config.drain,
        ));
        Ok(server)
    }

    /// Opens the gateway with these routes.
    ///
    /// # Errors
    /// A route that is wrong.
    pub fn open_gateway(&mut self, configured: &[RouteConfig]) -> anyhow::Result<()> {
        let routes = Routes::new(configured)?;
        let Some(listener) = self.gateway_listener.take() else {
            anyhow::bail!("the gateway is open already")
        };
        let tunnels = Tunnels::new(self.stop.clone());
        let upstreams = config_upstreams(configured);
        let proxy = Proxy::new(self.shares.proxy(upstreams), tunnels);
        let gate = Gate::new(self.state.clone(), routes);
        self.gate = Some(gate.clone());
        let make = move |peer| GatewayService::new(gate.clone(), proxy.clone(), peer);
        let limits = limits(&self.state, self.shares.gateway);
        self.tasks.spawn(serve_with(listener, limits, make, self.stop.clone(), self.drain));
        Ok(())
    }

    /// Puts the routes and those settings in force that may change while the program runs, and returns the
    /// names of the settings that did. Requests under way keep the routes they began with.
    ///
    /// # Errors
    /// A route or a setting that is wrong; everything stays as it was.
    pub async fn reload(&self, config: &Config) -> anyhow::Result<Vec<&'static str>> {
        let routes = Routes::new(&config.routes)?;
        let changed = self.authority.replace_settings(config.settings.clone()).await?;
        if let Some(gate) = &self.gate {
            gate.replace_routes(routes);
        }
        Ok(changed)
    }

    /// Stops because what is in memory may lack a committed change ([`Authority::failed`]): everything is
    /// refused by then, and only a new start, which loads everything again, helps. Returns the error to end with.
    pub async fn give_up(self, reason: String) -> anyhow::Error {
        tracing::error!(
            reason,
            "the index may lack a committed change: every request is refused with 503 not_fresh, and the process ends"
        );
        if let Err(error) = self.shutdown().await {
            let error = format!("{error:#}");
            tracing::error!(error, "not everything could be closed");
        }
        anyhow::anyhow!(
            "the index may lack a committed change ({reason}); start again to load everything anew"
        )
    }

    /// Stops: no more connections, requests under way are completed within the deadline, then the store is closed.
    ///
    /// # Errors
    /// What the store says.
    pub async fn shutdown(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        let (stop_jobs, jobs) = self.jobs;
        stop_jobs.cancel();
        jobs.await.context("the task that writes usage and history")?;
        self.authority.close().await.context("closing the store")?;
        Ok(())
    }
}

/// To how many applications the routes lead.
fn config_upstreams(routes: &[RouteConfig]) -> usize {
    routes.iter().filter_map(|route| route.upstream.as_ref()).collect::<HashSet<_>>().len()
}

/// Waits for the signal to stop: SIGTERM, or Ctrl-C.
///
/// # Errors
/// Signals cannot be received.
pub async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        outcome = tokio::signal::ctrl_c() => Ok(outcome?),
    }
}

/// What each listener allows.
fn limits(state: &AppState, connections_max: usize) -> ServeLimits {
    let public_url = state.edge.public_url.as_str().into();
    ServeLimits { public_url, ..Shares::listener(connections_max) }
}

/// The operator key that the environment supplies; an empty variable counts as unset.
///
/// # Errors
/// It is not text.
pub fn supplied_operator_key() -> Result<Option<String>, ConfigError> {
    match std::env::var(OPERATOR_KEY_VARIABLE) {
        Ok(key) if key.trim().is_empty() => Ok(None),
        Ok(key) => Ok(Some(key.trim().to_owned())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            Err(ConfigError::new(format!("{OPERATOR_KEY_VARIABLE}: this is not text in UTF-8")))
        }
    }
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let flag = setting.replace('_', "-");
    TcpListener::bind(address).await.map_err(|error| {
        let (what, advice) = match error.kind() {
            ErrorKind::AddrInUse => (
                "address already in use".to_owned(),
                format!("Stop what listens there, or choose another address with --{flag}."),
            ),
            ErrorKind::PermissionDenied if address.port() < PORT_UNPRIVILEGED_MIN => (
                "permission denied".to_owned(),
                format!(
                    "Ports below {PORT_UNPRIVILEGED_MIN} need the capability CAP_NET_BIND_SERVICE: choose a higher port with --{flag}, or grant it (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE)."
                ),
            ),
            ErrorKind::AddrNotAvailable => (
                "this machine does not have that address".to_owned(),
                format!("Choose an address of this machine with --{flag}, such as 127.0.0.1:{}.", address.port()),
            ),
            kind => (kind.to_string(), format!("Choose another address with --{flag}.")),
        };
        Failure::new(Code::Failure, format!("cannot bind {address}: {what}")).hint(advice).into()
    })
}

/// Makes the folder, for its owner alone.
///
/// # Errors
/// What the system says.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
