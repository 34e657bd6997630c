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
    #[error("{0}")]
    Path(#[from] PatternError),
    /// The host.
    #[error("write a name, such as api.example.org, perhaps with a port, and without https:// before it")]
    Host,
    /// A path that the gateway answers itself.
    #[error(
        "what is below /forward-auth is for proxies, so this route can never be reached; choose another path, or leave upstream out"
    )]
    Reserved,
    /// The upstream.
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// A method.
    #[error(
        "\"{0}\" is not a method that can be passed on; write GET, POST, PUT, PATCH, DELETE or OPTIONS, in upper case"
    )]
    Method(String),
    /// No method.
    #[error("a route needs at least one method, such as [\"GET\"]")]
    NoMethod,
    /// The target.
    #[error(
        "write `type:{{capture}}` of a resource, `account:{{capture}}`, `team:{{capture}}` or `project:{{capture}}`, such as notebook:{{notebook}}"
    )]
    Target,
    /// The version.
    #[error("write `{{capture}}` or a number from 1, beside a target that is a resource")]
    Version,
    /// A capture that the path does not have.
    #[error("the path has no capture `{{{0}}}`")]
    NoCapture(String),
    /// The action.
    #[error("{0}")]
    Action(#[from] claviger_core::scope::ScopeError),
    /// A slot.
    #[error("\"{0}\" is no place for a key; use bearer, api_key, basic, x_api_key and query")]
    Slot(String),
    /// No slot at all.
    #[error("a route that is not anonymous must read keys somewhere, such as [\"bearer\"]")]
    NoSlot,
    /// The context.
    #[error("use api or embed")]
    Context,
    /// The resources.
    #[error("use mirrored or host")]
    Resources,
    /// The paths.
    #[error("use plain or any")]
    Paths,
    /// The history.
    #[error("use all, writes or off")]
    History,
    /// An origin.
    #[error(
        "\"{0}\" is not an origin; write https://host, https://host:port or *, such as https://example.org"
    )]
    Origin(String),
    /// Anonymous writing.
    #[error("only reading can be anonymous: write an action such as notebook:read, or none")]
    AnonymousWrite,
    /// The same methods on the same path.
    #[error(
        "route {0} has the same path, method and host, so this one can never be reached; GET covers HEAD, and letter case is no difference"
    )]
    Twice(usize),
    /// A path that the gateway refuses.
    #[error(
        "paths like this one are refused as ambiguous, so this route can never be reached; write it without dot segments, or add paths = \"any\""
    )]
    Ambiguous,
}

impl RouteMistake {
    /// The field of the route that is at fault.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Path(_) | Self::Twice(_) | Self::Reserved | Self::Ambiguous => "path",
            Self::Host => "host",
            Self::Upstream(_) => "upstream",
            Self::Method(_) | Self::NoMethod => "methods",
            Self::Target | Self::NoCapture(_) => "target",
            Self::Version => "version",
            Self::Action(_) => "action",
            Self::Slot(_) | Self::NoSlot => "credentials",
            Self::Context => "context",
            Self::Resources => "resources",
            Self::Paths => "paths",
            Self::History => "history",
            Self::Origin(_) => "origins",
            Self::AnonymousWrite => "anonymous",
        }
    }

    /// Puts something harmless in the place of what is wrong, so that the next mistake of the route shows.
    pub(super) fn step_over(&self, route: &mut RouteConfig) {
        let without = |list: &mut Vec<String>, wrong: &str| list.retain(|item| item != wrong);
        match self {
            Self::Path(_) | Self::Twice(_) | Self::Reserved | Self::Ambiguous => {
                // Its captures are unknown, so nothing more can be said of what names them.
                (route.path, route.target, route.version) = ("/".to_owned(), None, None);
            }
            Self::Host => route.host = None,
            Self::Upstream(_) => route.upstream = None,
            Self::Method(method) if route.methods.len() > 1 => without(&mut route.methods, method),
            Self::Method(_) | Self::NoMethod => route.methods = get(),
            Self::Target => (route.target, route.version) = (None, None),
            Self::NoCapture(name) => {
                let names = |text: &Option<String>| {
                    text.as_ref().is_some_and(|text| text.contains(&format!("{{{name}}}")))
                };
                if names(&route.target) {
                    (route.target, route.version) = (None, None);
                } else {
                    route.version = None;
                }
            }
            Self::Version => route.version = None,
            Self::Action(_) => route.action = None,
            Self::Slot(slot) => {
                let slots = route.credentials.get_or_insert_default();
                without(slots, slot);
                if slots.is_empty() {
                    route.credentials = None;
                }
            }
            Self::NoSlot => route.credentials = None,
            Self::Context => route.context = api(),
            Self::Resources => route.resources = mirrored(),
            Self::Paths => route.paths = plain(),
            Self::History => route.history = writes(),
            Self::Origin(origin) => without(&mut route.origins, origin),
            Self::AnonymousWrite => route.anonymous = false,
        }
    }
}
