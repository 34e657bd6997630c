use std::fmt::Write as _;
use std::path::Path;

use claviger_core::Kind;

use super::*;

fn overrides_of(text: &str, folder: &Path) -> Overrides {
    let path = folder.join("c.toml");
    std::fs::write(&path, text).unwrap();
    Overrides::from(super::Place { config: Some(path), ..super::Place::default() })
}

fn load_with(text: &str, environment: &Environment) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let loaded = Config::load_with(&overrides_of(text, folder.path()), environment);
    let before = format!("{}/", folder.path().display());
    loaded.map_err(|error| error.to_string().replace(&before, ""))
}

fn load(text: &str) -> Result<Config, String> {
    load_with(text, &Environment::default())
}

#[test]
fn no_file_is_fine() {
    let config = Config::load_with(&Overrides::default(), &Environment::default()).unwrap();
    assert!(config.listen.ip().is_loopback() && config.admin_listen.ip().is_loopback());
    assert_eq!(config.database, Path::new("claviger-data/claviger.sqlite"));
    assert_eq!((config.drain, config.log.as_str()), (Duration::from_secs(8), "info"));
}

/// Words that only somebody who reads the parser's source understands.
const PARSERS_WORDS: [&str; 10] = [
    "expected",
    "invalid type",
    "u32",
    "i64",
    "usize",
    "sequence",
    "TOML parse",
    "unquoted",
    "string",
    "os error",
];

#[test]
fn mistakes_are_named_with_their_line_and_what_to_write() {
    let route = "[[routes]]\npath = \"/x\"\nupstream = \"http://a\"\n";
    let check = |text: &str, expect: &str| {
        let said = load(text).err().unwrap_or_default();
        assert!(said.contains(expect), "{text}: {said}");
        for words in PARSERS_WORDS {
            assert!(!said.contains(words), "{text}: {said}");
        }
    };
    check(
        "keys_per_authority_max = 1",
        "c.toml:1: keys_per_authority_max: this setting was renamed; write keys_per_subject_max",
    );
    check("lisen = 1", "c.toml:1: lisen: unknown setting; did you mean listen?");
    check("\n\nnonsense = 1", "c.toml:3: nonsense: unknown setting. Known here: data, database, listen");
    check(
        "log = \"warning\"",
        "c.toml:1: log: unknown level \"warning\"; use error, warn, info, debug or trace",
    );
    check("log = \"\"", "c.toml:1: log: this is empty; write text in quotes, such as \"info\"");
    check("log = 3", "c.toml:1: log: this is a number; write text in quotes, such as \"info\"");
    check("log_format = \"xml\"", "c.toml:1: log_format: unknown form \"xml\"; use text or json");
    check("listen = \"0.0.0.0:80\"", "plain HTTP");
    check("gateway_listen = \"[::]:8401\"", "name it in trusted_proxies");
    check(
        "listen = 8400",
        "c.toml:1: listen: this is a number; write text in quotes, such as \"127.0.0.1:8400\"",
    );
    check("listen = \":8400\"", "write 127.0.0.1:8400 for this machine only");
    check("listen = \"127.0.0.1:8401\"", "c.toml:1: listen: 127.0.0.1:8401 takes the port of gateway_listen");
    check(
        "admin_listen = \"127.0.0.1:8400\"",
        "c.toml:1: admin_listen: 127.0.0.1:8400 takes the port of listen",
    );
    check(
        "public_url = \"keys.example.org\"",
        "c.toml:1: public_url: the scheme is missing; write https://HOST",
    );
    check("database = \"mysql:x\"", "the kind of database is missing");
    check("database = \"sqlite::memory:\"", "c.toml:1: database: the database must be a file");
    check("database = \"sqlite:/no/such/folder/x\"", "the folder /no/such/folder does not exist");
    check("database = \"postgres://user:secret@host/db\"", "PostgreSQL is not available in this build yet");
    check("data = \"/etc/passwd\"", "c.toml:1: data: this is a file; name a folder");
    check("trusted_proxies = \"10.0.0.5\"", "this is text; write a list of texts, such as [\"10.0.0.5\"");
    check(
        "trusted_proxies = [\n  \"10.0.0.5\",\n  \"proxy\",\n]",
        "c.toml:3: trusted_proxies: \"proxy\" is not an address",
    );
    check("trusted_proxies = [1]", "c.toml:1: trusted_proxies: a number in the list");
    check("account_keys_reach_teams = \"yes\"", "this is text; write true or false");
    check("history_retention_days = -1", "write a whole number from 0 to 36,500, such as 400");
    check("history_retention_days = 1.5", "write a whole number from 0 to 36,500");
    check("history_retention_days = 99999999999999999999", "history_retention_days: ");
    check("history_retention_days = \"30d\"", "this is text; write a whole number from 0 to 36,500");
    check("keys_per_subject_max = 0", "write a whole number from 1 to 1,000,000,000");
    check("usage_retention_days = 0", "write a whole number from 1 to 36,500");
    check("drain_seconds = 601", "write a whole number from 0 to 600, such as 8");
    check("[formats.weak]\nprefix = \"sk_\"\nlength = 20", "c.toml:1: formats.weak: ");
    check("[formats.x]\nprefix = \"sk_\"", "c.toml:1: formats.x: length is missing; write length = 43");
    check("[formats.x]\nlength = 43\nprefix = \"s k\"", "c.toml:1: formats.x: a prefix is at most 16");
    check("[formats.\"a b\"]\nlength = 43", "c.toml:1: formats.a b: a name has 1 to 32");
    check("formats = 1", "c.toml:1: formats: this is a number; write a section, such as [formats.acme]");
    check(
        "[defaults.robot]\nformat = \"account\"",
        "c.toml:1: defaults.robot: unknown kind of key; use account",
    );
    check(
        "[defaults.team]\nformat = \"none\"",
        "c.toml:2: defaults.team.format: there is no format \"none\"; use account",
    );
    check("[defaults.team]\nscopes = [\"read\"]", "c.toml:2: defaults.team.scopes: ");
    check("[leaks]\nonly_told = [\"robot\"]", "c.toml:2: leaks.only_told: \"robot\" is not a kind of key");
    check(
        "[[leaks.github_keys]]\nidentifier = \"a\"",
        "c.toml:1: leaks.github_keys[1]: identifier or pem is missing",
    );
    check(
        "[[leaks.github_keys]]\nidentifier = \"a\"\npem = \"b\"",
        "c.toml:3: leaks.github_keys[1].pem: not a public key",
    );
    check("[leaks]\ngithub_keys = 1", "[[leaks.github_keys]]");
    check(
        "[routes]\npath = \"/x\"",
        "c.toml:1: routes: write each one under a line of its own with two brackets, [[routes]]",
    );
    check(
        "[[routes]]\npath = \"x\"\nupstream = \"http://a\"",
        "c.toml:2: routes[1].path: a path begins with a slash",
    );
    check("[[routes]]\nupstream = \"http://a\"", "c.toml:1: routes[1]: a route needs a path");
    check(
        "[[routes]]\npath = \"/x\"\nhost = \"https://a\"",
        "c.toml:3: routes[1].host: write a name, such as api.example.org",
    );
    check(&format!("{route}slots = 1"), "c.toml:4: routes[1].slots: unknown setting");
    check(
        &format!("{route}method = [\"GET\"]"),
        "c.toml:4: routes[1].method: unknown setting; did you mean methods?",
    );
    check(
        &format!("{route}methods = \"GET\""),
        "c.toml:4: routes[1].methods: this is text; write a list of texts",
    );
    check(&format!("{route}{route}"), "c.toml:5: routes[2].path: route 1 has the same path, method and host");
    check(
        &format!("{route}origins = [\"https://[::1\"]"),
        "c.toml:4: routes[1].origins: \"https://[::1\" is not an origin",
    );
    check(
        "[[routes]]\npath = \"/x\"\nupstream = \"http://localhost:8401\"",
        "c.toml:3: routes[1].upstream: this leads back to the gateway",
    );
}

#[test]
fn what_is_not_toml_is_said_in_plain_words() {
    let check = |text: &str, expect: &str| {
        let said = load(text).err().unwrap_or_default();
        assert_eq!(said, expect, "{text}");
    };
    check("log = info", "c.toml:1: text needs quotes: log = \"…\"");
    check(
        "# one\nlisten = 127.0.0.1:8400",
        "c.toml:2: a number has digits only, and text needs quotes: listen = \"…\"",
    );
    check("log = \"info", "c.toml:1: a quote is not closed");
    check("log =", "c.toml:1: log has no value; write one, or remove the line");
    check("log", "c.toml:1: write a value: log = \"…\"");
    check("log = \"info\"\nlog = \"warn\"", "c.toml:2: log is set a second time; keep one of the two");
    check(
        "[[routes]",
        "c.toml:1: a section is written on a line of its own, such as [formats.acme] or [[routes]]",
    );
    check("trusted_proxies = [\"10.0.0.5\"", "c.toml:1: a list is not closed; it ends with ]");
}

#[test]
fn every_mistake_is_found_at_once() {
    let text = "log = \"warning\"\npublic_url = \"keys\"\nlisten = \"x\"\ncolour = 1\n[formats.a]\nlength = 3\n\
        [[routes]]\npath = \"x\"\nupstream = \"y\"\n[[routes]]\npath = \"/z\"\nupstream = \"http://z\"\nhistory = \"some\"\n";
    let environment = Environment::from([("CLAVIGER_LISTN", "1"), ("CLAVIGER_DRAIN_SECONDS", "soon")]);
    let said = load_with(text, &environment).unwrap_err();
    assert!(said.starts_with("10 mistakes in the configuration\n"), "{said}");
    for expect in [
        "CLAVIGER_LISTN: unknown variable",
        "CLAVIGER_DRAIN_SECONDS: write a whole number",
        "c.toml:1: log:",
        "c.toml:2: public_url:",
        "c.toml:3: listen:",
        "c.toml:4: colour:",
        "c.toml:5: formats.a:",
        "c.toml:8: routes[1].path:",
        "c.toml:9: routes[1].upstream:",
        "c.toml:13: routes[2].history:",
    ] {
        assert!(said.contains(expect), "{expect}: {said}");
    }
}

#[test]
fn flags_outweigh_variables_and_variables_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = overrides_of(
        "listen = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:2\"\nlog = \"error\"",
        folder.path(),
    );
    let environment = Environment::from([
        ("CLAVIGER_LISTEN", "127.0.0.1:3"),
        ("CLAVIGER_LOG", "debug"),
        ("CLAVIGER_ADMIN_LISTEN", ""),
        ("CLAVIGER_TRUSTED_PROXIES", "10.0.0.5, 192.168.7.0/24"),
        ("CLAVIGER_ACCOUNT_KEYS_REACH_TEAMS", "true"),
        ("CLAVIGER_HISTORY_RETENTION_DAYS", "7"),
    ]);
    let overrides = Overrides { log: Some("warn".into()), ..file };
    let config = Config::load_with(&overrides, &environment).unwrap();
    assert_eq!((config.listen.port(), config.admin_listen.port(), config.log.as_str()), (3, 2, "warn"));
    assert_eq!(config.trusted_proxies.len(), 2);
    assert!(config.settings.policy.account_keys_reach_teams);
    assert_eq!(config.settings.history_retention_days, Some(7));
}

#[test]
fn what_is_wrong_in_a_variable_or_a_flag_names_it() {
    let check = |name: &str, value: &str, expect: &str| {
        let said = load_with("", &Environment::from([(name, value)])).err().unwrap_or_default();
        assert!(said.contains(expect) && !said.contains("secret"), "{name}: {said}");
    };
    check("CLAVIGER_LOG", "warning", "CLAVIGER_LOG: unknown level");
    check("CLAVIGER_LISTEN", "8400", "CLAVIGER_LISTEN: not an address");
    check("CLAVIGER_DATABASE", "postgres://u:secret@h/d", "CLAVIGER_DATABASE: PostgreSQL is not available");
    check("CLAVIGER_HISTORY_RETENTION_DAYS", "30d", "CLAVIGER_HISTORY_RETENTION_DAYS: write a whole number");
    check("CLAVIGER_ACCOUNT_KEYS_REACH_TEAMS", "yes", "write true or false");
    check(
        "CLAVIGER_TRUSTED_PROXIES",
        "10.0.0.5,proxy",
        "CLAVIGER_TRUSTED_PROXIES: \"proxy\" is not an address",
    );
    let overrides = Overrides { listen: Some("x".into()), ..Overrides::default() };
    let said = Config::load_with(&overrides, &Environment::default()).unwrap_err().to_string();
    assert_eq!(said, "--listen: not an address; write an IP address and a port, such as 127.0.0.1:8400");
    let overrides = Overrides { listen: Some("".into()), ..Overrides::default() };
    let said = Config::load_with(&overrides, &Environment::default()).unwrap_err().to_string();
    assert!(said.starts_with("--listen: this is empty"), "{said}");
}

#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let overrides =
        Overrides { log: Some(std::ffi::OsStr::from_bytes(b"\xff").to_owned()), ..Overrides::default() };
    let said = Config::load_with(&overrides, &Environment::default()).unwrap_err().to_string();
    assert_eq!(said, "--log: this is not text in UTF-8");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, expect: &str| {
        let place = super::Place { config: Some(path.to_owned()), ..super::Place::default() };
        let said = Config::load_with(&place.into(), &Environment::default()).unwrap_err().to_string();
        assert!(said.contains(expect) && said.contains(&*path.to_string_lossy()), "{said}");
    };
    check(&folder.path().join("none.toml"), "there is no such file; name another with --config");
    check(folder.path(), "this is a folder; name a file");
    let path = folder.path().join("binary.toml");
    std::fs::write(&path, b"log = \"\xff\"").unwrap();
    check(&path, "the file is not text in UTF-8");
}

#[test]
fn trusting_nearly_everybody_is_warned_of() {
    let warnings = |text: &str| load(text).unwrap().warnings().len();
    assert_eq!(warnings("trusted_proxies = [\"0.0.0.0/0\"]"), 1);
    assert_eq!(warnings("trusted_proxies = [\"::/0\", \"::ffff:0:0/96\", \"128.0.0.0/1\"]"), 3);
    assert_eq!(warnings("trusted_proxies = [\"10.0.0.0/8\", \"fd00::/8\"]"), 0);
    assert_eq!(warnings(""), 0);
    assert_eq!(warnings("public_url = \"http://keys.example.org\""), 1);
    assert_eq!(warnings("public_url = \"http://192.0.2.7:8400/keys\""), 1);
    for fine in
        ["https://keys.example.org", "http://localhost:8400", "http://127.0.0.1:8400", "http://[::1]:8400"]
    {
        assert_eq!(warnings(&format!("public_url = \"{fine}\"")), 0, "{fine}");
    }
    let wrong = load("trusted_proxies = [\"127.0.0.1/24\"]\ntrusted_proxy = \"10.0.0.5\"").unwrap_err();
    assert!(wrong.contains("write `127.0.0.0/24` for the block"), "{wrong}");
    assert!(wrong.contains("did you mean trusted_proxies?"), "{wrong}");
}

#[test]
fn values_are_kept_in_one_form() {
    let text = "\u{feff}public_url = \"HTTPS://Keys.Example.org:443/\"\r\nlog = \"INFO\"\r\nlisten = \"[::ffff:127.0.0.1]:8400\"\r\n\
        trusted_proxies = [\"::ffff:10.0.0.0/104\"]\r\n";
    let config = load(text).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://keys.example.org"));
    assert_eq!((config.log.as_str(), config.listen.to_string().as_str()), ("info", "127.0.0.1:8400"));
    assert_eq!(config.trusted_proxies[0].to_string(), "10.0.0.0/8");
}

#[test]
fn for_how_long_things_are_kept() {
    let check = |text: &str, expect: (u32, Option<u32>, u32)| {
        let settings = load(text).unwrap().settings;
        let kept = (
            settings.expired_key_retention_days,
            settings.history_retention_days,
            settings.usage_retention_days,
        );
        assert_eq!(kept, expect, "{text}");
    };
    let default = Settings::default();
    let days = (default.expired_key_retention_days, default.history_retention_days);
    check("", (days.0, days.1, default.usage_retention_days));
    check(
        "expired_key_retention_days = 7\nhistory_retention_days = 0\nusage_retention_days = 9",
        (7, None, 9),
    );
    check("history_retention_days = 30", (days.0, Some(30), default.usage_retention_days));
    let journal = |text: &str| load(text).unwrap().settings.journal_retention_days;
    assert_eq!(
        [journal(""), journal("journal_retention_days = 0"), journal("journal_retention_days = 7")],
        [default.journal_retention_days, None, Some(7)]
    );
}

#[test]
fn what_a_file_can_say() {
    let mut text = String::from(
        "listen = \"0.0.0.0:80\"\ntrusted_proxies = [\"10.0.0.0/8\"]\naccount_keys_reach_teams = true\n\
         [formats.short]\nprefix = \"\"\nlength = 32\nchecksum = false\n",
    );
    let _ = write!(text, "[defaults.account]\nformat = \"short\"\nscopes = [\"*:*\"]\n");
    let config = load(&text).unwrap();
    assert!(config.settings.policy.account_keys_reach_teams);
    let defaults = config.settings.defaults_of(Kind::Account).unwrap();
    assert_eq!(
        (&*defaults.format, defaults.scopes.as_ref().map(ToString::to_string)),
        ("short", Some("*:*".to_owned()))
    );
}
