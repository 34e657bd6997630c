//! GitHub's secret-scanning partner format: an array of tokens, signed with ECDSA P-256 over SHA-256 of the
//! raw body. The public keys are configured, several at a time, so that they can be replaced with an overlap.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::HeaderName;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

const IDENTIFIER: HeaderName = HeaderName::from_static("github-public-key-identifier");
/// The header that tells GitHub's form from our own.
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("github-public-key-signature");

/// A public key of GitHub's, with the identifier by which a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubKey {
    identifier: String,
    key: VerifyingKey,
}

/// Not a public key on P-256.
#[derive(Debug, thiserror::Error)]
#[error("the key has to be an ECDSA P-256 public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
pub struct GithubKeyError;

impl GithubKey {
    /// Reads a public key in PEM.
    ///
    /// # Errors
    /// [`GithubKeyError`] on anything else.
    pub fn new(identifier: impl Into<String>, pem: &str) -> Result<Self, GithubKeyError> {
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| GithubKeyError)?;
        Ok(Self { identifier: identifier.into(), key })
    }
}

/// One token of a report.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub(super) token: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) source: Option<String>,
}

/// What GitHub is told of a token. The token itself is not repeated; its hash will do.
#[derive(Debug, Serialize)]
pub(super) struct Label {
    pub(super) token_hash: String,
    pub(super) token_type: String,
    pub(super) label: &'static str,
}

/// Whether a report names a public key that is configured. That proves nothing yet.
pub(super) fn names_a_key(headers: &HeaderMap, keys: &[GithubKey]) -> bool {
    headers.get(&IDENTIFIER).is_some_and(|named| keys.iter().any(|key| named == key.identifier.as_str()))
}

/// Checks the signature over the raw body and reads it.
pub(super) fn read(headers: &HeaderMap, body: &[u8], keys: &[GithubKey]) -> Result<Vec<Found>, Problem> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let forged = || {
        Problem::bad_request(
            "invalid_signature",
            "The signature does not fit the body, or its key is not known here.",
        )
    };
    let identifier = text(&IDENTIFIER).ok_or_else(forged)?;
    let signature = text(&SIGNATURE).and_then(|text| BASE64.decode(text).ok()).ok_or_else(forged)?;
    let signature = Signature::from_der(&signature).map_err(|_| forged())?;
    let known = keys.iter().find(|key| key.identifier == identifier).ok_or_else(forged)?;
    known.key.verify(body, &signature).map_err(|_| forged())?;
    serde_json::from_slice(body).map_err(|_| {
        Problem::bad_request(
            "malformed_json",
            "The body is an array of objects with `token`, `type`, `url` and `source`.",
        )
    })
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer;
    use p256::pkcs8::{EncodePublicKey, LineEnding};

    use super::*;

    fn signing(seed: u8) -> SigningKey {
        SigningKey::from_slice(&[seed; 32]).unwrap()
    }

    fn public(identifier: &str, key: &SigningKey) -> GithubKey {
        let pem = p256::PublicKey::from(key.verifying_key()).to_public_key_pem(LineEnding::LF).unwrap();
        GithubKey::new(identifier, &pem).unwrap()
    }

    fn headers(identifier: &str, key: &SigningKey, body: &[u8]) -> HeaderMap {
        let signature: Signature = key.sign(body);
        let mut headers = HeaderMap::new();
        headers.insert(IDENTIFIER, identifier.parse().unwrap());
        headers.insert(SIGNATURE, BASE64.encode(signature.to_der()).parse().unwrap());
        headers
    }

    #[test]
    fn only_what_a_known_key_signed() {
        let (old, new, other) = (signing(1), signing(2), signing(3));
        let keys = [public("old", &old), public("new", &new)];
        let body = br#"[{"token": "sk_x", "type": "claviger", "url": "https://example.org/x", "source": "content"}]"#;
        let check = |headers: &HeaderMap, body: &[u8], expect: bool| {
            assert_eq!(read(headers, body, &keys).is_ok(), expect);
        };
        check(&headers("old", &old, body), body, true);
        check(&headers("new", &new, body), body, true);
        check(&headers("new", &old, body), body, false);
        check(&headers("other", &other, body), body, false);
        check(&headers("new", &new, body), b"[]", false);
        check(&headers("new", &new, b"{}"), b"{}", false);
        check(&HeaderMap::new(), body, false);
        let mut garbled = headers("new", &new, body);
        garbled.insert(SIGNATURE, "rubbish".parse().unwrap());
        check(&garbled, body, false);
        assert!(GithubKey::new("x", "-----BEGIN PUBLIC KEY-----").is_err());
    }
}
