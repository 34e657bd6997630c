//! The root keyring: from its secrets every sealing and signing key of this installation is derived.
//!
//! It is one file beside the database, made at the first start with mode 0600, and never in the database:
//! whoever gets hold of a backup of the one does not have the other. The newest secret seals; every one
//! opens, so it can be replaced with an overlap.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ports::Ports;

/// Bytes of the extended nonce: random ones may be used without counting (draft-irtf-cfrg-xchacha).
const NONCE_BYTES: usize = 24;

/// Bits of the mode that a file with a secret must not have: everything for others, and writing for its group.
/// Its group may read it, since Kubernetes gives a mounted secret to the group of the container (0440, 0640).
pub const SECRET_MODE_REFUSED: u32 = 0o037;

/// The secrets from which the keys of this installation are derived. Debug prints nothing of them.
pub struct Keyring {
    /// The newest last.
    secrets: Vec<RootSecret>,
}

struct RootSecret {
    id: u32,
    secret: Zeroizing<[u8; 32]>,
}

/// Why the keyring cannot be had, or does not open something.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file could not be read or made.
    #[error("the keyring {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Users who are neither its owner nor of its group may read the file, or others than its owner may write it.
    #[error(
        "the keyring {0} is open to other users: `chmod 600` it (640 lets its group read it), and consider its secrets known"
    )]
    Readable(PathBuf),
    /// Not a keyring.
    #[error(
        "{0} is not a keyring; restore it from a backup, as nothing that it sealed can be opened without"
    )]
    Malformed(PathBuf),
    /// Sealed by another keyring, for another purpose, or altered.
    #[error("this was not sealed by this keyring for this purpose")]
    CannotOpen,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    secrets: Vec<FileSecret>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSecret {
    id: u32,
    secret: Zeroizing<String>,
}

impl Keyring {
    /// Reads the keyring, or makes it if there is none yet. The new file is whole and on disk before it has its name.
    ///
    /// # Errors
    /// [`KeyringError`] says what is wrong with the file.
    pub fn open_or_create(path: &Path, ports: &Ports) -> Result<Self, KeyringError> {
        match Self::open(path) {
            Err(KeyringError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::create(path, ports).map_err(|source| KeyringError::Io { path: path.into(), source })?;
                Self::open(path)
            }
            other => other,
        }
    }

    /// Reads the keyring.
    ///
    /// # Errors
    /// [`KeyringError`] says what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, KeyringError> {
        let io = |source| KeyringError::Io { path: path.into(), source };
        let mode = fs::metadata(path).map_err(io)?.permissions().mode();
        if mode & SECRET_MODE_REFUSED != 0 {
            return Err(KeyringError::Readable(path.into()));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(io)?);
        let malformed = || KeyringError::Malformed(path.into());
        let file: File = serde_json::from_str(&text).map_err(|_| malformed())?;
        let mut secrets = Vec::new();
        for FileSecret { id, secret } in file.secrets {
            let bytes = Zeroizing::new(BASE64.decode(secret.as_bytes()).map_err(|_| malformed())?);
            let secret = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed())?);
            secrets.push(RootSecret { id, secret });
        }
        if file.version != 1 || secrets.is_empty() {
            return Err(malformed());
        }
        Ok(Self { secrets })
    }

    fn create(path: &Path, ports: &Ports) -> io::Result<()> {
        let secret = Zeroizing::new(ports.bytes::<32>());
        let secret = FileSecret { id: 1, secret: Zeroizing::new(BASE64.encode(secret.as_slice())) };
        let text = Zeroizing::new(serde_json::to_string(&File { version: 1, secrets: vec![secret] })?);
        write_private(path, text.as_bytes())
    }

    /// A key for one purpose, derived from the newest secret (HKDF-SHA-256, RFC 5869).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.secrets.last().map(|root| root.derive(purpose)).unwrap_or_default()
    }

    /// Seals a secret for one purpose. Without the same purpose and associated data it cannot be opened.
    ///
    /// # Errors
    /// [`KeyringError::CannotOpen`] if the text is too long for the cipher.
    pub fn seal(
        &self,
        purpose: &str,
        data: &[u8],
        plain: &[u8],
        ports: &Ports,
    ) -> Result<Vec<u8>, KeyringError> {
        let root = self.secrets.last().ok_or(KeyringError::CannotOpen)?;
        let nonce: [u8; NONCE_BYTES] = ports.bytes();
        let sealed = root
            .cipher(purpose)
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: data })
            .map_err(|_| KeyringError::CannotOpen)?;
        Ok([root.id.to_be_bytes().as_slice(), &nonce, &sealed].concat())
    }

    /// Opens what was sealed.
    ///
    /// # Errors
    /// [`KeyringError::CannotOpen`] if anything differs.
    pub fn unseal(
        &self,
        purpose: &str,
        data: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (id, rest) = sealed.split_first_chunk::<4>().ok_or(KeyringError::CannotOpen)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(KeyringError::CannotOpen)?;
        let id = u32::from_be_bytes(*id);
        let root = self.secrets.iter().find(|root| root.id == id).ok_or(KeyringError::CannotOpen)?;
        root.cipher(purpose)
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: data })
            .map(Zeroizing::new)
            .map_err(|_| KeyringError::CannotOpen)
    }
}

impl RootSecret {
    fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        // 32 bytes are within what HKDF gives, so this cannot fail; a zero key would be caught by the tests.
        let _ =
            Hkdf::<Sha256>::new(None, self.secret.as_slice()).expand(purpose.as_bytes(), key.as_mut_slice());
        key
    }

    fn cipher(&self, purpose: &str) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&(*self.derive(purpose)).into())
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} secrets)", self.secrets.len())
    }
}

/// Writes a file that only its owner may read, whole and synced before it gets its name. An existing file
/// is left alone.
///
/// # Errors
/// What the system says.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let temporary = folder.join(name);
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    // A link fails if the name is taken, so two first starts cannot overwrite each other.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    linked?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("claviger-keyring-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn it_is_made_once_and_private() {
        let (folder, ports) = (folder("once"), Ports::system());
        let path = folder.join("keyring");
        let first = Keyring::open_or_create(&path, &ports).unwrap();
        let again = Keyring::open_or_create(&path, &ports).unwrap();
        assert_eq!(first.derive("a"), again.derive("a"));
        assert_ne!(first.derive("a"), first.derive("b"));
        assert_ne!(*first.derive("a"), [0; 32]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left behind");
        for (mode, expect) in [
            (0o400, true),
            (0o440, true),
            (0o640, true),
            (0o660, false),
            (0o604, false),
            (0o644, false),
            (0o602, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let opened = Keyring::open_or_create(&path, &ports);
            assert_eq!(opened.is_ok(), expect, "{mode:o}");
            assert!(expect || matches!(opened, Err(KeyringError::Readable(_))));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_damaged_file_is_not_replaced() {
        let (folder, ports) = (folder("damaged"), Ports::system());
        let path = folder.join("keyring");
        write_private(&path, b"{}").unwrap();
        assert!(matches!(Keyring::open_or_create(&path, &ports), Err(KeyringError::Malformed(_))));
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_sealed_opens_only_for_its_purpose_and_its_data() {
        let (folder, ports) = (folder("seal"), Ports::system());
        let keyring = Keyring::open_or_create(&folder.join("keyring"), &ports).unwrap();
        let sealed = keyring.seal("reveal", b"key_1", b"secret", &ports).unwrap();
        assert_eq!(keyring.unseal("reveal", b"key_1", &sealed).unwrap().as_slice(), b"secret");
        assert!(keyring.unseal("reveal", b"key_2", &sealed).is_err());
        assert!(keyring.unseal("embed", b"key_1", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(keyring.unseal("reveal", b"key_1", &altered).is_err(), "byte {at}");
        }
        assert!(keyring.unseal("reveal", b"key_1", &[]).is_err());
        let other = Keyring::open_or_create(&folder.join("other"), &ports).unwrap();
        assert!(other.unseal("reveal", b"key_1", &sealed).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
