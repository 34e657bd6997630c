//! The text of a key, kept from logs.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

/// The text of a key, or of a password. Debug and Display print nothing of it, it serialises to nothing, and it is
/// overwritten when dropped.
///
/// ```
/// let secret = claviger_client::Secret::new("sk_something");
/// assert_eq!(format!("{secret:?} {secret}"), "Secret(…) …");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text. Whoever calls this passes it on to where it belongs, and to nothing that keeps it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source).map(Self::new)
    }
}

/// A secret where it has to go out.
pub(crate) fn exposed<S: Serializer>(secret: &Secret, target: S) -> Result<S::Ok, S::Error> {
    target.serialize_str(secret.expose())
}

/// The same where there may be none.
pub(crate) fn exposed_if_any<S: Serializer>(secret: &Option<Secret>, target: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, target),
        None => target.serialize_none(),
    }
}
