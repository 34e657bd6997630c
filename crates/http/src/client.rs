//! Where a request really comes from, and whether a key was safe on the way.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HeaderName;

use crate::serve::Peer;
use crate::state::EdgeSettings;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client as far as it can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether the request came over TLS, or from this machine.
    pub secure: bool,
    /// The scheme that the client used.
    pub scheme: &'static str,
}

/// Tells the client from the peer and, if the peer is a trusted proxy, from what it forwarded. Addresses
/// are counted from the right: the first that is not itself a trusted proxy is the client; what stands
/// left of it, the client may have written.
#[must_use]
pub fn client_of(peer: &Peer, headers: &HeaderMap, edge: &EdgeSettings) -> Client {
    let direct = peer.address.ip().to_canonical();
    let loopback = peer.local.ip().to_canonical().is_loopback();
    if !edge.trusts(direct) {
        let scheme = if peer.tls { "https" } else { "http" };
        return Client { address: direct, secure: peer.tls || loopback, scheme };
    }
    let forwarded = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let mut hops = forwarded
        .flat_map(|value| value.split(','))
        .map(|hop| hop.trim().parse::<IpAddr>())
        .collect::<Vec<_>>();
    let mut address = direct;
    while let Some(Ok(hop)) = hops.pop() {
        address = hop.to_canonical();
        if !edge.trusts(address) {
            break;
        }
    }
    // The last word is the nearest proxy's.
    let proto = headers.get_all(X_FORWARDED_PROTO).iter().next_back().and_then(|value| value.to_str().ok());
    let proto = proto.and_then(|value| value.rsplit(',').next()).map(str::trim);
    match proto {
        Some(proto) if proto.eq_ignore_ascii_case("https") => {
            Client { address, secure: true, scheme: "https" }
        }
        Some(_) => Client { address, secure: false, scheme: "http" },
        // A proxy on this machine that says nothing is a developer's; elsewhere it has to vouch for TLS.
        None => {
            Client { address, secure: peer.tls || loopback, scheme: if peer.tls { "https" } else { "http" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(peer: &str, local: &str, pairs: &[(&'static str, &'static str)], expect: (&str, bool)) {
        let edge = EdgeSettings {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()],
            ..EdgeSettings::default()
        };
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let peer = Peer { address: peer.parse().unwrap(), local: local.parse().unwrap(), tls: false };
        let client = client_of(&peer, &headers, &edge);
        assert_eq!((client.address.to_string().as_str(), client.secure), expect, "{pairs:?}");
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
        check("10.1.1.1:1", inside, &[("x-forwarded-proto", "https")], ("10.1.1.1", true));
        check("10.1.1.1:1", inside, &[("x-forwarded-proto", "http")], ("10.1.1.1", false));
        check("10.1.1.1:1", inside, &[], ("10.1.1.1", false));
        check("127.0.0.1:1", "127.0.0.1:80", &[], ("127.0.0.1", true));
        check("127.0.0.1:1", "127.0.0.1:80", &[("x-forwarded-proto", "http")], ("127.0.0.1", false));
    }

    #[test]
    fn addresses_are_counted_from_the_right() {
        let check = |forwarded: &'static str, expect: &str| {
            let pairs = [("x-forwarded-for", forwarded), ("x-forwarded-proto", "https")];
            check("10.1.1.1:1", "203.0.113.1:80", &pairs, (expect, true));
        };
        check("192.0.2.1", "192.0.2.1");
        check("8.8.8.8, 192.0.2.1", "192.0.2.1");
        check("8.8.8.8, 192.0.2.1, 10.2.2.2", "192.0.2.1");
        check("10.3.3.3, 10.2.2.2", "10.3.3.3");
        check("192.0.2.1, rubbish, 10.2.2.2", "10.2.2.2");
        check("rubbish", "10.1.1.1");
        check("", "10.1.1.1");
    }
}
