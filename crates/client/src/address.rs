//! Where an authority is: which addresses a key may be sent to.

use http::Uri;

use crate::error::{Error, Result};

const UNREADABLE: &str = "write it as `https://host` or `http://127.0.0.1:8400`";

/// The address of an authority, without a slash at its end.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) text: String,
    /// Whether it begins with `https`.
    pub(crate) secure: bool,
}

impl Base {
    /// Reads an address. Plain HTTP is for this machine alone, unless `plain_http` says otherwise.
    pub(crate) fn read(url: &str, plain_http: bool) -> Result<Self> {
        let base = url.trim_end_matches('/');
        let wrong = |reason| Error::Address { address: base.to_owned(), reason };
        let uri: Uri = base.parse().map_err(|_| wrong(UNREADABLE))?;
        let host = uri.host().unwrap_or_default();
        let inside = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if inside {
            // Not repeated: what stands before the `@` may be a password.
            let address = format!("…@{host}");
            return Err(Error::Address { address, reason: "an address holds no name and no password" });
        }
        let good = |secure| Ok(Self { text: base.to_owned(), secure });
        match uri.scheme_str() {
            // What comes after a query or a fragment would be no path of the API.
            _ if host.is_empty() || base.contains(['?', '#']) => Err(wrong(UNREADABLE)),
            Some("https") if cfg!(feature = "tls") => good(true),
            Some("https") => Err(wrong("this program was built without TLS")),
            Some("http") if plain_http || is_this_machine(host) => good(false),
            Some("http") => Err(wrong(
                "a key would travel over plain HTTP, readable by everybody on the way; use https://",
            )),
            _ => Err(wrong(UNREADABLE)),
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |url: &str, expect: Result<&str, &str>| {
            let told = Base::read(url, false).map_err(|error| error.to_string());
            match (told, expect) {
                (Ok(base), Ok(expect)) => assert_eq!(base.text, expect),
                (Err(told), Err(expect)) => assert!(told.contains(expect), "{url}: {told}"),
                (told, _) => panic!("{url}: {told:?}"),
            }
        };
        check("http://127.0.0.1:8400/", Ok("http://127.0.0.1:8400"));
        check("http://[::1]:8400", Ok("http://[::1]:8400"));
        check("http://localhost", Ok("http://localhost"));
        check("http://127.0.0.1:8400/keys/", Ok("http://127.0.0.1:8400/keys"));
        check("http://keys.example.org", Err("plain HTTP"));
        check("http://0.0.0.0:8400", Err("plain HTTP"));
        check("http://192.0.2.7:8400", Err("plain HTTP"));
        check("http://localhost.example.org", Err("plain HTTP"));
        check("HTTP://keys.example.org", Err("plain HTTP"));
        check("http://name:secret@127.0.0.1", Err("`…@127.0.0.1`"));
        check("ftp://keys.example.org", Err("write it as"));
        check("keys.example.org", Err("write it as"));
        check("https://keys.example.org?x", Err("write it as"));
        check("http://127.0.0.1#x", Err("write it as"));
        check("", Err("write it as"));
        assert!(Base::read("http://keys.example.org", true).is_ok_and(|base| !base.secure));
        for url in ["https://keys.example.org", "HTTPS://keys.example.org"] {
            let base = Base::read(url, false);
            assert_eq!(base.is_ok_and(|base| base.secure), cfg!(feature = "tls"));
        }
    }
}
