//! Routes: what a method and a path mean.

use claviger_core::authority::Reference;
use claviger_core::decide::{Context, Target};
use claviger_core::resource::ResourceName;
use claviger_core::scope::{Action, is_control_type, is_word};
use claviger_core::selector::Version;
use http::Method;

use super::config::{RouteConfig, RouteConfigError, RouteMistake};
use super::cors::Origins;
use super::passage::Recorded;
use super::pattern::{Captures, Pattern};
use super::proxy::Upstream;
use crate::credential::Slots;

/// The largest body that a route passes on unless it says otherwise: 1 GiB, streamed.
const BODY_BYTES_MAX: u64 = 1 << 30;

/// One route, ready to match.
pub struct Route {
    /// Its methods.
    pub methods: Vec<Method>,
    /// Its path.
    pub pattern: Pattern,
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
    /// Where requests go.
    pub upstream: Upstream,
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
        Ok(Self {
            methods,
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
            upstream: Upstream::parse(&config.upstream)?,
            body_bytes_max: config.body_bytes_max.unwrap_or(BODY_BYTES_MAX),
        })
    }

    /// Whether the route takes this method.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        self.methods.contains(method) || (*method == Method::HEAD && self.methods.contains(&Method::GET))
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
        match Reference::parse(text) {
            Ok(Reference::Account(id)) => Meant::Target(Target::Account(id)),
            Ok(Reference::Team(id)) => Meant::Target(Target::Team(id)),
            Ok(Reference::Project(id)) => Meant::Target(Target::Project(id)),
            Ok(Reference::Resource(name)) if hosted => Meant::Target(Target::Hosted(name, self.version)),
            Ok(Reference::Resource(name)) => Meant::Target(Target::Resource(name, self.version)),
            Ok(Reference::Operator) | Err(_) => Meant::Impossible,
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
    match capture(id, pattern) {
        Some(name) => Ok(TargetTemplate::Named { prefix: format!("{kind}:").into(), capture: name? }),
        None if Reference::parse(text).is_ok() => Ok(TargetTemplate::Fixed(text.into())),
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
        TargetTemplate::Named { prefix, .. } => !is_control_type(prefix.trim_end_matches(':')),
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
pub struct Routes(Vec<Route>);

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
            let same = |other: &Route| {
                other.pattern.as_str() == route.pattern.as_str()
                    && route.methods.iter().any(|m| other.methods.contains(m))
            };
            if routes.iter().any(same) {
                return Err(error(RouteMistake::Twice));
            }
            routes.push(route);
        }
        // Stable: of two alike, the one that stands first.
        routes.sort_by_key(|route| std::cmp::Reverse(route.pattern.specificity()));
        Ok(Self(routes))
    }

    /// The route of a request: the narrowest whose path matches and that takes the method.
    #[must_use]
    pub fn find<'r, 't>(&'r self, method: &Method, path: &'t str) -> Found<'r, 't> {
        let mut others = Vec::new();
        for route in &self.0 {
            let Some(captures) = route.pattern.matches(path) else { continue };
            if route.takes(method) {
                return Found::Route(route, captures);
            }
            others.extend(&route.methods);
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    /// The routes, the narrowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &str) -> RouteConfig {
        let text = format!("path = {path:?}\nupstream = \"http://127.0.0.1:9\"");
        toml::from_str(&text).unwrap()
    }

    fn mistake(change: impl Fn(&mut RouteConfig)) -> String {
        let mut route = config("/d/{notebook}@{version}.{format}");
        route.target = Some("notebook:{notebook}".to_owned());
        route.version = Some("{version}".to_owned());
        change(&mut route);
        Routes::new(&[route]).err().map(|error| error.reason.to_string()).unwrap_or_default()
    }

    #[test]
    fn mistakes_are_told() {
        let check = |change: &dyn Fn(&mut RouteConfig), expect: &str| {
            let told = mistake(change);
            assert!(told.contains(expect) && told.is_empty() == expect.is_empty(), "{told} / {expect}");
        };
        check(&|_| {}, "");
        check(&|r| r.path = "d".into(), "the path");
        check(&|r| r.history = "reads".into(), "`all`, `writes` or `off`");
        check(&|r| r.methods = vec![], "at least one method");
        check(&|r| r.methods = vec!["get".into()], "not a method");
        check(&|r| r.methods = vec!["CONNECT".into()], "not a method");
        check(&|r| r.target = Some("notebook".into()), "the target is");
        check(&|r| r.target = Some("operator:{notebook}".into()), "the target is");
        check(&|r| r.target = Some("notebook:{note}".into()), "no capture `{note}`");
        check(&|r| r.target = None, "the version is");
        check(&|r| r.target = Some("project:{notebook}".into()), "the version is");
        check(&|r| r.version = Some("zero".into()), "the version is");
        check(&|r| r.action = Some("*:read".into()), "the action");
        check(&|r| r.credentials = Some(vec!["cookie".into()]), "not from `cookie`");
        check(&|r| r.credentials = Some(vec![]), "reads credentials somewhere");
        check(&|r| r.context = "page".into(), "the context");
        check(&|r| r.resources = "mine".into(), "resources are");
        check(&|r| r.paths = "all".into(), "paths are");
        check(&|r| r.origins = vec!["example.org".into()], "origin `example.org`");
        check(&|r| r.upstream = "example.org".into(), "the upstream");
        check(
            &|r| {
                r.anonymous = true;
                r.action = Some("notebook:write".into());
            },
            "only reading",
        );
    }

    #[test]
    fn the_narrowest_route_that_takes_the_method() {
        let mut post = config("/d/{notebook}");
        post.methods = vec!["POST".into()];
        let routes = [config("/d/{notebook}.{format}"), config("/d/{notebook}@{version}.{format}"), post];
        let routes = Routes::new(&routes).unwrap();
        let found = |method: Method, path: &str| match routes.find(&method, path) {
            Found::Route(route, _) => route.pattern.as_str().to_owned(),
            Found::OtherMethods(methods) => format!("{methods:?}"),
            Found::Nothing => String::new(),
        };
        assert_eq!(found(Method::GET, "/d/x.js"), "/d/{notebook}.{format}");
        assert_eq!(found(Method::HEAD, "/d/x@1.js"), "/d/{notebook}@{version}.{format}");
        assert_eq!(found(Method::POST, "/d/x@1.js"), "/d/{notebook}");
        assert_eq!(found(Method::GET, "/d/x"), "[POST]");
        assert_eq!(found(Method::GET, "/e/x"), "");
    }

    #[test]
    fn what_a_path_means() {
        let mut route = config("/d/{notebook}@{version}.{format}");
        route.target = Some("notebook:{notebook}".to_owned());
        route.version = Some("{version}".to_owned());
        let route = Route::new(&route).unwrap();
        let check = |path: &str, expect: Option<(&str, u32)>| {
            let matched = route.read(&route.pattern.matches(path).unwrap());
            let meant = match matched.meant(false) {
                Meant::Target(Target::Resource(name, version)) => {
                    Some((name.to_string(), version.map_or(0, Version::get)))
                }
                Meant::Target(_) | Meant::Impossible => None,
            };
            assert_eq!(meant, expect.map(|(name, version)| (name.to_owned(), version)), "{path}");
        };
        check("/d/5e1f@12.js", Some(("notebook:5e1f", 12)));
        check("/d/5e1f@0.js", None);
        check("/d/5e1f@012.js", None);
        check("/d/5e1f@x.js", None);
        check("/d/5e%31f@1.js", None);
        check("/d/v1.2~x@3.tar.gz", Some(("notebook:v1.2~x", 3)));
        check("/d/.@1.js", None);
        check("/d/..@1.js", None);
        check("/d/a+b@1.js", None);
        check(&format!("/d/{}@1.js", "x".repeat(129)), None);
    }
}
