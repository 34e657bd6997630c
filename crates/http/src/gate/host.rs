//! The host that a route is pinned to.

use std::net::Ipv6Addr;

/// The longest name in bytes (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// The host of a route: a name or an address, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: Name<Box<str>>,
    port: Option<u16>,
}

impl Host {
    /// Reads a host of the configuration, such as `api.example.org` or `api.example.org:8443`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = parts(text)?;
        let name = match name {
            Name::Text(name) => Name::Text(name.to_ascii_lowercase().into()),
            Name::Address(address) => Name::Address(address),
        };
        Some(Self { name, port })
    }

    /// Whether a request for this host, as its `Host` header has it, is for the route. A route without a port takes
    /// every port.
    #[must_use]
    pub fn is(&self, host: &str) -> bool {
        let Some((name, port)) = parts(host) else { return false };
        let same_name = match (&self.name, name) {
            (Name::Text(pinned), Name::Text(name)) => name.eq_ignore_ascii_case(pinned),
            (Name::Address(pinned), Name::Address(address)) => *pinned == address,
            _ => false,
        };
        same_name && self.port.is_none_or(|pinned| port == Some(pinned))
    }
}

/// Whether a request may name this host: `name`, `name:port`, `[address]` or `[address]:port`. Everything else could
/// be one host to us and another to an application: a user, a path, a list, a second port, percent-encoding, a port
/// with zeros in front.
#[must_use]
pub fn is_host(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|host| parts(host).is_some())
}

/// A name without the dot that may stand at its end, or an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name<T> {
    Text(T),
    Address(Ipv6Addr),
}

/// The name and the port of a host.
fn parts(host: &str) -> Option<(Name<&str>, Option<u16>)> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(port_of(rest.strip_prefix(':')?)?) };
        return Some((Name::Address(address.parse().ok()?), port));
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port_of(port)?)),
        None => (host, None),
    };
    // `example.org.` names the same host as `example.org`.
    let name = name.strip_suffix('.').unwrap_or(name);
    let byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.bytes().all(byte);
    (name.len() <= NAME_BYTES_MAX && name.split('.').all(label)).then_some((Name::Text(name), port))
}

/// A port from 1 to 65535, in its one form.
fn port_of(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_case_and_with_its_port_if_it_has_one() {
        let check = |pinned: &str, host: &str, expect: bool| {
            assert_eq!(Host::parse(pinned).unwrap().is(host), expect, "{pinned} {host}");
        };
        check("api.example.org", "api.example.org", true);
        check("API.example.org", "api.EXAMPLE.org:8443", true);
        check("api.example.org", "api.example.org.", true);
        check("api.example.org", "example.org", false);
        check("api.example.org", "xapi.example.org", false);
        check("api.example.org", "api.example.org.evil.test", false);
        check("api.example.org:8443", "api.example.org:8443", true);
        check("api.example.org:8443", "api.example.org", false);
        check("[2001:db8::1]", "[2001:DB8::1]:80", true);
        check("[2001:db8::1]", "[2001:db8::2]", false);
        check("[2001:db8::1]", "[2001:db8:0::1]:80", true);
        check("[2001:db8::1]", "[2001:db8::0001]", true);
        check("192.0.2.1", "192.0.2.1:80", true);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":80",
            "https://example.org",
            "example.org/",
            "a b",
            "a:0",
            "a:x",
            "a:99999",
            "*",
            "[x]",
            "2001:db8::1",
            "a,b",
            "a:80:90",
            "a:",
            "a:+80",
            "a:080",
            "a%2eb",
            "a..",
            "a..b",
            ".a",
            ".",
            "a@b",
            "[::1",
            "[::1]80",
            "[::1]:",
            "[::1]:80:90",
            "[fe80::1%25eth0]",
            "é",
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
            assert!(!is_host(text.as_bytes()), "{text:?}");
            assert!(!Host::parse("a").unwrap().is(text), "{text:?}");
        }
        assert!(!is_host(b"a\xff"));
        assert!(is_host("a".repeat(253).as_bytes()) && !is_host("a".repeat(254).as_bytes()));
    }
}
