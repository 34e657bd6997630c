//! Starting and stopping.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use claviger_client::Client;
use http::{HeaderValue, header};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::catalog::{CATALOG, Catalog, Resource, resources};
use crate::config::{Config, ConfigError, Observer, People, Projects};
use crate::mirror::{MirrorError, mirror};
use crate::problem::Problem;
use crate::routes::runs::Runs;
use crate::routes::{account, conat, embed, index, internal, notebooks, runs, samples};

/// How long requests under way may take to end once the application has been told to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// What a request's body may be long: a run's name and a little more.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Why the application did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The authority's address or the application's key cannot be used.
    #[error(transparent)]
    Authority(#[from] claviger_client::Error),
    /// The authority does not have the resources.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
}

/// The running application. It stops when this is dropped; [`App::shutdown`] waits until it has.
#[derive(Debug)]
pub struct App {
    /// Where it listens, with the port that it got.
    pub address: SocketAddr,
    /// The ids of its resources.
    pub resources: Catalog,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// What every request can see.
pub(crate) struct Shared {
    pub(crate) authority: Client,
    pub(crate) people: People,
    pub(crate) team: String,
    pub(crate) projects: Projects,
    pub(crate) resources: Vec<Resource>,
    pub(crate) runs: Mutex<Runs>,
    pub(crate) clock: fn() -> SystemTime,
    observer: Option<Observer>,
}

/// Binds, mirrors the resources to the authority, and then serves until it is told to stop.
///
/// # Errors
///
/// When the configuration is wrong, the address is taken, or the authority refuses or stays out of reach.
pub async fn start(config: Config) -> Result<App, StartError> {
    config.check()?;
    let listening = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let resources = resources(&config);
    let Config { authority, key, people, team, projects, clock, observer, .. } = config;
    let authority = Client::builder(authority).key(key).build()?;
    mirror(&authority, &resources).await?;

    let runs = Mutex::default();
    let shared = Shared { authority, people, team, projects, resources, runs, clock, observer };
    let service = router(Arc::new(shared)).into_make_service_with_connect_info::<SocketAddr>();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(async move {
        // Ends with an error, too, when the handle is dropped; either way it is time to stop.
        let stopped = async { drop(stopped.await) };
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the server ended");
        }
    });
    tracing::info!(%address, "the sample application is ready");
    Ok(App { address, resources: CATALOG, stop, server })
}

impl App {
    /// Takes no more requests, waits for those under way (at most five seconds), and returns.
    pub async fn shutdown(self) {
        let Self { stop, mut server, .. } = self;
        drop(stop);
        if tokio::time::timeout(DRAIN_PATIENCE, &mut server).await.is_err() {
            tracing::warn!("requests were still under way at the end");
            server.abort();
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let behind_the_gateway = Router::new()
        .route("/", get(index::page))
        .route("/d/{file}", get(notebooks::download))
        .route("/embed/{notebook}", get(embed::page))
        .route("/api/v1/account", get(account::show))
        .route("/api/v1/samples", get(samples::list))
        .route("/api/v1/samples/public", get(samples::public))
        .route("/api/v1/samples/{id}", get(samples::show))
        .route("/api/v1/projects/{id}/runs", get(runs::list).post(runs::create))
        .route("/api/conat/hub", post(conat::hub))
        .route("/api/conat/project", post(conat::of_project))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .layer(from_fn_with_state(shared.clone(), observe));
    behind_the_gateway
        .merge(internal::router(&shared))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(around))
        .with_state(shared)
}

/// Shows what came through the gateway. What did not may still carry a key, which nobody shall see.
async fn observe(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(observer) = &shared.observer {
        observer(&parts);
    }
    next.run(Request::from_parts(parts, body)).await
}

/// What holds for every answer.
async fn around(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    // What one caller may read, the next may not; and the gateway has to be asked each time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An embed's address may carry a key.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
