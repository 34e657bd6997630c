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
    check(&|r| r.path = "d".into(), "begins with a slash");
    check(&|r| r.history = "reads".into(), "use all, writes or off");
    check(&|r| r.methods = vec![], "at least one method");
    check(&|r| r.methods = vec!["get".into()], "not a method");
    check(&|r| r.methods = vec!["CONNECT".into()], "not a method");
    check(&|r| r.target = Some("notebook".into()), "write `type:{capture}`");
    check(&|r| r.target = Some("operator:{notebook}".into()), "write `type:{capture}`");
    check(&|r| r.target = Some("notebook:{note}".into()), "no capture `{note}`");
    check(&|r| r.target = None, "write `{capture}` or a number");
    check(&|r| r.target = Some("project:{notebook}".into()), "write `{capture}` or a number");
    check(&|r| r.version = Some("zero".into()), "write `{capture}` or a number");
    check(&|r| r.action = Some("*:read".into()), "such as `notebook:read`");
    check(&|r| r.credentials = Some(vec!["cookie".into()]), "\"cookie\" is no place");
    check(&|r| r.credentials = Some(vec![]), "must read keys somewhere");
    check(&|r| r.context = "page".into(), "use api or embed");
    check(&|r| r.resources = "mine".into(), "use mirrored or host");
    check(&|r| r.paths = "all".into(), "use plain or any");
    check(&|r| r.origins = vec!["example.org".into()], "\"example.org\" is not an origin");
    check(&|r| r.upstream = Some("example.org".into()), "http://127.0.0.1:3000");
    check(&|r| r.upstream = None, "");
    check(
        &|r| {
            r.path = "/forward-auth/{notebook}.{version}".into();
        },
        "for proxies",
    );
    check(&|r| r.host = Some("https://example.org".into()), "such as api.example.org");
    check(&|r| r.host = Some("example.org".into()), "");
    check(
        &|r| {
            r.anonymous = true;
            r.action = Some("notebook:write".into());
        },
        "only reading can be anonymous",
    );
}

#[test]
fn every_mistake_of_every_route_is_found() {
    let mut first = config("/a/{x}");
    first.methods = vec!["get".into(), "POST".into(), "TRACE".into()];
    first.target = Some("notebook:{y}".into());
    first.history = "some".into();
    first.origins = vec!["https://a.example".into(), "b.example".into()];
    let second = config("x");
    let found = Routes::mistakes(&[first, second]);
    let named = found.iter().map(|mistake| (mistake.number, mistake.reason.field())).collect::<Vec<_>>();
    let expect = [(1, "methods"), (1, "methods"), (1, "target"), (1, "history"), (1, "origins"), (2, "path")];
    assert_eq!(named, expect);
    assert!(Routes::mistakes(&[config("/a"), config("/b")]).is_empty());
}

#[test]
fn a_route_that_no_request_reaches_is_refused() {
    let check = |first: (&str, &str), second: (&str, &str), expect: Option<RouteMistake>| {
        let configs = [first, second].map(|(method, path)| {
            let mut route = config(path);
            route.methods = vec![method.to_owned()];
            route
        });
        let found = Routes::mistakes(&configs);
        let fields = found.iter().map(|mistake| mistake.reason.to_string()).collect::<Vec<_>>();
        assert_eq!(
            fields,
            expect.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "{first:?} {second:?}"
        );
        assert_eq!(Routes::new(&configs).is_err(), expect.is_some());
    };
    let twice = || Some(RouteMistake::Twice(1));
    check(("GET", "/d/{a}"), ("GET", "/d/{a}"), twice());
    check(("GET", "/d/{a}"), ("GET", "/d/{b}"), twice());
    check(("GET", "/d/{a}.{b}"), ("HEAD", "/d/{x}.{y}"), twice());
    check(("GET", "/d/{a..}"), ("GET", "/d/{b..}"), twice());
    check(("GET", "/d/{a}"), ("POST", "/d/{b}"), None);
    check(("GET", "/d/{a}"), ("GET", "/d/{a..}"), None);
    check(("GET", "/d/{a}"), ("GET", "/d/{a}/"), None);
    check(("GET", "/d"), ("GET", "/forward-auth/nginx"), Some(RouteMistake::Reserved));
    check(("GET", "/d"), ("GET", "/forward-authority"), None);
    check(("GET", "/d/x"), ("GET", "/D/x"), twice());
    check(("GET", "/d"), ("GET", "/{rest..}"), None);
    check(("GET", "/d"), ("GET", "/a/..;x/b"), Some(RouteMistake::Ambiguous));
}

#[test]
fn upstreams_that_cannot_be_reached_are_refused() {
    for upstream in [
        "",
        "example.org",
        "https://a",
        "http://",
        "http://:80",
        "http://a:0",
        "http://a:99999",
        "http://a:x",
        "http://a/b",
        "http://u@a",
        "http://a?x",
    ] {
        assert!(Upstream::parse(upstream).is_err(), "{upstream}");
    }
    for upstream in ["http://127.0.0.1:3000", "http://app", "http://app/", "http://[::1]:3000"] {
        assert!(Upstream::parse(upstream).is_ok(), "{upstream}");
    }
}

#[test]
fn the_narrowest_route_that_takes_the_method() {
    let mut post = config("/d/{notebook}");
    post.methods = vec!["POST".into()];
    let routes = [config("/d/{notebook}.{format}"), config("/d/{notebook}@{version}.{format}"), post];
    let routes = Routes::new(&routes).unwrap();
    let found = |method: Method, path: &str| match routes.find(&method, None, path) {
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
    check(&format!("/d/{}@1.js", "x".repeat(129)), None);
}

#[test]
fn a_path_is_ambiguous_where_one_of_its_readings_has_another_route() {
    let ambiguous = |paths: &[&str], path: &str| {
        let routes = Routes::new(&paths.iter().map(|path| config(path)).collect::<Vec<_>>()).unwrap();
        let Found::Route(route, captures) = routes.find(&Method::GET, None, path) else {
            panic!("{path} has no route")
        };
        routes.ambiguous((route, &captures), &Method::GET, None, path)
    };
    // Read in one way.
    assert!(!ambiguous(&["/d/{a}", "/d/admin"], "/d/x"));
    assert!(!ambiguous(&["/d/{a}", "/d/admin"], "/d/admin"));
    assert!(ambiguous(&["/d/{rest..}", "/d/admin"], "/d/admin/"), "a slash at the end");
    assert!(!ambiguous(&["/d/{rest..}", "/d/admin"], "/d/public/"));
    // The first reading leads elsewhere, then the second alone.
    assert!(ambiguous(&["/d/{a}", "/d/admin"], "/d/Admin"));
    assert!(!ambiguous(&["/d/{a}", "/d/admin"], "/d/Public"));
    assert!(ambiguous(&["/d/{a}", "/d/admin"], "/d/admin;x"));
    assert!(!ambiguous(&["/d/{a}", "/d/admin"], "/d/public;x"));
}
