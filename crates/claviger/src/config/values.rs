//! Texts of the configuration, read into what they mean, in one canonical form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use claviger_core::restriction::RestrictionError;
use ipnet::IpNet;

use super::LogFormat;

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let example = "write an IP address and a port, such as 127.0.0.1:8400";
    match text.parse::<SocketAddr>() {
        // An IPv4 address in the clothes of IPv6 is not even loopback to the system.
        Ok(address) => Ok(SocketAddr::new(address.ip().to_canonical(), address.port())),
        Err(_) if text.parse::<IpAddr>().is_ok() => {
            Err(format!("the port is missing; {example} or [::1]:8400"))
        }
        Err(_) if text.contains("://") => Err(format!("this is a URL; {example}")),
        Err(_) => match text.rsplit_once(':') {
            Some(("", port)) if port.parse::<u16>().is_ok() => Err(format!(
                "the IP address is missing; write 127.0.0.1:{port} for this machine only, or 0.0.0.0:{port} for all"
            )),
            Some(("localhost", port)) if port.parse::<u16>().is_ok() => {
                Err(format!("a name is not an address; write 127.0.0.1:{port}"))
            }
            Some((host, port)) if host.parse::<Ipv4Addr>().is_ok() && port.parse::<u32>().is_ok() => {
                Err("the port is too large; ports go up to 65535".to_owned())
            }
            _ => Err(format!("not an address; {example}")),
        },
    }
}

/// Whether two listeners would take the same port from each other.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    // A listener on [::] takes connections to IPv4 addresses, too.
    let every = |ip: IpAddr, other: IpAddr| match ip {
        IpAddr::V4(ip) => ip == Ipv4Addr::UNSPECIFIED && other.is_ipv4(),
        IpAddr::V6(ip) => ip == Ipv6Addr::UNSPECIFIED,
    };
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || every(a.ip(), b.ip()) || every(b.ip(), a.ip()))
}

/// A database.
pub(super) fn database(url: &str) -> Result<PathBuf, String> {
    let example = "write sqlite:PATH, such as sqlite:/var/lib/claviger/claviger.sqlite";
    // The value is not repeated: it may have a password in it.
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err(format!("PostgreSQL is not available in this build yet; {example}"));
    }
    let path = url.strip_prefix("sqlite:").ok_or_else(|| match url.split_once("://") {
        Some(_) => format!("this kind of database is not supported; {example}"),
        None => format!("the kind of database is missing; {example}"),
    })?;
    // Both forms are in use: `sqlite:PATH` and `sqlite:///PATH`.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(format!("the path is missing; {example}"));
    }
    if path == ":memory:" || path.starts_with("file:") || path.contains('?') {
        return Err(format!("the database must be a file, since keys have to survive a restart; {example}"));
    }
    let path = PathBuf::from(path);
    if path.is_dir() {
        return Err("this is a folder; name a file in it, such as sqlite:PATH/claviger.sqlite".to_owned());
    }
    Ok(path)
}

/// Whether the folder of the database is there, or will be made.
pub(super) fn has_folder(database: &Path, data: &Path) -> Result<(), String> {
    match database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if folder != data && !folder.is_dir() => {
            Err(format!("the folder {} does not exist; create it first", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A folder that is there already, or can be made.
pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.exists() && !path.is_dir() {
        return Err("this is a file; name a folder, such as /var/lib/claviger".to_owned());
    }
    Ok(path)
}

/// The address under which people reach the API: scheme, host, perhaps a port and a path.
pub(super) fn url(text: &str) -> Result<String, String> {
    let example = "write https://HOST, such as https://keys.example.org";
    let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("the scheme is missing; {example}"))?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return Err(format!("not a web address; {example}"));
    }
    if rest.contains(['?', '#', '@', ' ', '\\']) {
        return Err(format!("an address without user, query and fragment is needed; {example}"));
    }
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    // The rules for a host and its port are those of a web origin.
    let origin = format!("{scheme}://{}", host.to_ascii_lowercase());
    let origin = claviger_core::restriction::WebOrigin::parse(&origin)
        .map_err(|_| format!("the host is not one; {example}"))?;
    let path = path.trim_end_matches('/');
    let url =
        if path.is_empty() { origin.as_str().to_owned() } else { format!("{}/{path}", origin.as_str()) };
    let printable = url.bytes().all(|b| matches!(b, 0x21..=0x7e) && !matches!(b, b'"' | b'<' | b'>' | b'\\'));
    if printable { Ok(url) } else { Err(format!("not a web address; {example}")) }
}

/// A block of addresses of proxies.
pub(super) fn block(text: &str) -> Result<IpNet, String> {
    claviger_core::restriction::parse_block(text).map_err(|error| match error {
        RestrictionError::HostBits { .. } => format!("{error}"),
        _ => format!("\"{text}\" is not an address; write 10.0.0.5 or a block such as 10.0.0.0/24"),
    })
}

/// Whether an address of [`url`] leads to another machine without TLS.
pub(super) fn is_plain_http(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    !loopback && host != "localhost" && !host.ends_with(".localhost")
}

/// Whether a block has more addresses than anybody has proxies.
pub(super) fn is_nearly_everybody(block: &IpNet) -> bool {
    match block {
        IpNet::V4(block) => block.prefix_len() < 8,
        // fc00::/7 are the addresses of private networks.
        IpNet::V6(block) => block.prefix_len() < 16 && block.addr().segments()[0] & 0xfe00 != 0xfc00,
    }
}

/// A level of the log, in lower case.
pub(super) fn level(text: &str) -> Result<String, String> {
    let level = text.to_ascii_lowercase();
    match level.as_str() {
        "error" | "warn" | "info" | "debug" | "trace" => Ok(level),
        _ => Err(format!("unknown level \"{text}\"; use error, warn, info, debug or trace")),
    }
}

/// A form of the log.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("unknown form \"{text}\"; use text or json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(outcome: Result<T, String>) -> String {
        outcome.map_or_else(|complaint| complaint, |value| format!("{value:?}"))
    }

    #[test]
    fn addresses_to_listen_on() {
        let check = |text: &str, expect: &str| {
            assert!(said(address(text)).contains(expect), "{text}: {:?}", address(text));
        };
        check("127.0.0.1:8400", "127.0.0.1:8400");
        check("[::1]:0", "[::1]:0");
        check("[::ffff:127.0.0.1]:8400", "127.0.0.1:8400");
        check(":8400", "write 127.0.0.1:8400 for this machine only");
        check("localhost:8400", "write 127.0.0.1:8400");
        check("127.0.0.1", "the port is missing");
        check("::1", "the port is missing");
        check("127.0.0.1:84000", "up to 65535");
        check("http://127.0.0.1:8400", "this is a URL");
        check("keys.example.org:8400", "not an address");
    }

    #[test]
    fn listeners_on_one_port() {
        let check = |a: &str, b: &str, expect: bool| {
            let (a, b) = (address(a).unwrap(), address(b).unwrap());
            assert_eq!((collide(a, b), collide(b, a)), (expect, expect), "{a} {b}");
        };
        check("127.0.0.1:8400", "127.0.0.1:8400", true);
        check("0.0.0.0:8400", "127.0.0.1:8400", true);
        check("[::]:8400", "127.0.0.1:8400", true);
        check("[::]:8400", "[::1]:8400", true);
        check("127.0.0.1:8400", "127.0.0.2:8400", false);
        check("0.0.0.0:8400", "[::1]:8400", false);
        check("127.0.0.1:0", "127.0.0.1:0", false);
        check("[::ffff:127.0.0.1]:8400", "127.0.0.1:8400", true);
    }

    #[test]
    fn databases() {
        let check = |text: &str, expect: &str| {
            let said = said(database(text));
            assert!(said.contains(expect) && !said.contains("secret"), "{text}: {said}");
        };
        check("sqlite:a.sqlite", "\"a.sqlite\"");
        check("sqlite:///var/a.sqlite", "\"/var/a.sqlite\"");
        check("sqlite::memory:", "must be a file");
        check("sqlite://:memory:", "must be a file");
        check("sqlite:file:x?mode=memory", "must be a file");
        check("sqlite:", "the path is missing");
        check("postgres://user:secret@host/db", "PostgreSQL is not available in this build yet");
        check("mysql://user:secret@host/db", "not supported");
        check("claviger.sqlite", "the kind of database is missing");
        check("sqlite:/", "this is a folder");
    }

    #[test]
    fn public_addresses() {
        let check =
            |text: &str, expect: &str| assert!(said(url(text)).contains(expect), "{text}: {:?}", url(text));
        check("https://Keys.Example.org/", "\"https://keys.example.org\"");
        check("https://keys.example.org:443", "\"https://keys.example.org\"");
        check("http://127.0.0.1:8400", "\"http://127.0.0.1:8400\"");
        check("https://example.org/keys/", "\"https://example.org/keys\"");
        check("keys.example.org", "the scheme is missing");
        check("ftp://keys.example.org", "not a web address");
        check("https://", "the host is not one");
        check("https://[::1", "the host is not one");
        check("https://a.example?x=1", "without user, query and fragment");
    }
}
