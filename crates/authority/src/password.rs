//! Passwords: Argon2id.
//!
//! 19 MiB, 2 passes and 1 lane are the first of the equivalent settings that OWASP recommends (Password
//! Storage Cheat Sheet). They cost about 20 ms of one core, and each hash that is made at the same time
//! takes its memory, so the number of those is bounded.

use argon2::password_hash::{
    PasswordHasher, PasswordVerifier,
    phc::{PasswordHash as Phc, Salt},
};
use argon2::{Algorithm, Argon2, Params, Version};
use claviger_core::principal::PasswordHash;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::ports::Ports;

/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Hashes at the same time: four times 19 MiB is what a small machine can spare.
const CONCURRENT_HASHES_MAX: usize = 4;
/// Shortest password (NIST SP 800-63B-4: at least 8; 15 where it is the only factor is advised to people).
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// Longest password: enough for a sentence, short enough that hashing it costs nothing extra.
pub const PASSWORD_CHARACTERS_MAX: usize = 256;

/// A password in clear, on its way to being hashed. Debug prints nothing of it.
pub struct Password(Zeroizing<String>);

/// Why a password cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")]
pub struct PasswordError;

impl Password {
    /// Takes a password.
    ///
    /// # Errors
    /// [`PasswordError`] if it is too short or too long.
    pub fn new(text: String) -> Result<Self, PasswordError> {
        let text = Zeroizing::new(text);
        let fits = (PASSWORD_CHARACTERS_MIN..=PASSWORD_CHARACTERS_MAX).contains(&text.chars().count());
        if fits { Ok(Self(text)) } else { Err(PasswordError) }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Hashes passwords, a few at a time.
pub struct Passwords {
    permits: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { permits: Semaphore::new(CONCURRENT_HASHES_MAX) }
    }
}

/// Hashing failed: out of memory.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(String);

impl Passwords {
    /// The hash of a password, with a fresh salt.
    ///
    /// # Errors
    /// [`HashError`] when there is no memory for it.
    pub async fn hash(&self, password: Password, ports: &Ports) -> Result<PasswordHash, HashError> {
        let salt: [u8; 16] = ports.bytes();
        self.run(move || {
            let salt = Salt::new(&salt).map_err(|error| HashError(error.to_string()))?;
            let hash = argon2id()?
                .hash_password_with_salt(password.0.as_bytes(), salt.as_ref())
                .map_err(|error| HashError(error.to_string()))?;
            Ok(PasswordHash::from_phc(&hash.to_string()))
        })
        .await
    }

    /// Whether this is the password of that hash.
    ///
    /// # Errors
    /// [`HashError`] when there is no memory for it, or the hash is not one.
    pub async fn verify(&self, password: Password, hash: &PasswordHash) -> Result<bool, HashError> {
        let phc = hash.expose().to_owned();
        self.run(move || {
            let hash = Phc::new(&phc).map_err(|error| HashError(error.to_string()))?;
            Ok(argon2id()?.verify_password(password.0.as_bytes(), &hash).is_ok())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let _permit = self.permits.acquire().await.map_err(|error| HashError(error.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|error| HashError(error.to_string()))?
    }
}

fn argon2id() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let (passwords, ports) = (Passwords::default(), Ports::system());
        let new = |text: &str| Password::new(text.to_owned()).unwrap();
        let hash = passwords.hash(new("correct horse"), &ports).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify(new("correct horse"), &hash).await.unwrap());
        assert!(!passwords.verify(new("correct house"), &hash).await.unwrap());
        assert_ne!(hash, passwords.hash(new("correct horse"), &ports).await.unwrap(), "salted");
        assert!(Password::new("short".into()).is_err() && Password::new("x".repeat(257)).is_err());
    }

    #[tokio::test]
    async fn a_few_hashes_at_a_time() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (passwords, now) = (Arc::new(Passwords::default()), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..3 * CONCURRENT_HASHES_MAX).map(|_| {
            let (passwords, now) = (Arc::clone(&passwords), Arc::clone(&now));
            tokio::spawn(async move {
                let at_once = passwords.run(move || {
                    let at_once = now.fetch_add(1, Ordering::SeqCst) + 1;
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(at_once)
                });
                at_once.await.unwrap()
            })
        });
        let mut most = 0;
        for task in tasks.collect::<Vec<_>>() {
            most = most.max(task.await.unwrap());
        }
        assert_eq!(most, CONCURRENT_HASHES_MAX);
    }
}
