//! Putting a backup in the place of a database, without bringing back to life what was revoked since.

use std::fs::{self, File};
use std::io::{Read, SeekFrom};
use std::path::{Path, PathBuf};

use claviger_core::KeyId;
use claviger_core::change::{Change, ChangeId, Sequence};
use claviger_core::clock;
use rusqlite::{Connection, params};

use super::journal::{self, Journal, Line};
use super::rooms::Rooms;
use super::row::Cells;
use super::schema::with_suffix;
use super::{Result, Write, changes, history, schema, settings};
use crate::commit::{Audit, Random};
use crate::disk::{Disk, DiskOperation, Owner};
use crate::error::StoreError;
use crate::store::Restored;

const FORGET: &str = "DELETE FROM changes";
const CONTINUE: &str = "UPDATE change_head SET seq = ?1, oldest = ?1 WHERE one = 1";
const DISABLE: &str =
    "UPDATE keys SET status = 'disabled', revision = revision + 1 WHERE status = 'active' RETURNING id";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FORGET, CONTINUE, DISABLE];

/// The setting that names the history that a database belongs to.
const EPOCH: &str = "epoch";
/// What the name of the database that is replaced gets.
const ASIDE: &str = ".before-restore";

/// Copies that are kept of earlier databases at most: somebody has to look at them some day.
const ASIDE_MAX: u32 = 1_000;

/// Restores; see [`crate::Store::restore`]. Until the one step in which the copy gets the name of the database,
/// everything can be repeated: what was there is complete beside it, or still in its place.
pub(crate) fn restore(
    disk: &Disk,
    backup: &Path,
    database: &Path,
    trust: bool,
    mut random: Random,
    audit: &Audit,
) -> Result<Restored> {
    let io = StoreError::unavailable;
    let (fresh, journal) = (with_suffix(database, ".restoring"), journal::path_of(database));
    let owner = owner(database, &journal).map_err(io)?;
    let lock = schema::lock(disk, database)?;
    // What the disk has kept out of the journal may still be in the database.
    if database.exists()
        && let Ok(conn) = schema::open_reader(database)
    {
        Journal::complete(disk, database, &conn)?;
    }
    for suffix in ["", "-wal", "-shm"] {
        disk.remove(&with_suffix(&fresh, suffix)).map_err(io)?;
    }
    let source = File::open(backup).map_err(io)?;
    let mut to = disk.create(&fresh).map_err(io)?;
    to.give_to(&owner);
    to.copy_from(&source, 0, source.metadata().map_err(io)?.len()).and_then(|()| to.sync()).map_err(io)?;
    let restored = bring_up(disk, &fresh, &journal, trust, &mut random, audit);
    // Its own lock file has served its purpose.
    disk.remove(&with_suffix(&fresh, ".lock")).map_err(io)?;
    let (restored, line) = restored?;
    // All of it has to be in the one file that gets the name.
    if fs::metadata(with_suffix(&fresh, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::unavailable_because("the copy could not be completed: is the disk full?"));
    }
    disk.remove(&with_suffix(&fresh, "-shm")).map_err(io)?;
    to.sync().map_err(io)?;
    keep(disk, database).map_err(io)?;
    disk.rename(&fresh, database).map_err(io)?;
    disk.sync_folder_of(database).map_err(io)?;
    // If this fails, the next start adds it, from the change row.
    append(disk, &journal, &line)?;
    disk.sync_folder_of(database).map_err(io)?;
    drop(lock);
    Ok(restored)
}

/// Whom the files belong to: as those that are there, or else as the folder.
fn owner(database: &Path, journal: &Path) -> std::io::Result<Owner> {
    Owner::of(database).or_else(|_| Owner::of(journal)).or_else(|_| Owner::of_folder(database))
}

/// Brings the copy to the state that the journal tells of, in one transaction.
fn bring_up(
    disk: &Disk,
    copy: &Path,
    journal: &Path,
    trust: bool,
    random: &mut Random,
    audit: &Audit,
) -> Result<(Restored, Line)> {
    let (conn, lock) = schema::open_writer(disk, copy)?;
    let since = journal::since(journal, changes::head(&conn)?)?;
    let transaction = conn.unchecked_transaction()?;
    // Whoever knows changes of the lost history must not take the new ones for them.
    transaction.execute(FORGET, params![])?;
    let sequence = Sequence(since.last.0 + 1);
    transaction.execute(CONTINUE, params![sequence.0])?;
    let mut id = ChangeId([0; 16]);
    random(&mut id.0);
    let mut rooms = Rooms::default();
    let mut write = Write::on(&transaction, &mut rooms);
    let mut vouched = since.complete;
    for line in &since.lines {
        vouched &= line.apply(&mut write)?.is_some();
    }
    let disabled = if vouched || trust { Vec::new() } else { disable(&transaction)? };
    let change = Change { sequence, id, items: Vec::new() };
    changes::insert(&transaction, &change, &[], None, audit.at())?;
    let head = changes::read_head(&transaction)?;
    let at = audit.at().filter(|at| clock::is_plausible(head.at, *at));
    changes::advance(&transaction, sequence, head.turn + 1, at)?;
    let mut epoch = [0; 16];
    random(&mut epoch);
    settings::put(&transaction, EPOCH, &super::row::hex(&epoch))?;
    history::append(&transaction, audit.entries())?;
    disk.before(DiskOperation::Commit, copy).map_err(StoreError::unavailable)?;
    transaction.commit()?;
    schema::close_writer(conn);
    drop(lock);
    // A later restore of an even older backup applies the same lines again; what was disabled here for want
    // of knowledge, it cannot know either.
    let line = if vouched { Line::empty(&change) } else { Line::unknown(sequence, id) };
    let line = line.made_at(audit.at());
    Ok((Restored { applied: since.lines.len() as u64, vouched, disabled }, line))
}

/// Disables every active key, and names them.
fn disable(conn: &Connection) -> Result<Vec<KeyId>> {
    let mut statement = conn.prepare(DISABLE)?;
    let mut rows = statement.query(params![])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(Cells { table: "keys", row }.id(0)?);
    }
    Ok(ids)
}

/// Keeps what is replaced under a second name that nothing has yet, and takes away its log, which would be replayed
/// into the database that takes its place. A crash at any point leaves a whole copy, or everything where it was; a
/// database whose log is gone is recognised by its journal and not opened.
fn keep(disk: &Disk, database: &Path) -> std::io::Result<()> {
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    let mut names = (1..=ASIDE_MAX).map(|n| match n {
        1 => with_suffix(database, ASIDE),
        _ => with_suffix(database, &format!("{ASIDE}-{n}")),
    });
    // Nor may there be the log of another one.
    let is_free = |name: &PathBuf| ["", "-wal", "-shm"].iter().all(|part| !exists(&with_suffix(name, part)));
    let Some(name) = names.find(is_free) else {
        return Err(std::io::Error::other(format!("there are {ASIDE_MAX} copies named `…{ASIDE}` already")));
    };
    let log = with_suffix(database, "-wal");
    if exists(&log) {
        disk.link(&log, &with_suffix(&name, "-wal"))?;
    }
    if exists(database) {
        disk.link(database, &name)?;
    }
    disk.sync_folder_of(database)?;
    disk.remove(&with_suffix(database, "-shm"))?;
    disk.remove(&log)?;
    disk.sync_folder_of(database)
}

/// Adds the restoration to the journal, so that it stays without a gap.
fn append(disk: &Disk, journal: &Path, line: &Line) -> Result<()> {
    let mut text = line.text()?;
    text.push('\n');
    let io = StoreError::unavailable;
    let mut file = disk.open_ours(journal).map_err(io)?;
    let end = file.seek(SeekFrom::End(0)).map_err(io)?;
    if end > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(end - 1)).and_then(|_| file.inner().read_exact(&mut last)).map_err(io)?;
        if last != *b"\n" {
            text.insert(0, '\n');
        }
    }
    file.seek(SeekFrom::End(0)).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync()).map_err(io)
}

/// Reads the epoch.
pub(crate) fn epoch(conn: &Connection) -> Result<Option<String>> {
    settings::get(conn, EPOCH)
}
