//! Routes: what a method and a path mean.

use claviger_core::decide::{Context, Target};
use claviger_core::resource::ResourceName;
use claviger_core::scope::{Action, is_control_type, is_word};
use claviger_core::selector::Version;
use claviger_core::subject::{Reference, WrittenReference};
use http::Method;

use super::config::{RouteConfig, RouteConfigError, RouteMistake};
use super::cors::Origins;
use super::forward_auth::Address;
use super::host::Host;
use super::pattern::{Captures, Pattern, Specificity};
use super::proxy::Upstream;
use super::recorded::Recorded;
use super::spelling::{ambiguous_path, readings};
use crate::credential::Slots;

/// The largest body that a route passes on unless it says otherwise: 1 GiB, streamed.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// Mistakes of one route that are named at most.
const MISTAKES_MAX: usize = 64;

/// One route, ready to match.
pub struct Route {
    /// Its methods.
    pub methods: Vec<Method>,
    /// The host that it is for; `None`: any.
    pub host: Option<Host>,
    /// Its path.
    pub pattern: Pattern,
    /// The same for paths in lower case.
    folded: Pattern,
    /// The same without a slash or a rest at its end, if it has one.
    without_end: Option<(Specificity, Pattern)>,
    specificity: Specificity,
    target: TargetTemplate,
    version: VersionTemplate,
    action: Option<Box<str>>,
    /// Where credentials are read on GET and HEAD.
    pub slots_reading: Slots,
    /// Where credentials are read on other methods.
    pub slots_writing: Slots,
    /// Whether public resources are served without a credential.
    pub anonymous: bool,
    /// The surroundings.
    pub context: Context,
    /// Whether only the application knows its resources.
    pub hosted: bool,
    /// Whether paths that could be read in two ways are passed on, too.
    pub any_path: bool,
    /// What the history records.
    pub recorded: Recorded,
    /// Which scripts may call it.
    pub origins: Origins,
    /// Where requests go; `None`: nowhere, as another proxy asks and passes them on itself.
    pub upstream: Option<Upstream>,
    /// Whether a GET or HEAD may carry a body.
    pub get_body: bool,
    /// The largest body that is passed on, in bytes.
    pub body_bytes_max: u64,
}

enum TargetTemplate {
    Nothing,
    /// `notebook:` and the capture with this name.
    Named {
        prefix: Box<str>,
        capture: Box<str>,
    },
    /// The same thing each time.
    Fixed(Box<str>),
}

enum VersionTemplate {
    Latest,
    Capture(Box<str>),
    Fixed(Version),
}

/// What a path says about its target, as text that outlives the match.
pub struct Matched {
    target: Option<String>,
    version: Option<Version>,
    /// A version was named that cannot be one.
    impossible: bool,
}

/// What a request is about, or that it names something that cannot exist.
pub enum Meant<'m> {
    /// This.
    Target(Target<'m>),
    /// Something that cannot exist: no id, or no version, is written like this.
    Impossible,
}

impl Route {
    /// Reads a route of the configuration.
    ///
    /// # Errors
    /// [`RouteMistake`] says what is wrong with it.
    pub fn new(config: &RouteConfig) -> Result<Self, RouteMistake> {
        let pattern = Pattern::parse(&config.path)?;
        let host =
            config.host.as_deref().map(|text| Host::parse(text).ok_or(RouteMistake::Host)).transpose()?;
        let methods = config.methods.iter().map(|name| method(name)).collect::<Result<Vec<_>, _>>()?;
        if methods.is_empty() {
            return Err(RouteMistake::NoMethod);
        }
        let target = target(config.target.as_deref(), &pattern)?;
        let version = version(config.version.as_deref(), &pattern, &target)?;
        let action = config.action.as_deref().map(Action::parse).transpose()?;
        if config.anonymous && action.is_some_and(|action| !action.is_read()) {
            return Err(RouteMistake::AnonymousWrite);
        }
        let (slots_reading, slots_writing) = match &config.credentials {
            None => (Slots::ALL, Slots::HEADERS),
            Some(names) => {
                let add = |slots: Slots, name: &String| {
                    slots.with(name).ok_or_else(|| RouteMistake::Slot(name.clone()))
                };
                let slots = names.iter().try_fold(Slots::NONE, add)?;
                (slots, slots)
            }
        };
        if slots_reading == Slots::NONE && !config.anonymous {
            return Err(RouteMistake::NoSlot);
        }
        let hosted = match config.resources.as_str() {
            "mirrored" => false,
            "host" => true,
            _ => return Err(RouteMistake::Resources),
        };
        let any_path = match config.paths.as_str() {
            "plain" => false,
            "any" => true,
            _ => return Err(RouteMistake::Paths),
        };
        if config.upstream.is_some() && Address::of(&config.path) != Address::Routes {
            return Err(RouteMistake::Reserved);
        }
        let folded = pattern.folded();
        let mut upstream = config.upstream.as_deref().map(Upstream::parse).transpose()?;
        if let (Some(upstream), Some(speed)) = (&mut upstream, config.body_bytes_per_second_min) {
            upstream.timeouts.upload_speed.bytes_per_second = speed;
        }
        Ok(Self {
            methods,
            host,
            without_end: folded.without_end().map(|pattern| (pattern.specificity(), pattern)),
            specificity: pattern.specificity(),
            folded,
            pattern,
            target,
            version,
            action: config.action.as_deref().map(Box::from),
            slots_reading,
            slots_writing,
            anonymous: config.anonymous,
            context: Context::from_word(&config.context).ok_or(RouteMistake::Context)?,
            hosted,
            any_path,
            recorded: Recorded::from_word(&config.history).ok_or(RouteMistake::History)?,
            origins: Origins::parse(&config.origins).map_err(RouteMistake::Origin)?,
            upstream,
            get_body: config.get_body,
            body_bytes_max: config.body_bytes_max.unwrap_or(BODY_BYTES_MAX),
        })
    }

    /// Whether any request can lead to the route, if these come before it in the file.
    fn reachable(&self, earlier: &[Self]) -> Result<(), RouteMistake> {
        let meet = |other: &Self| {
            self.methods.iter().any(|m| other.takes(m)) || other.methods.iter().any(|m| self.takes(m))
        };
        // A path that another route has in other letters is refused as ambiguous.
        let same_path = |other: &Self| {
            other.pattern.same_paths(&self.pattern)
                || (!self.any_path && other.folded.same_paths(&self.folded))
        };
        let same = |other: &Self| other.host == self.host && same_path(other) && meet(other);
        if let Some(at) = earlier.iter().position(same) {
            return Err(RouteMistake::Twice(at + 1));
        }
        if self.pattern.has_dot_segment() && !self.any_path {
            return Err(RouteMistake::Ambiguous);
        }
        Ok(())
    }

    /// Whether the route takes this method.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.contains(method) || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    /// Whether the route is for such a request, its path aside.
    fn is_for(&self, method: &Method, host: Option<&str>) -> bool {
        self.takes(method) && self.is_for_host(host)
    }

    fn is_for_host(&self, host: Option<&str>) -> bool {
        self.host.as_ref().is_none_or(|pinned| host.is_some_and(|host| pinned.is(host)))
    }

    /// How narrow the route is; of two that match, the greater one is taken.
    fn narrowness(&self) -> (Specificity, bool) {
        (self.specificity, self.host.is_some())
    }

    /// Where credentials are read for this method.
    #[must_use]
    pub fn slots(&self, method: &Method) -> Slots {
        if matches!(*method, Method::GET | Method::HEAD) { self.slots_reading } else { self.slots_writing }
    }

    /// The action.
    #[must_use]
    pub fn action(&self) -> Option<Action<'_>> {
        // It was parsed when the route was read.
        self.action.as_deref().and_then(|text| Action::parse(text).ok())
    }

    /// What the path says.
    #[must_use]
    pub fn read(&self, captures: &Captures<'_, '_>) -> Matched {
        let target = match &self.target {
            TargetTemplate::Nothing => None,
            TargetTemplate::Fixed(text) => Some(text.to_string()),
            TargetTemplate::Named { prefix, capture } => {
                Some(format!("{prefix}{}", captures.get(capture).unwrap_or_default()))
            }
        };
        let (version, impossible) = match &self.version {
            VersionTemplate::Latest => (None, false),
            VersionTemplate::Fixed(version) => (Some(*version), false),
            VersionTemplate::Capture(name) => {
                let version = captures.get(name).and_then(|text| text.parse().ok());
                (version, version.is_none())
            }
        };
        Matched { target, version, impossible }
    }
}

impl Matched {
    /// What the request is about.
    #[must_use]
    pub fn meant(&self, hosted: bool) -> Meant<'_> {
        let Some(text) = &self.target else { return Meant::Target(Target::Nothing) };
        if self.impossible {
            return Meant::Impossible;
        }
        match WrittenReference::parse(text) {
            Ok(WrittenReference::External(kind, id)) => Meant::Target(Target::External(kind, id)),
            Ok(WrittenReference::Known(Reference::Account(id))) => Meant::Target(Target::Account(id)),
            Ok(WrittenReference::Known(Reference::Team(id))) => Meant::Target(Target::Team(id)),
            Ok(WrittenReference::Known(Reference::Project(id))) => Meant::Target(Target::Project(id)),
            Ok(WrittenReference::Known(Reference::Resource(name))) if hosted => {
                Meant::Target(Target::Hosted(name, self.version))
            }
            Ok(WrittenReference::Known(Reference::Resource(name))) => {
                Meant::Target(Target::Resource(name, self.version))
            }
            Ok(WrittenReference::Known(Reference::Operator)) | Err(_) => Meant::Impossible,
        }
    }

    /// The reference of what the request is about.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

fn method(name: &str) -> Result<Method, RouteMistake> {
    let mistake = || RouteMistake::Method(name.to_owned());
    let method = Method::from_bytes(name.as_bytes()).map_err(|_| mistake())?;
    let shouted = name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    let passed_on = !matches!(method, Method::CONNECT | Method::TRACE);
    if passed_on && shouted { Ok(method) } else { Err(mistake()) }
}

/// The name in `{name}`, which the path has to have.
fn capture(text: &str, pattern: &Pattern) -> Option<Result<Box<str>, RouteMistake>> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let known = pattern.names().any(|known| known == name);
    Some(if known { Ok(name.into()) } else { Err(RouteMistake::NoCapture(name.to_owned())) })
}

fn target(text: Option<&str>, pattern: &Pattern) -> Result<TargetTemplate, RouteMistake> {
    let Some(text) = text else { return Ok(TargetTemplate::Nothing) };
    let (kind, id) = text.split_once(':').ok_or(RouteMistake::Target)?;
    let container = matches!(kind, "account" | "team" | "project");
    if !is_word(kind) || (is_control_type(kind) && !container) {
        return Err(RouteMistake::Target);
    }
    let (prefix, id) = match id.strip_prefix("external:") {
        Some(name) if container => (format!("{kind}:external:"), name),
        _ => (format!("{kind}:"), id),
    };
    match capture(id, pattern) {
        Some(name) => Ok(TargetTemplate::Named { prefix: prefix.into(), capture: name? }),
        None if WrittenReference::parse(text).is_ok() => Ok(TargetTemplate::Fixed(text.into())),
        None => Err(RouteMistake::Target),
    }
}

fn version(
    text: Option<&str>,
    pattern: &Pattern,
    target: &TargetTemplate,
) -> Result<VersionTemplate, RouteMistake> {
    let Some(text) = text else { return Ok(VersionTemplate::Latest) };
    let of_resource = match target {
        TargetTemplate::Nothing => false,
        TargetTemplate::Named { prefix, .. } => !prefix.split(':').next().is_some_and(is_control_type),
        TargetTemplate::Fixed(text) => ResourceName::parse(text).is_ok(),
    };
    if !of_resource {
        return Err(RouteMistake::Version);
    }
    match capture(text, pattern) {
        Some(name) => Ok(VersionTemplate::Capture(name?)),
        None => text.parse().map(VersionTemplate::Fixed).map_err(|_| RouteMistake::Version),
    }
}

/// All routes, the narrowest first.
#[derive(Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// Whether any pattern has an upper-case letter in it.
    cased: bool,
}

/// Which route a request has.
pub enum Found<'r, 't> {
    /// This one, with what its captures hold.
    Route(&'r Route, Captures<'r, 't>),
    /// The path is known, but not with this method; these it has.
    OtherMethods(Vec<&'r Method>),
    /// No route.
    Nothing,
}

impl Routes {
    /// Reads the routes of the configuration.
    ///
    /// # Errors
    /// The first route that is wrong, and what is.
    pub fn new(configs: &[RouteConfig]) -> Result<Self, RouteConfigError> {
        let mut routes: Vec<Route> = Vec::new();
        for (n, config) in configs.iter().enumerate() {
            let error = |reason| RouteConfigError { number: n + 1, path: config.path.clone(), reason };
            let route = Route::new(config).map_err(error)?;
            route.reachable(&routes).map_err(error)?;
            routes.push(route);
        }
        // Stable: of two alike, the one that stands first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.narrowness()));
        let cased = routes.iter().any(|route| route.folded != route.pattern);
        Ok(Self { routes, cased })
    }

    /// Everything that is wrong with the routes of the configuration.
    #[must_use]
    pub fn mistakes(configs: &[RouteConfig]) -> Vec<RouteConfigError> {
        let mut mistakes = Vec::new();
        let mut routes: Vec<Route> = Vec::new();
        for (n, config) in configs.iter().enumerate() {
            let mut found = |reason| {
                mistakes.push(RouteConfigError { number: n + 1, path: config.path.clone(), reason });
            };
            let mut harmless = config.clone();
            let fields = MISTAKES_MAX.min(16 + config.methods.len() + config.origins.len());
            for _ in 0..fields {
                match Route::new(&harmless) {
                    Ok(route) => {
                        if harmless.path == config.path {
                            route.reachable(&routes).err().map(&mut found);
                        }
                        routes.push(route);
                        break;
                    }
                    Err(reason) => {
                        reason.step_over(&mut harmless);
                        found(reason);
                    }
                }
            }
        }
        mistakes
    }

    /// The route of a request: the narrowest whose path and host match and that takes the method.
    #[must_use]
    pub fn find<'r, 't>(&'r self, method: &Method, host: Option<&str>, path: &'t str) -> Found<'r, 't> {
        let mut others = Vec::new();
        for route in &self.routes {
            let Some(captures) = route.pattern.matches(path) else { continue };
            if route.is_for(method, host) {
                return Found::Route(route, captures);
            }
            if route.is_for_host(host) {
                others.extend(&route.methods);
            }
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    /// Who may call what is at this path, whatever the method: what the narrowest route there says.
    #[must_use]
    pub fn origins(&self, host: Option<&str>, path: &str) -> Option<&Origins> {
        let here = |route: &&Route| route.is_for_host(host) && route.pattern.matches(path).is_some();
        self.routes.iter().find(here).map(|route| &route.origins)
    }

    /// Whether an application could read the path of a request in a way that leads to another route than the one
    /// that was found for it. Never, where that route takes paths as they are.
    #[must_use]
    pub fn ambiguous(
        &self,
        (found, captures): (&Route, &Captures<'_, '_>),
        method: &Method,
        host: Option<&str>,
        path: &str,
    ) -> bool {
        if found.any_path {
            return false;
        }
        if ambiguous_path(path) || captures.split_an_encoding() {
            return true;
        }
        let both = readings(path);
        // Ordinary paths are read in one way only.
        let readings = if both[0] == both[1] { &both[..1] } else { &both[..] };
        let same = readings.iter().all(|reading| **reading == *path);
        let mut candidates = self.routes.iter().filter(|route| route.is_for(method, host));
        if (!same || self.cased)
            && readings.iter().any(|reading| {
                let read = candidates.clone().find(|route| route.folded.matches(reading).is_some());
                !read.is_some_and(|route| std::ptr::eq(route, found))
            })
        {
            return true;
        }
        // A slash at the end more or less: to many applications it is the same.
        candidates.any(|route| {
            let narrower = |specificity: Specificity| specificity > found.specificity;
            readings.iter().any(|reading| {
                let path = reading.trim_end_matches('/');
                let bare = route.without_end.as_ref();
                bare.is_some_and(|(specificity, bare)| narrower(*specificity) && bare.matches(path).is_some())
                    || (path.len() < reading.len()
                        && narrower(route.specificity)
                        && route.folded.matches(path).is_some())
            })
        })
    }

    /// The routes, the narrowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }
}

#[cfg(test)]
mod tests;
