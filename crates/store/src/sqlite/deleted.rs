//! Deleted keys, by the first half of their digests: a text that was once deleted never becomes a key again.
//!
//! Without this, somebody who holds the text of a deleted key could import it as a key of their own, and an
//! application that still uses it would send its requests in their name. Sixteen bytes for each deleted key are
//! kept for good.

use claviger_core::key::Digest;
use rusqlite::{Connection, params};

use super::Result;
use crate::error::{Conflict, StoreError};

const CONTAINS: &str = "SELECT 1 FROM deleted_keys WHERE digest_head = ?1";
const REMEMBER: &str =
    "INSERT INTO deleted_keys (digest_head) VALUES (?1) ON CONFLICT (digest_head) DO NOTHING";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[CONTAINS, REMEMBER];

/// Whether the key of this digest was deleted.
pub(super) fn contains(conn: &Connection, digest: &Digest) -> Result<bool> {
    Ok(conn.prepare_cached(CONTAINS)?.exists(params![half(digest)])?)
}

/// Refuses a digest that belonged to a deleted key.
pub(super) fn require_new(conn: &Connection, digest: &Digest) -> Result<()> {
    if contains(conn, digest)? { Err(StoreError::Conflict(Conflict::DeletedKey)) } else { Ok(()) }
}

/// Remembers a key that is being deleted, or that was deleted before the database was restored.
pub(super) fn remember(conn: &Connection, digest: &Digest) -> Result<()> {
    conn.prepare_cached(REMEMBER)?.execute(params![half(digest)])?;
    Ok(())
}

fn half(digest: &Digest) -> &[u8] {
    &digest.as_bytes()[..16]
}
