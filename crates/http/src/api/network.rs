//! Which addresses belong together.

use std::net::{IpAddr, Ipv6Addr};

/// The network that somebody usually has for themselves: an IPv4 address, or 64 bits of an IPv6 address.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}
