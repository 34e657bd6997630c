//! Two spellings of one path: what an application could read differently from what was decided on.
//!
//! A route's pattern is matched on the bytes of the path as they came. Applications decode and normalise them, each
//! in its own way, so that `/api/%61dmin` may be served as `/api/admin`. Two rules keep such a path from taking a
//! broader route than the one that guards what is served:
//!
//! 1. What no honest client writes, and what changes which segments there are, is refused by itself
//!    ([`ambiguous_path`]).
//! 2. Of what honest clients do write (`;x`, upper case, `%40`, a slash at the end), each reading has to lead to the
//!    same route ([`readings`], compared by `Routes::ambiguous`).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Whether a path (without its query) can be read in more than one way, whatever the routes are.
///
/// That is: an empty segment (`//`), a dot segment, plain, encoded or with a parameter after it (`/..;x/`), an encoded
/// slash or backslash or a plain backslash, bytes beyond ASCII (RFC 3986 has them encoded), an encoded control
/// character, an encoded unreserved character (RFC 3986, section 6.2.2.2: letters, digits, `-`, `.`, `_`, `~`), an
/// encoding that is broken, of another encoding (`%2561`), or of something that is no UTF-8, overlong forms (`%c0%af`)
/// included.
#[must_use]
pub fn ambiguous_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    // Most paths have nothing of it, and are found clean in one pass.
    let mut suspect = false;
    let mut previous = 0;
    for &byte in bytes {
        if !(0x20..0x7f).contains(&byte) || byte == b'\\' || (byte == b'/' && previous == b'/') {
            return true;
        }
        suspect |= byte == b'%' || byte == b'.';
        previous = byte;
    }
    suspect && (ambiguous_encoding(path) || path.split('/').any(is_dot_segment))
}

fn ambiguous_encoding(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut encoded = false;
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let Some(decoded) = decode(&bytes[at..]) else { return true };
        match decoded {
            0..0x20 | 0x7f | b'/' | b'\\' => return true,
            b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => return true,
            b'%' if decode_digits(&bytes[at + 3..]).is_some() => return true,
            // `%u0061`, as some servers read it.
            b'%' if bytes.get(at + 3).is_some_and(|byte| matches!(byte, b'u' | b'U')) => return true,
            _ => {}
        }
        encoded = true;
    }
    // Decoders leave out, replace or reinterpret what is no UTF-8.
    encoded && percent_decode_str(path).decode_utf8().is_err()
}

/// Whether a segment is `.` or `..` once decoded and without the parameters that some servers cut off.
pub(super) fn is_dot_segment(segment: &str) -> bool {
    let mut left = segment.as_bytes();
    let mut dots = 0;
    while let Some(&byte) = left.first() {
        let (byte, length) = match decode(left) {
            Some(decoded) => (decoded, 3),
            None => (byte, 1),
        };
        match byte {
            b'.' => dots += 1,
            b';' => break,
            _ => return false,
        }
        left = &left[length..];
    }
    dots == 1 || dots == 2
}

/// The byte that a percent-encoding at the beginning of `bytes` stands for.
fn decode(bytes: &[u8]) -> Option<u8> {
    decode_digits(bytes.strip_prefix(b"%")?)
}

fn decode_digits(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// How lenient applications read a path: decoded and in lower case; and then also without what stands behind a `;` in
/// a segment and without dots and spaces at its end. Both are the path itself for most.
pub(super) fn readings(path: &str) -> [Cow<'_, str>; 2] {
    let decoded =
        if path.contains('%') { percent_decode_str(path).decode_utf8_lossy() } else { Cow::Borrowed(path) };
    let plain = decoded.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    let folded = if plain { decoded } else { Cow::Owned(fold(&decoded)) };
    let bare = if folded.split('/').any(|segment| bare(segment) != segment) {
        Cow::Owned(without_parameters(&folded))
    } else {
        folded.clone()
    };
    [folded, bare]
}

/// Without regard to case, also for letters that have an ASCII one as their other case (the Kelvin sign, the long s).
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The path of bare segments; one of which nothing is left (`/;x/`) goes, as its empty segment would.
fn without_parameters(path: &str) -> String {
    let mut bared = String::with_capacity(path.len());
    for segment in path.split('/').map(bare).filter(|segment| !segment.is_empty()) {
        bared.push('/');
        bared.push_str(segment);
    }
    if bared.is_empty() || path.rsplit('/').next().is_some_and(|last| bare(last).is_empty()) {
        bared.push('/');
    }
    bared
}

fn bare(segment: &str) -> &str {
    let name = segment.split_once(';').map_or(segment, |(name, _)| name);
    name.trim_end_matches(['.', ' '])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_an_application_could_read_differently_are_ambiguous() {
        for path in [
            "//",
            "/a//b",
            "//a",
            "/a//",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e",
            "/%2E%2e/b",
            "/.%2e/b",
            "/a/..;x=1/b",
            "/a/.;/b",
            "/a/..%3bx/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0d%0a",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%c0%af",
            "/a%252e",
            "/a%252fb",
            // Encoded unreserved characters, once and again.
            "/%61dmin",
            "/%41",
            "/a%5Ab",
            "/%30",
            "/a%2Db",
            "/a%2eb",
            "/a%5fb",
            "/a%7Eb",
            "/a%2561b",
            "/a%25%36%31",
            "/%25u0061",
            "/%u0061",
            // Overlong forms of `a` and `/`, and other bytes that are no UTF-8.
            "/%c1%a1",
            "/%e0%81%a1",
            "/%f0%80%81%a1",
            "/%e0%80%af",
            "/\u{e9}",
            "/%ff",
            "/a%e9b",
            "/%ed%a0%80",
            "/%f4%90%80%80",
            "/%c3",
        ] {
            assert!(ambiguous_path(path), "{path}");
        }
    }

    #[test]
    fn ordinary_paths_are_not_ambiguous() {
        for path in [
            "/",
            "/a/",
            "/a.b",
            "/a..b",
            "/...",
            "/.well-known/x",
            "/a%20b",
            "/a%C3%A9",
            "/a%25b/",
            "/100%25",
            "/a;b",
            "/n@3.html",
            "/~user",
            "/a+b",
            "/a%2Bb",
            "/a%40b",
            "/a%3Ab",
            "/%E2%82%AC",
            "/%F0%9F%97%9D",
            "/a:b@c!$&'()*,=",
        ] {
            assert!(!ambiguous_path(path), "{path}");
        }
    }

    #[test]
    fn readings_are_those_of_lenient_applications() {
        let check =
            |path: &str, folded: &str, bare: &str| assert_eq!(readings(path), [folded, bare], "{path}");
        check("/a/b", "/a/b", "/a/b");
        check("/API/Admin", "/api/admin", "/api/admin");
        check("/a;x=1/b;y", "/a;x=1/b;y", "/a/b");
        check("/a%3Bx/b%20", "/a;x/b ", "/a/b");
        check("/a./b..", "/a./b..", "/a/b");
        check("/a/;x/b", "/a/;x/b", "/a/b");
        check("/a/;x", "/a/;x", "/a/");
        check("/;", "/;", "/");
        check("/d/n%40v", "/d/n@v", "/d/n@v");
        check("/%E2%84%AAey", "/key", "/key");
    }

    proptest! {
        #[test]
        fn any_path_is_read(path in "/\\PC{0,80}|/[%a-f0-9A-F./;\\\\]{0,60}") {
            let ambiguous = ambiguous_path(&path);
            let readings = readings(&path);
            if !ambiguous {
                // Read once more, nothing changes: there is no second encoding in it.
                prop_assert_eq!(readings[0].matches('/').count(), path.matches('/').count());
                prop_assert!(!readings[0].split('/').any(|segment| segment == "." || segment == ".."));
            }
        }

        /// Encoding any unreserved character of any path makes it ambiguous, as does encoding an encoding.
        #[test]
        fn other_spellings_of_a_path_are_ambiguous(path in "(/[a-z0-9._~-]{1,8}){1,4}", at in any::<prop::sample::Index>()) {
            let places = path.bytes().enumerate().filter(|(_, byte)| *byte != b'/').map(|(at, _)| at).collect::<Vec<_>>();
            let at = places[at.index(places.len())];
            let byte = path.as_bytes()[at];
            for spelled in [format!("%{byte:02x}"), format!("%{byte:02X}"), format!("%25{byte:02x}"), format!("%2525{byte:02x}")] {
                let path = format!("{}{spelled}{}", &path[..at], &path[at + 1..]);
                prop_assert!(ambiguous_path(&path), "{}", path);
            }
        }
    }
}
