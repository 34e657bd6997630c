//! Restrictions of a key: from where it may be used, and how often.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::limit::{ADDRESSES_MAX, ORIGIN_BYTES_MAX, ORIGINS_MAX, RATE_PERIOD_SECONDS_MAX};

/// Restrictions of a key. A list that is absent restricts nothing; an empty list allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Restrictions {
    /// Address blocks from which the key may be used.
    pub addresses: Option<Box<[IpNet]>>,
    /// Web origins from which the key may be used.
    pub origins: Option<Box<[WebOrigin]>>,
    /// How often it may be used.
    pub rate: Option<Rate>,
    /// How often it may be used in one period of the calendar.
    pub quota: Option<Quota>,
}

/// At most `limit` requests in each day or month of UTC. What that means to the instant stands in
/// [`crate::quota`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Requests, at least 1.
    pub limit: u32,
    /// In what.
    pub period: QuotaPeriod,
}

/// A period of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaPeriod {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to that of the next.
    Month,
}

/// The most days that a month has: so many times a day's quota may be used in it.
const MONTH_DAYS_MAX: u64 = 31;

impl QuotaPeriod {
    /// The word used in the API and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Day, Self::Month].into_iter().find(|period| period.as_str() == word)
    }
}

impl Quota {
    /// Whether `other` never lets more through.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        let (mine, theirs) = (u64::from(self.limit), u64::from(other.limit));
        match (self.period, other.period) {
            (QuotaPeriod::Month, QuotaPeriod::Day) => theirs * MONTH_DAYS_MAX <= mine,
            (QuotaPeriod::Day, QuotaPeriod::Day | QuotaPeriod::Month)
            | (QuotaPeriod::Month, QuotaPeriod::Month) => theirs <= mine,
        }
    }
}

/// At most `limit` requests in `period_seconds`, coming back evenly. What that means to the instant stands in
/// [`crate::rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests, at least 1.
    pub limit: u32,
    /// Seconds, 1 to [`RATE_PERIOD_SECONDS_MAX`].
    pub period_seconds: u32,
}

impl Rate {
    fn is_valid(self) -> bool {
        self.limit > 0 && (1..=RATE_PERIOD_SECONDS_MAX).contains(&self.period_seconds)
    }

    /// Whether `other` is no more generous, in the long run and in one burst.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        let (mine, theirs) = (u64::from(self.limit), u64::from(other.limit));
        theirs <= mine && theirs * u64::from(self.period_seconds) <= mine * u64::from(other.period_seconds)
    }
}

/// A web origin as browsers send it: `https://example.org` or `https://example.org:8443`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebOrigin(Box<str>);

/// Why restrictions cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestrictionError {
    /// Not an origin.
    #[error(
        "an origin is `https://host` or `https://host:port`, without a path, such as `https://example.org`"
    )]
    Origin,
    /// A block that begins before the address it is written with.
    #[error("the address of a block is its first one: write `{block}` for the block, or the address alone")]
    HostBits {
        /// The block that was probably meant.
        block: IpNet,
    },
    /// Not an address block.
    #[error("an address is `192.0.2.7`, `192.0.2.0/24`, `2001:db8::1` or `2001:db8::/32`")]
    Address,
    /// A block of IPv4 addresses in the clothes of IPv6 that reaches beyond them.
    #[error("a block of IPv4 addresses is written as `192.0.2.0/24`")]
    Mapped,
    /// Too many entries.
    #[error("a key has at most {ADDRESSES_MAX} address blocks and {ORIGINS_MAX} origins")]
    TooMany,
    /// A rate of nothing or of always.
    #[error(
        "a rate has a limit of at least 1 and a period of 1 to {RATE_PERIOD_SECONDS_MAX} seconds (31 days)"
    )]
    Rate,
    /// A quota of nothing.
    #[error("a quota has a limit of at least 1")]
    Quota,
}

impl WebOrigin {
    /// Reads an origin: a scheme, `://`, a host and perhaps a port. It is kept as browsers send it (RFC 6454,
    /// section 6.1): in lower case, without the scheme's own port, and an IPv6 address in its shortest form.
    ///
    /// # Errors
    /// [`RestrictionError::Origin`] on anything else.
    pub fn parse(text: &str) -> Result<Self, RestrictionError> {
        let wrong = RestrictionError::Origin;
        if text.len() > ORIGIN_BYTES_MAX {
            return Err(wrong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(RestrictionError::Origin)?;
        let (scheme, own_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => ("https", 443),
            _ if scheme.eq_ignore_ascii_case("http") => ("http", 80),
            _ => return Err(wrong),
        };
        let (host, port) = match rest.rsplit_once(':') {
            // A colon inside the brackets is part of the address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port_of(port).ok_or(wrong)?)),
            _ => (rest, None),
        };
        let host = host_of(host).ok_or(RestrictionError::Origin)?;
        Ok(Self(match port.filter(|port| *port != own_port) {
            Some(port) => format!("{scheme}://{host}:{port}").into(),
            None => format!("{scheme}://{host}").into(),
        }))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A port: digits without a leading zero, 1 to 65535.
fn port_of(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| digits)
}

/// A host as browsers write it: a name, an IPv4 address, or an IPv6 address in brackets.
fn host_of(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
        return Some(format!("[{}]", shortest(address)));
    }
    let host = text.to_ascii_lowercase();
    let label = |label: &str| {
        let byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(byte)
    };
    // A browser takes a host whose last label is a number for an IPv4 address, and sends it as one.
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let is_host = host.split('.').all(label) && (!numeric || host.parse::<Ipv4Addr>().is_ok());
    is_host.then_some(host)
}

/// An IPv6 address as browsers write it: never with an IPv4 address at its end (URL standard, 3.5).
fn shortest(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(_) => {
            let [.., high, low] = address.segments();
            format!("::ffff:{high:x}:{low:x}")
        }
        None => address.to_string(),
    }
}

/// Reads an address block; a single address is the block of itself. An IPv4 address that is written as an IPv6
/// one (`::ffff:192.0.2.0/120`) is kept as IPv4, as addresses of clients are.
///
/// # Errors
/// [`RestrictionError::Address`] on anything else, [`RestrictionError::HostBits`] for a block that is written with
/// another address than its first, and [`RestrictionError::Mapped`] for a block of IPv4 addresses
/// that reaches beyond them.
pub fn parse_block(text: &str) -> Result<IpNet, RestrictionError> {
    let block = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| RestrictionError::Address)?;
    let block = match block {
        IpNet::V4(_) => block,
        IpNet::V6(six) => match (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(MAPPED_BITS)) {
            (None, _) => block,
            (Some(four), Some(bits)) => {
                Ipv4Net::new(four, bits).map(IpNet::V4).map_err(|_| RestrictionError::Address)?
            }
            (Some(_), None) => return Err(RestrictionError::Mapped),
        },
    };
    // `10.0.0.1/8` would quietly let sixteen million addresses in.
    if block.trunc() == block { Ok(block) } else { Err(RestrictionError::HostBits { block: block.trunc() }) }
}

/// Bits before the IPv4 address in `::ffff:192.0.2.7`.
const MAPPED_BITS: u8 = 96;

/// Why a key may not be used from where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restricted {
    /// The address is outside the key's blocks, or was not stated.
    Address,
    /// The origin is not one of the key's, or was not stated.
    Origin,
}

impl Restrictions {
    /// Whether the key may be used only so often.
    #[must_use]
    pub const fn counts_uses(&self) -> bool {
        self.rate.is_some() || self.quota.is_some()
    }

    /// The same restrictions, if they keep to the limits.
    ///
    /// # Errors
    /// [`RestrictionError::TooMany`], [`RestrictionError::Rate`] or [`RestrictionError::Quota`].
    pub fn checked(self) -> Result<Self, RestrictionError> {
        let too_many = self.addresses.as_ref().is_some_and(|a| a.len() > ADDRESSES_MAX)
            || self.origins.as_ref().is_some_and(|o| o.len() > ORIGINS_MAX);
        if too_many {
            Err(RestrictionError::TooMany)
        } else if self.rate.is_some_and(|rate| !rate.is_valid()) {
            Err(RestrictionError::Rate)
        } else if self.quota.is_some_and(|quota| quota.limit == 0) {
            Err(RestrictionError::Quota)
        } else {
            Ok(self)
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.addresses.is_none() && self.origins.is_none() && self.rate.is_none() && self.quota.is_none()
    }

    /// Whether the key may be used from this address and this origin. What is not stated is outside.
    ///
    /// # Errors
    /// Which restriction does not hold.
    pub fn admit(&self, address: Option<IpAddr>, origin: Option<&str>) -> Result<(), Restricted> {
        if let Some(blocks) = &self.addresses {
            let address = address.ok_or(Restricted::Address)?.to_canonical();
            if !blocks.iter().any(|block| block.contains(&address)) {
                return Err(Restricted::Address);
            }
        }
        if let Some(origins) = &self.origins {
            let origin = origin.ok_or(Restricted::Origin)?;
            if !origins.iter().any(|allowed| allowed.as_str() == origin) {
                return Err(Restricted::Origin);
            }
        }
        Ok(())
    }

    /// Whether everything that `other` admits is admitted here, too.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        let addresses = match (&self.addresses, &other.addresses) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => {
                theirs.iter().all(|block| mine.iter().any(|wide| wide.contains(block)))
            }
        };
        let origins = match (&self.origins, &other.origins) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.iter().all(|origin| mine.contains(origin)),
        };
        let rate = match (self.rate, other.rate) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => mine.includes(theirs),
        };
        let quota = match (self.quota, other.quota) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => mine.includes(theirs),
        };
        addresses && origins && rate && quota
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(texts: &[&str]) -> Restrictions {
        let addresses = texts.iter().map(|text| parse_block(text).unwrap()).collect();
        Restrictions { addresses: Some(addresses), ..Restrictions::default() }
    }

    #[test]
    fn addresses() {
        let check = |restrictions: &Restrictions, address: &str, expect: bool| {
            assert_eq!(restrictions.admit(address.parse().ok(), None).is_ok(), expect, "{address}");
        };
        let office = blocks(&["192.0.2.0/24", "2001:db8::1"]);
        check(&office, "192.0.2.77", true);
        check(&office, "::ffff:192.0.2.77", true);
        check(&office, "192.0.3.1", false);
        check(&office, "2001:db8::1", true);
        check(&office, "2001:db8::2", false);
        check(&office, "", false);
        check(&blocks(&[]), "192.0.2.77", false);
        check(&Restrictions::default(), "", true);
    }

    #[test]
    fn origins() {
        let site = Restrictions {
            origins: Some(Box::new([WebOrigin::parse("https://example.org").unwrap()])),
            ..Restrictions::default()
        };
        assert_eq!(site.admit(None, Some("https://example.org")), Ok(()));
        for other in [None, Some("null"), Some("http://example.org"), Some("https://example.org.evil.test")] {
            assert_eq!(site.admit(None, other), Err(Restricted::Origin));
        }
    }

    #[test]
    fn origins_are_kept_as_browsers_send_them() {
        let check = |text: &str, expect: Option<&str>| {
            let origin = WebOrigin::parse(text).ok();
            assert_eq!(origin.as_ref().map(WebOrigin::as_str), expect, "{text:?}");
        };
        check("https://example.org", Some("https://example.org"));
        check("https://example.org:443", Some("https://example.org"));
        check("http://example.org:80", Some("http://example.org"));
        check("http://example.org:443", Some("http://example.org:443"));
        check("https://example.org:8443", Some("https://example.org:8443"));
        check("HTTPS://Example.ORG", Some("https://example.org"));
        check("http://localhost:3000", Some("http://localhost:3000"));
        check("http://127.0.0.1:3000", Some("http://127.0.0.1:3000"));
        check("https://[::1]:8443", Some("https://[::1]:8443"));
        check("https://[2001:DB8:0:0:0:0:0:1]", Some("https://[2001:db8::1]"));
        check("https://[::ffff:192.0.2.1]", Some("https://[::ffff:c000:201]"));
        for text in [
            "",
            "*",
            "null",
            "example.org",
            "ftp://a",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://[::1",
            "https://::1",
            "https://[::1]x",
            "https://[example.org]",
            "https://a:",
            "https://a:0",
            "https://a:080",
            "https://a:65536",
            "https://a:b",
            "https://:443",
            "https://a..b",
            "https://.a",
            "https://a.",
            "https://*.example.org",
            "https://1.2.3",
            "https://1.2.3.256",
            "https://b\u{fc}cher.example",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn blocks_are_kept_in_one_form() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(parse_block(text).ok().map(|block| block.to_string()).as_deref(), expect, "{text}");
        };
        check("192.0.2.7", Some("192.0.2.7/32"));
        check("192.0.2.0/24", Some("192.0.2.0/24"));
        check("192.0.2.7/24", None);
        check("2001:db8::1/32", None);
        check("::ffff:192.0.2.7/120", None);
        check("2001:DB8::1", Some("2001:db8::1/128"));
        check("::ffff:192.0.2.7", Some("192.0.2.7/32"));
        check("::ffff:192.0.2.0/120", Some("192.0.2.0/24"));
        check("::ffff:c000:207/128", Some("192.0.2.7/32"));
        check("::ffff:0:0/96", Some("0.0.0.0/0"));
        check("::ffff:192.0.2.7/64", None);
        check("::/0", Some("::/0"));
        for text in
            ["", "192.0.2", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "fe80::1%eth0", "[::1]", "a"]
        {
            check(text, None);
        }
        let mapped = blocks(&["::ffff:192.0.2.0/120"]);
        assert!(mapped.admit("192.0.2.9".parse().ok(), None).is_ok());
        assert!(mapped.admit("::ffff:192.0.2.9".parse().ok(), None).is_ok());
    }

    #[test]
    fn inclusion() {
        let (wide, narrow) = (blocks(&["192.0.2.0/24"]), blocks(&["192.0.2.16/28"]));
        assert!(wide.includes(&narrow) && !narrow.includes(&wide));
        assert!(!wide.includes(&Restrictions::default()) && Restrictions::default().includes(&wide));
        assert!(wide.includes(&blocks(&[])));
        let rate = |limit, period_seconds| Rate { limit, period_seconds };
        assert!(rate(100, 60).includes(rate(100, 60)) && rate(100, 60).includes(rate(50, 30)));
        assert!(!rate(100, 60).includes(rate(100, 30)), "faster in the long run");
        assert!(!rate(100, 60).includes(rate(1000, 6000)), "a larger burst");
        let (day, month) = (QuotaPeriod::Day, QuotaPeriod::Month);
        let quota = |limit, period| Quota { limit, period };
        assert!(quota(5, day).includes(quota(5, day)) && !quota(5, day).includes(quota(6, day)));
        assert!(quota(5, day).includes(quota(5, month)) && !quota(5, day).includes(quota(6, month)));
        assert!(quota(310, month).includes(quota(10, day)) && !quota(309, month).includes(quota(10, day)));
        let of = |quota| Restrictions { quota, ..Restrictions::default() };
        assert!(of(None).includes(&of(Some(quota(1, day)))) && !of(Some(quota(1, day))).includes(&of(None)));
        assert!(of(Some(quota(0, day))).checked().is_err() && !of(Some(quota(1, day))).is_empty());
    }
}
