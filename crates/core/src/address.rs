//! Addresses of clients as proxies and applications write them.
//!
//! One reader for `X-Forwarded-For` and for the `ip` of a verification, so that both take the same forms.

use std::net::{IpAddr, SocketAddr};

/// Not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write an address, such as `192.0.2.7` or `2001:db8::1`; a port may follow, as in `192.0.2.7:443` or `[2001:db8::1]:443`"
)]
pub struct AddressError;

/// Reads an address: `192.0.2.7`, `192.0.2.7:443`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:443`. The port is
/// dropped, and an IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.7`) becomes the former.
///
/// # Errors
/// [`AddressError`] on anything else, zones (`fe80::1%eth0`) included: they mean something on one machine only.
pub fn parse(text: &str) -> Result<IpAddr, AddressError> {
    if text.contains('%') {
        return Err(AddressError);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(inside) => inside.parse().map(IpAddr::V6).ok(),
        None => text.parse().ok(),
    };
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical()).ok_or(AddressError)
}

/// The client's address in a list that proxies have written, counted from the right: the first that is not itself
/// trusted, or the leftmost if all are. What stands left of it the client may have written.
///
/// `None` if an entry that has to be read on the way cannot be, or if there is no entry: then the address is unknown.
pub fn from_the_right<'t>(
    entries: impl DoubleEndedIterator<Item = &'t str>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut leftmost = None;
    for entry in entries.rev() {
        let address = parse(entry.trim_matches([' ', '\t'])).ok()?;
        if !trusts(address) {
            return Some(address);
        }
        leftmost = Some(address);
    }
    leftmost
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let read = parse(text).ok().map(|address| address.to_string());
        assert_eq!(read.as_deref(), expect, "{text:?}");
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        check("203.0.113.9", Some("203.0.113.9"));
        check("203.0.113.9:54321", Some("203.0.113.9"));
        check("2001:db8::1", Some("2001:db8::1"));
        check("[2001:db8::1]", Some("2001:db8::1"));
        check("[2001:db8::1]:443", Some("2001:db8::1"));
        check("2001:DB8:0::1", Some("2001:db8::1"));
        check("::ffff:203.0.113.9", Some("203.0.113.9"));
        check("[::ffff:203.0.113.9]:443", Some("203.0.113.9"));
        check("::ffff:cb00:7109", Some("203.0.113.9"));
    }

    #[test]
    fn anything_else_is_not_an_address() {
        for text in [
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "203.0.113",
            "203.0.113.256",
            "203.0.113.09",
            "0x7f.1",
            "2130706433",
            "203.0.113.9:",
            "203.0.113.9:x",
            "203.0.113.9:65536",
            "203.0.113.9:-1",
            "[203.0.113.9]",
            "[203.0.113.9]:1",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]x",
            "[2001:db8::1]:",
            "[]",
            "[]:1",
            "fe80::1%eth0",
            "[fe80::1%1]:80",
            "203.0.113.9/32",
            "\"203.0.113.9\"",
            "for=203.0.113.9",
            "203.0.113.9 203.0.113.10",
            " 203.0.113.9",
            "203.0.113.9\n",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
        let trusts = |address: IpAddr| address.to_string().starts_with("10.");
        let check = |list: &str, expect: &str| {
            let found = from_the_right(list.split(','), trusts).map(|address| address.to_string());
            assert_eq!(found.unwrap_or_default(), expect, "{list:?}");
        };
        check("192.0.2.1", "192.0.2.1");
        check("192.0.2.1:9", "192.0.2.1");
        check("8.8.8.8, 192.0.2.1,\t10.2.2.2:80", "192.0.2.1");
        check("10.3.3.3, 10.2.2.2", "10.3.3.3");
        check("rubbish, 192.0.2.1", "192.0.2.1");
        check("192.0.2.1, rubbish, 10.2.2.2", "");
        check("192.0.2.1, 10.2.2.2, unknown", "");
        check("192.0.2.1,", "");
        check("", "");
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_not(text in "\\PC{0,60}|[0-9a-fA-F:.\\[\\]%]{0,50}") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(address, address.to_canonical());
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn an_address_is_read_in_each_of_its_forms(bits in any::<u128>(), four in any::<u32>(), port in any::<u16>()) {
            for address in [IpAddr::from(bits.to_be_bytes()), IpAddr::from(four.to_be_bytes())] {
                let expect = Ok(address.to_canonical());
                prop_assert_eq!(parse(&address.to_string()), expect);
                prop_assert_eq!(parse(&SocketAddr::new(address, port).to_string()), expect);
            }
            let mapped = format!("::ffff:{}", std::net::Ipv4Addr::from(four));
            prop_assert_eq!(parse(&mapped), Ok(IpAddr::from(four.to_be_bytes())));
        }

        /// Whatever a client writes, the address is one that a trusted proxy wrote, or unknown.
        #[test]
        fn what_a_client_writes_changes_nothing(forged in "[ -~]{0,80}", honest in any::<u32>(), hops in 0_u8..4) {
            let client = IpAddr::from(honest.to_be_bytes());
            let proxy = |n: u8| IpAddr::from([10, 0, 0, n]);
            prop_assume!(!(0..4).any(|n| proxy(n) == client));
            let mut list = format!("{forged}, {client}");
            (0..hops).for_each(|n| list.push_str(&format!(", {}", proxy(n))));
            let trusts = |address| (0..4).any(|n| proxy(n) == address);
            prop_assert_eq!(from_the_right(list.split(','), trusts), Some(client));
        }
    }
}
