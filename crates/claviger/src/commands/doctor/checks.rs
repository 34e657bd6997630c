//! What `claviger doctor` looks at.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_authority::first_start::OPERATOR_KEY_FILE;
use claviger_authority::keyring::{Keyring, KeyringError, SECRET_MODE_REFUSED};
use claviger_authority::ports::{Clock, SystemClock};
use claviger_authority::{ClockState, inspect_file, journal_file, key_status, left_of_database};
use claviger_core::key::Digest;
use claviger_core::lifecycle::Status;
use zeroize::Zeroizing;

use super::Check;
use crate::clock::now;
use crate::config::{Config, Overrides};
use crate::output::short;
use crate::server::KEYRING_FILE;

/// A clock that shows a year outside these was never set; keys would expire wrongly.
const YEARS: std::ops::RangeInclusive<i16> = 2025..=2100;
/// Free space below which a write may soon fail: several times what a day's history of a busy authority takes.
const SPACE_LOW_BYTES: u64 = 1024 * 1024 * 1024;
/// Free space below which SQLite's log (32 MB) and its checkpoint no longer fit.
const SPACE_OUT_BYTES: u64 = 100 * 1024 * 1024;

/// Every check that can be made. Without a configuration nothing but the clock can be looked at.
pub(super) fn all(overrides: &Overrides) -> Vec<Check> {
    let config = match Config::load(overrides) {
        Ok(config) => config,
        Err(error) => {
            let advice = "correct it; `claviger serve --check` looks at it alone";
            return vec![Check::fail("configuration", error.to_string(), advice), clock()];
        }
    };
    let mut checks = vec![configuration(&config), folder(&config.data)];
    if config.data.exists() {
        checks.extend(operator_key(&config.data.join(OPERATOR_KEY_FILE), &config.database));
        checks.push(keyring(&config.data.join(KEYRING_FILE)));
        checks.extend(database(&config.database));
        checks.push(owners(&config));
        checks.push(space(&config.data));
    }
    checks.push(clock_of(&config.database));
    checks.extend(listeners(&config));
    checks
}

fn configuration(config: &Config) -> Check {
    let name = "configuration";
    let from = config.file.as_ref().map_or("defaults".to_owned(), |path| path.display().to_string());
    let plural = if config.routes.len() == 1 { "route" } else { "routes" };
    match config.warnings().first() {
        None => Check::ok(name, format!("{from}, {} {plural}", config.routes.len())),
        Some(warning) => Check::warn(name, warning.clone(), "correct it, or leave it if it is what you mean"),
    }
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

fn folder(path: &Path) -> Check {
    let name = "data folder";
    match mode(path) {
        None => Check::warn(
            name,
            format!("{} does not exist yet", path.display()),
            "`claviger serve` makes it; or name another with --data",
        ),
        Some(mode) if mode & 0o077 != 0 => Check::fail(
            name,
            format!("{} may be read by other users (mode {mode:04o})", path.display()),
            format!("chmod 700 {}", path.display()),
        ),
        Some(mode) => Check::ok(name, format!("{} (mode {mode:04o})", path.display())),
    }
}

fn operator_key(path: &Path, database: &Path) -> Option<Check> {
    let name = "operator key";
    // It may well have been moved to a safer place.
    let mode = mode(path)?;
    if mode & SECRET_MODE_REFUSED != 0 {
        let advice = format!("chmod 600 {}, then replace the key: others may have read it", path.display());
        let what = format!("{} may be read or written by other users (mode {mode:04o})", path.display());
        return Some(Check::fail(name, what, advice));
    }
    let found = format!("{} (mode {mode:04o})", path.display());
    let Ok(text) = fs::read_to_string(path).map(Zeroizing::new) else {
        return Some(Check::warn(
            name,
            format!("{found}, which this user cannot read"),
            "run doctor as its owner",
        ));
    };
    // A database that is not there, or damaged, has a line of its own.
    let Ok(known) = key_status(database, &Digest::of(text.trim())) else {
        return Some(Check::ok(name, found));
    };
    let advice =
        "`claviger operator reset` makes a new one, with the program stopped; or put the right file there";
    Some(match known {
        Some(Status::Active) => Check::ok(name, found),
        Some(_) => Check::fail(name, format!("{found}: this key is disabled"), advice),
        None => Check::fail(name, format!("{found}: the database does not know this key"), advice),
    })
}

fn keyring(path: &Path) -> Check {
    let name = "keyring";
    match Keyring::open(path) {
        Ok(_) => Check::ok(name, path.display().to_string()),
        Err(KeyringError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Check::warn(
            name,
            format!("{} does not exist", path.display()),
            "`claviger serve` makes one; if there was one, put it back from its copy",
        ),
        Err(error @ KeyringError::Readable(_)) => {
            Check::fail(name, error.to_string(), format!("chmod 600 {}", path.display()))
        }
        Err(error) => Check::fail(name, error.to_string(), "put it back from its copy"),
    }
}

fn database(path: &Path) -> Vec<Check> {
    if let Some(left) = left_of_database(path) {
        let what = format!("{} is missing, but {} has content", path.display(), left.display());
        let advice = "restore a backup with `claviger restore`";
        return vec![Check::fail("database", what, advice)];
    }
    if !path.exists() {
        let advice = "`claviger serve` makes it at its first start";
        return vec![Check::warn("database", format!("{} does not exist yet", path.display()), advice)];
    }
    let found = match inspect_file(path) {
        Ok(found) => found,
        Err(error) => {
            let advice = "restore a backup with `claviger restore`, or name another file with --database";
            return vec![Check::fail("database", error.to_string(), advice)];
        }
    };
    let mode = mode(path).unwrap_or(0);
    let file = if mode & 0o077 == 0 {
        Check::ok("database", format!("{}, {} keys (mode {mode:04o})", path.display(), found.keys))
    } else {
        let what = format!("{} may be read by other users (mode {mode:04o})", path.display());
        Check::fail("database", what, format!("chmod 600 {}", path.display()))
    };
    let integrity = match found.damage.first() {
        None => Check::ok("integrity", "whole"),
        Some(first) => {
            Check::fail("integrity", format!("damaged: {first}"), "restore a backup with `claviger restore`")
        }
    };
    let (schema, known) = (found.schema, found.schema_known);
    let schema = match schema.cmp(&known) {
        std::cmp::Ordering::Equal => Check::ok("schema", schema.to_string()),
        std::cmp::Ordering::Less => {
            let advice = "the next `claviger serve` migrates it; make a backup before";
            Check::warn("schema", format!("{schema}, this program knows {known}"), advice)
        }
        std::cmp::Ordering::Greater => {
            let advice = "run the version of the program that wrote it, or a later one";
            Check::fail("schema", format!("{schema}, this program knows {known} at most"), advice)
        }
    };
    let journal = journal(path);
    let server = if found.locked { "a process serves this database" } else { "none runs on this database" };
    vec![file, integrity, schema, journal, Check::ok("server", server)]
}

/// What `claviger restore` needs to keep revoked what was revoked.
fn journal(database: &Path) -> Check {
    let name = "journal";
    let path = journal_file(database);
    match mode(&path) {
        None => {
            let what =
                format!("{} does not exist: what was revoked is written in no other place", path.display());
            Check::warn(name, what, "put it back if you have it; the next `claviger serve` begins another")
        }
        Some(mode) if mode & 0o077 != 0 => {
            let what = format!("{} may be read by other users (mode {mode:04o})", path.display());
            Check::fail(name, what, format!("chmod 600 {}", path.display()))
        }
        Some(mode) => Check::ok(name, format!("{} (mode {mode:04o})", path.display())),
    }
}

/// The service runs as the owner of its folder; what belongs to somebody else it cannot read.
fn owners(config: &Config) -> Check {
    let name = "owner";
    let beside = |suffix: &str| {
        let mut path = config.database.as_os_str().to_owned();
        path.push(suffix);
        PathBuf::from(path)
    };
    let files = [
        config.data.join(KEYRING_FILE),
        config.data.join(OPERATOR_KEY_FILE),
        beside(""),
        beside("-wal"),
        beside("-shm"),
        beside(".lock"),
        journal_file(&config.database),
    ];
    let owner = |path: &Path| fs::metadata(path).ok().map(|found| (found.uid(), found.gid()));
    let Some(folder) = owner(&config.data) else {
        return Check::warn(name, format!("{} cannot be looked at", config.data.display()), "run it as root");
    };
    let foreign = files
        .iter()
        .find_map(|path| owner(path).filter(|found| found.0 != folder.0).map(|found| (path, found.0)));
    if let Some((path, found)) = foreign {
        let what = format!(
            "{} belongs to user {found}, the data folder to user {}: a service that runs as that user cannot open it",
            path.display(),
            folder.0
        );
        let advice = format!("chown {}:{} {}", folder.0, folder.1, path.display());
        return Check::fail(name, what, advice);
    }
    match files.iter().find(|path| path.exists() && fs::File::open(path).is_err()) {
        Some(path) => Check::fail(
            name,
            format!("{} cannot be read by this user", path.display()),
            format!("run it as the user that owns {}", config.data.display()),
        ),
        None => Check::ok(name, format!("all files belong to user {}, as the data folder does", folder.0)),
    }
}

fn space(path: &Path) -> Check {
    let name = "disk space";
    let Ok(disk) = rustix::fs::statvfs(path) else {
        return Check::warn(name, "unknown", "look at it with `df`");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let told = format!("{} MB free", free / 1_000_000);
    match free {
        0..SPACE_OUT_BYTES => Check::fail(name, told, "make room: the next write may fail"),
        SPACE_OUT_BYTES..SPACE_LOW_BYTES => Check::warn(name, told, "make room before writes fail"),
        _ => Check::ok(name, told),
    }
}

fn clock() -> Check {
    let now = now();
    let told = format!("{} UTC", short(now));
    if YEARS.contains(&now.to_zoned(jiff::tz::TimeZone::UTC).year()) {
        Check::ok("clock", told)
    } else {
        Check::fail("clock", told, "set the clock, with NTP: keys expire by it")
    }
}

/// The clock, compared with the latest time that was acted on.
fn clock_of(database: &Path) -> Check {
    let check = clock();
    let latest = inspect_file(database).ok().and_then(|found| found.latest_time);
    match ClockState::of(latest, SystemClock.now()) {
        _ if check.is_fail() => check,
        ClockState::Steady => check,
        ClockState::Ahead { by } => Check::warn(
            "clock",
            format!("{} after the latest change: nothing is deleted for its age meanwhile", span(by)),
            "set the clock if it is wrong; if it is right, this ends with the first day of serving",
        ),
        ClockState::Behind { by } => Check::fail(
            "clock",
            format!("{} before the latest change: until it has caught up, time stands still", span(by)),
            "set the clock; if it is right and was ahead before, stop the program and run `claviger operator reset-clock`",
        ),
    }
}

/// A length of time, roughly.
fn span(by: Duration) -> String {
    let (count, unit) = match by.as_secs() {
        seconds @ 0..7_200 => (seconds / 60, "minute"),
        seconds @ 7_200..172_800 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn listeners(config: &Config) -> Vec<Check> {
    let open = |address: &SocketAddr| !address.ip().is_loopback();
    let everyone = config.trusted_proxies.iter().find(|block| block.prefix_len() == 0);
    let proxies = config.trusted_proxies.len();
    let mut checks = Vec::new();
    for (name, address) in [("API listener", config.listen), ("gateway listener", config.gateway_listen)] {
        checks.push(match (open(&address), everyone) {
            (false, _) => Check::ok(name, format!("{address}, this machine only")),
            (true, None) => {
                Check::ok(name, format!("{address}, behind {proxies} trusted proxies that end TLS"))
            }
            (true, Some(block)) => Check::fail(
                name,
                format!("{address}, and `trusted_proxies` has {block}: everybody is believed to be a proxy"),
                "name the addresses of your proxies only",
            ),
        });
    }
    checks.push(if open(&config.admin_listen) {
        let what = format!("{}: everybody on the network reads the metrics", config.admin_listen);
        Check::warn("admin listener", what, "listen on a loopback or an internal address")
    } else {
        Check::ok("admin listener", format!("{}, this machine only", config.admin_listen))
    });
    if open(&config.listen) && !config.public_url.as_ref().is_some_and(|url| url.starts_with("https://")) {
        let what = "none, or not https://: answers name an address that the public cannot reach";
        checks.push(Check::warn("public_url", what, "set `public_url` to the address that people use"));
    }
    checks
}
