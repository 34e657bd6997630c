//! Pages: one frame, one stylesheet, no script.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::problem::Problem;

const STYLE: &str = include_str!("style.css");

/// Who may put a page into a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Anyone,
    Nobody,
}

/// The policies are strict because nothing has to be loaded: only our own stylesheet, named by its hash, applies.
static POLICIES: LazyLock<[String; 2]> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    ["*", "'none'"].map(|ancestors| {
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors {ancestors}"
        )
    })
});

/// Text as it may stand in an element or in a quoted attribute.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A whole page. `title` is escaped here, `body` is HTML already.
pub(crate) fn page(title: &str, body: &str, framing: Framing) -> Response {
    let title = Escaped(title);
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    );
    let policy = &POLICIES[usize::from(framing == Framing::Nobody)];
    let policy = match HeaderValue::from_str(policy) {
        Ok(policy) => policy,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::Escaped;

    #[test]
    fn nothing_that_html_would_read_is_left() {
        let text = Escaped("<a href=\"x\" id='y'>&amp;</a>").to_string();
        assert_eq!(text, "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;");
    }
}
