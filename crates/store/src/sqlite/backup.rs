//! A copy of the database while it serves.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::oneshot;

use super::{Result, schema};
use crate::error::StoreError;

/// Copies on a thread and a connection of its own: neither callers nor readers wait for it.
pub(crate) async fn backup(from: PathBuf, to: PathBuf) -> Result<()> {
    let (reply, answer) = oneshot::channel();
    let body = move || {
        let _gone = reply.send(copy(&from, &to));
    };
    std::thread::Builder::new()
        .name("store-backup".to_owned())
        .spawn(body)
        .map_err(StoreError::unavailable)?;
    answer.await.map_err(|_| super::stopped())?
}

/// Copies on this thread.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let target =
        to.to_str().ok_or_else(|| StoreError::unavailable_because("the path of a backup has to be UTF-8"))?;
    // Made here and now, so that it is never readable by others, and so that nothing is overwritten.
    let file =
        schema::private_file(to, OpenOptions::new().create_new(true)).map_err(StoreError::unavailable)?;
    let copied = vacuum_into(from, target).and_then(|()| settle(&file, to));
    if copied.is_err() {
        // Half a backup is worse than none.
        let _removed = std::fs::remove_file(to);
    }
    copied
}

fn vacuum_into(from: &Path, target: &str) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(from, flags)?;
    conn.execute("VACUUM INTO ?1", params![target])?;
    Ok(())
}

/// Waits until the file and its name are on the disk.
fn settle(file: &File, path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    file.sync_all().and_then(|()| File::open(folder)?.sync_all()).map_err(StoreError::unavailable)
}
