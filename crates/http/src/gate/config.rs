//! Routes as the configuration file writes them.

use serde::Deserialize;

use super::pattern::PatternError;
use super::proxy::UpstreamError;

/// One route of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Methods; `GET` stands for `HEAD`, too.
    #[serde(default = "get")]
    pub methods: Vec<String>,
    /// The host that a request has to name, such as `api.example.org`; absent: any.
    pub host: Option<String>,
    /// A path with named captures, such as `/d/{notebook}@{version}.{format}`.
    pub path: String,
    /// What the request is about: `notebook:{notebook}`, `project:{project}`, or nothing in particular.
    pub target: Option<String>,
    /// The version, such as `{version}`; without one the latest is served.
    pub version: Option<String>,
    /// The action, such as `notebook:read`; none asks only for a credential that is accepted.
    pub action: Option<String>,
    /// Where credentials are read: `bearer`, `api_key`, `basic`, `x_api_key`, `query`. Absent: everywhere,
    /// the query on GET only.
    pub credentials: Option<Vec<String>>,
    /// Whether public resources are served without a credential.
    #[serde(default)]
    pub anonymous: bool,
    /// `api`, or `embed` for pages that stand in others.
    #[serde(default = "api")]
    pub context: String,
    /// `mirrored`: Claviger knows the resources; `host`: only the application does, and decides about them.
    #[serde(default = "mirrored")]
    pub resources: String,
    /// `plain`: a path that could be read in two ways is refused; `any`: it is passed on as it is, for
    /// applications that take it literally.
    #[serde(default = "plain")]
    pub paths: String,
    /// What the history records: `all`, `writes` or `off`.
    #[serde(default = "writes")]
    pub history: String,
    /// Web origins whose scripts may call the route; `*` for all.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Where requests go: `http://host:port`. Absent: the route is for forward-auth alone.
    pub upstream: Option<String>,
    /// Whether a GET or HEAD may carry a body.
    #[serde(default)]
    pub get_body: bool,
    /// The largest body that is passed on, in bytes.
    pub body_bytes_max: Option<u64>,
}

fn get() -> Vec<String> {
    vec!["GET".to_owned()]
}

fn api() -> String {
    "api".to_owned()
}

fn mirrored() -> String {
    "mirrored".to_owned()
}

fn plain() -> String {
    "plain".to_owned()
}

fn writes() -> String {
    "writes".to_owned()
}

/// What is wrong with a route.
#[derive(Debug, thiserror::Error)]
#[error("route {number} (`{path}`): {reason}")]
pub struct RouteConfigError {
    /// Its place in the file, from 1.
    pub number: usize,
    /// Its path.
    pub path: String,
    /// What is wrong.
    pub reason: RouteMistake,
}

/// What can be wrong with a route.
#[derive(Debug, thiserror::Error)]
pub enum RouteMistake {
    /// The path.
    #[error("the path: {0}")]
    Path(#[from] PatternError),
    /// The host.
    #[error(
        "the host: write a name, such as `api.example.org`, perhaps with a port, and without `https://` before it"
    )]
    Host,
    /// A path that the gateway answers itself.
    #[error(
        "the path: what is below `/forward-auth` is for proxies; choose another path, or leave `upstream` out"
    )]
    Reserved,
    /// The upstream.
    #[error("the upstream: {0}")]
    Upstream(#[from] UpstreamError),
    /// A method.
    #[error(
        "`{0}` is not a method that can be passed on; there are GET, POST, PUT, PATCH, DELETE, OPTIONS and others, but neither CONNECT nor TRACE"
    )]
    Method(String),
    /// No method.
    #[error("a route has at least one method")]
    NoMethod,
    /// The target.
    #[error(
        "the target is `type:{{capture}}` of a resource, `account:{{capture}}`, `team:{{capture}}`, `project:{{capture}}`, or absent"
    )]
    Target,
    /// The version.
    #[error("the version is `{{capture}}` or a number, and needs a resource as the target")]
    Version,
    /// A capture that the path does not have.
    #[error("the path has no capture `{{{0}}}`")]
    NoCapture(String),
    /// The action.
    #[error("the action: {0}")]
    Action(#[from] claviger_core::scope::ScopeError),
    /// A slot.
    #[error(
        "credentials are read from `bearer`, `api_key`, `basic`, `x_api_key` and `query`, not from `{0}`"
    )]
    Slot(String),
    /// No slot at all.
    #[error("a route that is not `anonymous` reads credentials somewhere")]
    NoSlot,
    /// The context.
    #[error("the context is `api` or `embed`")]
    Context,
    /// The resources.
    #[error("resources are `mirrored` or `host`")]
    Resources,
    /// The paths.
    #[error("paths are `plain` or `any`")]
    Paths,
    /// The history.
    #[error("the history is `all`, `writes` or `off`")]
    History,
    /// An origin.
    #[error("origin `{0}`: write `https://host`, `https://host:port` or `*`")]
    Origin(String),
    /// Anonymous writing.
    #[error("only reading can be `anonymous`: the action has to be `type:read`, or absent")]
    AnonymousWrite,
    /// The same methods on the same path.
    #[error("another route has the same path, method and host")]
    Twice,
}
