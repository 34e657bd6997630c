//! The host that a route is pinned to.

/// The host of a route: a name or an address, and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: Box<str>,
    port: Option<Box<str>>,
}

impl Host {
    /// Reads a host of the configuration, such as `api.example.org` or `api.example.org:8443`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = split(text);
        let byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let fits = match address {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !name.is_empty() && name.len() <= 253 && name.bytes().all(byte),
        };
        let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let name = without_dot(name).to_ascii_lowercase().into();
        (fits && port_fits).then(|| Self { name, port: port.map(Box::from) })
    }

    /// Whether a request for this host, as its `Host` header has it, is for the route. A route without a port takes
    /// every port.
    #[must_use]
    pub fn is(&self, host: &str) -> bool {
        let (name, port) = split(host);
        let same_port = self.port.as_deref().is_none_or(|expect| port == Some(expect));
        same_port && without_dot(name).eq_ignore_ascii_case(&self.name)
    }
}

/// The name, and the port behind the last colon; an address in brackets has colons of its own.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// `example.org.` names the same host as `example.org`.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
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
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
    }
}
