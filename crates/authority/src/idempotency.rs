//! Requests that are carried out once: a repeat is told what the first one made.
//!
//! The name that a client gives its request (`Idempotency-Key`) is good for a day and for that caller alone.
//! It is remembered in the transaction that carries the request out, so of many repeats at once exactly one
//! wins. A secret is never shown again: the repeat learns the identifier of the key and nothing more.

use claviger_core::key::Actor;
use claviger_core::limit::IDEMPOTENCY_KEY_BYTES_MAX;
use claviger_core::scope::Action;
use claviger_store::Once;
use sha2::{Digest, Sha256};

use crate::authority::Authority;
use crate::caller::Caller;
use crate::condition::Condition;
use crate::error::{Error, Result};

/// The name that a client gave its request, and the fingerprint of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    key: Box<str>,
    fingerprint: [u8; 32],
}

impl Idempotency {
    /// Takes the name of a request and the parts that make it up: method, path and body, say.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the name is 1 to 256 printable ASCII characters.
    pub fn new(key: &str, request: &[&[u8]]) -> Result<Self> {
        let printable = key.bytes().all(|b| matches!(b, 0x20..=0x7e));
        if !(1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) || !printable {
            let detail = format!("it is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters");
            return Err(Error::invalid("Idempotency-Key", detail));
        }
        let mut hash = Sha256::new();
        for part in request {
            // With its length before it, so that no two requests run into the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Ok(Self { key: key.into(), fingerprint: hash.finalize().into() })
    }
}

impl Authority {
    /// The request as the store remembers it.
    pub(crate) fn once(
        &self,
        by: Actor,
        request: Option<&Idempotency>,
        reference: impl ToString,
    ) -> Option<Once> {
        let request = request?;
        let mut hash = Sha256::new();
        hash.update(by.to_string().as_bytes());
        hash.update([0]);
        hash.update(request.key.as_bytes());
        Some(Once {
            name: hash.finalize().into(),
            fingerprint: request.fingerprint,
            reference: reference.to_string(),
            at: self.settled_now(),
        })
    }

    /// Refuses a repeat before anything is looked at that the first request has changed. The first one's change is
    /// in force by then, and the caller is still accepted after it.
    pub(crate) async fn refuse_repeat(
        &self,
        caller: &Caller,
        action: Action<'_>,
        request: Option<&Idempotency>,
    ) -> Result<()> {
        if request.is_none() {
            return Ok(());
        }
        self.attempts(caller, &[], &Condition::Always, |mut deciding| async move {
            deciding.accepted(action)?;
            let Some(once) = deciding.once(request, "")? else { return Ok(()) };
            let Err(repeat) = self.shared.store.check_once(once).await else { return Ok(()) };
            self.shared.store.confirm(deciding.write()?).await?;
            Err(repeat.into())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_fingerprints() {
        let of = |parts: &[&[u8]]| Idempotency::new("a", parts).unwrap();
        assert_eq!(of(&[b"POST", b"x"]), of(&[b"POST", b"x"]));
        assert_ne!(of(&[b"POST", b"x"]), of(&[b"POS", b"Tx"]));
        for wrong in ["", "\n", "é", &"x".repeat(257)] {
            assert!(Idempotency::new(wrong, &[]).is_err(), "{wrong:?}");
        }
    }
}
