//! Where a request really comes from, and whether a key was safe on the way.

use std::net::IpAddr;

use claviger_core::address;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use crate::serve::Peer;
use crate::state::EdgeSettings;

/// The header in which proxies name the client.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The header in which proxies name the scheme that the client used.
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; `None` if a trusted proxy passed the request on and did not name the client in a way that can be
    /// read. The proxy's own address is never taken for it.
    pub address: Option<IpAddr>,
    /// Whether the request came over TLS, or from this machine.
    pub secure: bool,
    /// The scheme that the client used.
    pub scheme: &'static str,
}

/// Finds the client from the peer and, if the peer is a trusted proxy, from what it forwarded. Addresses
/// are counted from the right: the first that is not itself a trusted proxy is the client; what stands
/// left of it, the client may have written.
#[must_use]
pub fn client_of(peer: &Peer, headers: &HeaderMap, edge: &EdgeSettings) -> Client {
    let direct = peer.address.ip().to_canonical();
    let loopback = peer.local.ip().to_canonical().is_loopback();
    if !edge.trusts(direct) {
        let scheme = if peer.tls { "https" } else { "http" };
        return Client { address: Some(direct), secure: peer.tls || loopback, scheme };
    }
    let address = forwarded_address(headers, edge);
    // The last word is the nearest proxy's.
    let Some(proto) = headers.get_all(X_FORWARDED_PROTO).iter().next_back() else {
        // A proxy on this machine that says nothing is a developer's; elsewhere it has to vouch for TLS.
        let scheme = if peer.tls { "https" } else { "http" };
        return Client { address, secure: peer.tls || loopback, scheme };
    };
    let proto = proto.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default().trim();
    let secure = ["https", "wss"].iter().any(|scheme| proto.eq_ignore_ascii_case(scheme));
    Client { address, secure, scheme: if secure { "https" } else { "http" } }
}

/// The address in `X-Forwarded-For`. Several headers are one list (RFC 9110, section 5.3).
fn forwarded_address(headers: &HeaderMap, edge: &EdgeSettings) -> Option<IpAddr> {
    // Bytes that are not text are an entry that cannot be read.
    let text = |value: &'_ HeaderValue| -> String { String::from_utf8_lossy(value.as_bytes()).into_owned() };
    let mut values = headers.get_all(X_FORWARDED_FOR).iter();
    let trusts = |address| edge.trusts(address);
    let (first, second) = (values.next()?, values.next());
    if second.is_none()
        && let Ok(list) = first.to_str()
    {
        return address::from_the_right(list.split(','), trusts);
    }
    let list = headers.get_all(X_FORWARDED_FOR).iter().map(text).collect::<Vec<_>>().join(",");
    address::from_the_right(list.split(','), trusts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(peer: &str, local: &str, headers: &HeaderMap) -> Client {
        let edge = EdgeSettings {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()],
            ..EdgeSettings::default()
        };
        let peer = Peer { address: peer.parse().unwrap(), local: local.parse().unwrap(), tls: false };
        client_of(&peer, headers, &edge)
    }

    fn check(peer: &str, local: &str, pairs: &[(&'static str, &str)], expect: (&str, bool)) {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect();
        let client = find(peer, local, &headers);
        let address = client.address.map(|address| address.to_string()).unwrap_or_default();
        assert_eq!((address.as_str(), client.secure), expect, "{pairs:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let (outside, inside) = ("192.0.2.9:1", "203.0.113.1:80");
        check(outside, inside, &[], ("192.0.2.9", false));
        check(
            outside,
            inside,
            &[("x-forwarded-proto", "https"), ("x-forwarded-for", "8.8.8.8")],
            ("192.0.2.9", false),
        );
        let client = ("x-forwarded-for", "192.0.2.1");
        check("10.1.1.1:1", inside, &[client, ("x-forwarded-proto", "https")], ("192.0.2.1", true));
        check("10.1.1.1:1", inside, &[client, ("x-forwarded-proto", "http")], ("192.0.2.1", false));
        check("10.1.1.1:1", inside, &[client], ("192.0.2.1", false));
        check("127.0.0.1:1", "127.0.0.1:80", &[client], ("192.0.2.1", true));
        check("127.0.0.1:1", "127.0.0.1:80", &[("x-forwarded-proto", "http")], ("", false));
        check("[::ffff:10.1.1.1]:1", inside, &[client, ("x-forwarded-proto", "https")], ("192.0.2.1", true));
    }

    #[test]
    fn a_scheme_is_secure_only_if_it_says_so() {
        let check = |proto: &str, expect: bool| {
            let pairs = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", proto)];
            check("127.0.0.1:1", "127.0.0.1:80", &pairs, ("192.0.2.1", expect));
        };
        for secure in ["https", "HTTPS", "wss", "http, https", "https "] {
            check(secure, true);
        }
        for plain in ["http", "ws", "", "httpss", "https, http", "\u{e9}", "https,"] {
            check(plain, false);
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_unknown_and_never_the_proxys() {
        let check = |forwarded: &str, expect: &str| {
            let pairs = [("x-forwarded-for", forwarded), ("x-forwarded-proto", "https")];
            check("10.1.1.1:1", "203.0.113.1:80", &pairs, (expect, true));
        };
        check("203.0.113.9:54321", "203.0.113.9");
        check("[2001:db8::1]:443", "2001:db8::1");
        check("[2001:db8::1]", "2001:db8::1");
        check("::ffff:203.0.113.9", "203.0.113.9");
        check("8.8.8.8, 192.0.2.1:9, 10.2.2.2", "192.0.2.1");
        check("10.3.3.3, 10.2.2.2", "10.3.3.3");
        check("192.0.2.1, rubbish, 10.2.2.2", "");
        for unknown in ["rubbish", "", "unknown", "10.2.2.2,", "203.0.113.9:", "192.0.2.1, \u{e9}"] {
            check(unknown, "");
        }
        super::tests::check("10.1.1.1:1", "203.0.113.1:80", &[("x-forwarded-proto", "https")], ("", true));
        let twice = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2"),
            ("x-forwarded-proto", "https"),
        ];
        super::tests::check("10.1.1.1:1", "203.0.113.1:80", &twice, ("192.0.2.2", true));
        let twice =
            [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "\u{e9}"), ("x-forwarded-proto", "https")];
        super::tests::check("10.1.1.1:1", "203.0.113.1:80", &twice, ("", true));
    }

    proptest! {
        /// Whatever a trusted proxy passes on, nothing panics, and the address is never the proxy's own unless it
        /// is written there.
        #[test]
        fn forwarded_headers_of_any_kind_are_read(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
            proto in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut headers = HeaderMap::new();
            for value in &values {
                HeaderValue::from_bytes(value).into_iter().for_each(|value| { headers.append(X_FORWARDED_FOR, value); });
            }
            HeaderValue::from_bytes(&proto).into_iter().for_each(|value| { headers.append(X_FORWARDED_PROTO, value); });
            let client = find("10.1.1.1:1", "203.0.113.1:80", &headers);
            let written = values.iter().any(|value| String::from_utf8_lossy(value).contains("10.1.1.1"));
            prop_assert!(written || client.address != Some(IpAddr::from([10, 1, 1, 1])));
            prop_assert_eq!(client.secure, client.scheme == "https");
        }
    }
}
