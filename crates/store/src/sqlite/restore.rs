//! Putting a backup in the place of a database, without bringing back to life what was revoked since.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use claviger_core::KeyId;
use claviger_core::change::{Change, ChangeId, Sequence};
use rusqlite::{Connection, params};

use super::journal::{self, Line};
use super::rooms::Rooms;
use super::row::Cells;
use super::{Result, Write, changes, history, schema, settings};
use crate::commit::{Audit, Random};
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

/// Restores on a thread of its own; see [`crate::Store::restore`].
pub(crate) fn restore(
    backup: &Path,
    database: &Path,
    trust: bool,
    mut random: Random,
    audit: &Audit,
) -> Result<Restored> {
    let lock = schema::lock(database)?;
    let fresh = with_suffix(database, ".restoring");
    for suffix in ["", "-wal", "-shm"] {
        let _absent = fs::remove_file(with_suffix(&fresh, suffix));
    }
    let io = StoreError::unavailable;
    let mut to = schema::private_file(&fresh, OpenOptions::new().create_new(true)).map_err(io)?;
    std::io::copy(&mut File::open(backup).map_err(io)?, &mut to).map_err(io)?;
    to.sync_all().map_err(io)?;
    drop(to);
    let journal = journal::path_of(database);
    let restored = bring_up(&fresh, &journal, trust, &mut random, audit);
    // Its own lock file has served its purpose.
    let _absent = fs::remove_file(with_suffix(&fresh, ".lock"));
    let (restored, line) = restored?;
    move_aside(database)?;
    fs::rename(&fresh, database).map_err(io)?;
    append(&journal, &line)?;
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    drop(lock);
    Ok(restored)
}

/// Brings the copy to the state that the journal tells of, in one transaction.
fn bring_up(
    copy: &Path,
    journal: &Path,
    trust: bool,
    random: &mut Random,
    audit: &Audit,
) -> Result<(Restored, Line)> {
    let (conn, lock) = schema::open_writer(copy)?;
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
    changes::insert(&transaction, &change, &[], None)?;
    let mut epoch = [0; 16];
    random(&mut epoch);
    settings::put(&transaction, EPOCH, &super::row::hex(&epoch))?;
    history::append(&transaction, audit.entries())?;
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

/// Keeps what is replaced, as long as nothing is in its way.
fn move_aside(database: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let from = with_suffix(database, suffix);
        if from.exists() {
            let to = with_suffix(&with_suffix(database, ASIDE), suffix);
            fs::rename(from, to).map_err(StoreError::unavailable)?;
        }
    }
    Ok(())
}

/// Adds the restoration to the journal, so that it stays without a gap.
fn append(journal: &Path, line: &Line) -> Result<()> {
    use std::io::{Read, Seek, SeekFrom, Write};
    let mut text = line.text()?;
    text.push('\n');
    let io = StoreError::unavailable;
    let mut options = OpenOptions::new();
    let mut file = schema::private_file(journal, options.read(true).create(true)).map_err(io)?;
    let end = file.seek(SeekFrom::End(0)).map_err(io)?;
    if end > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(end - 1)).and_then(|_| file.read_exact(&mut last)).map_err(io)?;
        if last != *b"\n" {
            text.insert(0, '\n');
        }
    }
    file.seek(SeekFrom::End(0)).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Reads the epoch.
pub(crate) fn epoch(conn: &Connection) -> Result<Option<String>> {
    settings::get(conn, EPOCH)
}
