//! A copy of the database while it serves.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::oneshot;

use super::{Result, schema};
use crate::disk::{Disk, DiskFile};
use crate::error::StoreError;

/// What the name of a copy has until it is whole; the number of the process follows.
const PARTIAL: &str = ".partial-";

/// Copies on a thread and a connection of its own: neither callers nor readers wait for it.
pub(crate) async fn backup(disk: Disk, from: PathBuf, to: PathBuf) -> Result<()> {
    let (reply, answer) = oneshot::channel();
    let body = move || {
        let _gone = reply.send(copy(&disk, &from, &to));
    };
    std::thread::Builder::new()
        .name("store-backup".to_owned())
        .spawn(body)
        .map_err(StoreError::unavailable)?;
    answer.await.map_err(|_| super::stopped())?
}

/// Copies on this thread. Until it is whole and on the disk, the copy has another name: half a backup is worse than
/// none.
pub(crate) fn copy(disk: &Disk, from: &Path, to: &Path) -> Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(StoreError::unavailable(std::io::Error::from(std::io::ErrorKind::AlreadyExists)));
    }
    let partial = schema::with_suffix(to, &format!("{PARTIAL}{}", std::process::id()));
    // Made here and now, so that it is never readable by others.
    let file = disk.create(&partial).map_err(StoreError::unavailable)?;
    let copied = vacuum_into(from, &partial).and_then(|()| settle(disk, &file, &partial, to));
    if copied.is_err() {
        let _removed = fs::remove_file(&partial);
    }
    copied
}

fn vacuum_into(from: &Path, target: &Path) -> Result<()> {
    let target = target
        .to_str()
        .ok_or_else(|| StoreError::unavailable_because("the path of a backup must be UTF-8"))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(from, flags)?;
    conn.execute("VACUUM INTO ?1", params![target])?;
    Ok(())
}

/// Waits until the file is on the disk, gives it its name, and waits until that is on the disk.
fn settle(disk: &Disk, file: &DiskFile, partial: &Path, to: &Path) -> Result<()> {
    let settled = file.sync().and_then(|()| disk.rename_new(partial, to));
    settled.and_then(|()| disk.sync_folder_of(to)).map_err(StoreError::unavailable)
}
