//! Where the program that serves a data folder is reached. It says so in a file of the folder, which it keeps locked
//! for as long as it runs: so the commands of the same machine find it, and what a dead one has left behind misleads
//! nobody into sending a key to whoever took its port.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Result, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file in the data folder.
pub const ADDRESS_FILE: &str = "api-address";
/// Bytes of it at most: an address is far shorter.
const ADDRESS_BYTES_MAX: u64 = 256;

/// Writes where the API is reached from this machine, until what is returned is dropped.
///
/// # Errors
/// What the system says.
pub fn announce(data: &Path, api: SocketAddr) -> Result<File> {
    let path = data.join(ADDRESS_FILE);
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)?;
    // A database elsewhere lets two programs have one folder; the later one is found.
    let _ = file.try_lock();
    file.set_len(0)?;
    let ip = match api.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    writeln!(file, "http://{}", SocketAddr::new(ip, api.port()))?;
    Ok(file)
}

/// Where the program that serves this data folder is reached; nothing if none runs.
///
/// # Errors
/// What the system says.
pub fn serving_address(data: &Path) -> Result<Option<String>> {
    let mut file = match File::open(data.join(ADDRESS_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    Read::by_ref(&mut file).take(ADDRESS_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_believed_for_as_long_as_the_program_runs() {
        let folder = tempfile::tempdir().unwrap();
        let found = || serving_address(folder.path()).unwrap();
        assert_eq!(found(), None);
        for (listens, expect) in [
            ("127.0.0.1:8410", "http://127.0.0.1:8410"),
            ("0.0.0.0:8400", "http://127.0.0.1:8400"),
            ("[::]:84", "http://[::1]:84"),
        ] {
            let held = announce(folder.path(), listens.parse().unwrap()).unwrap();
            assert_eq!(found().as_deref(), Some(expect));
            drop(held);
            assert_eq!(found(), None, "left behind by a program that ended");
        }
    }
}
