//! Accounts.

use claviger_core::change::ChangeItem;
use claviger_core::id::AccountId;
use claviger_core::name::{Email, ExternalId, Name};
use claviger_core::permit::RecordRef;
use claviger_core::principal::{Account, AccountRecord, PasswordHash};
use claviger_core::revocation;
use rusqlite::{Connection, ToSql, params};

use super::error::Place;
use super::list::Select;
use super::row::{Cells, bytes};
use super::{Result, Write};
use crate::error::StoreError;
use crate::query::{AccountFilter, Page};

const INSERT: &str =
    "INSERT INTO accounts (id, closed, name, email, password, external_id, created_at, revision)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const UPDATE: &str = "UPDATE accounts
    SET closed = ?2, name = ?3, email = ?4, password = ?5, external_id = ?6, revision = ?8
    WHERE id = ?1 AND created_at = ?7 AND revision = ?8 - 1";
const REVISION: &str = "SELECT revision FROM accounts WHERE id = ?1";
const SELECT: &str =
    "SELECT id, closed, name, email, password, external_id, created_at, revision FROM accounts WHERE true";
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, UPDATE, REVISION];

/// Adds an account.
pub(crate) fn create(write: &mut Write<'_>, record: &AccountRecord) -> Result<()> {
    execute(write.conn, INSERT, record)?;
    write.touch_new(ChangeItem::Account(record.account.clone()));
    Ok(())
}

/// Replaces an account's record.
pub(crate) fn update(write: &mut Write<'_>, next: &AccountRecord, expected: u64) -> Result<()> {
    let id = next.account.id;
    let place = Place { table: "accounts", revision: REVISION, key: bytes(id), name: &id };
    place.check_follows(write.conn, next.revision, expected)?;
    let before = by_id(write.conn, id)?;
    let changed = execute(write.conn, UPDATE, next)?;
    place.check_one(write.conn, changed, Some(expected))?;
    let took = before.is_none_or(|before| revocation::by_account(&before.account, &next.account));
    write.touch(ChangeItem::Account(next.account.clone()), took.then_some(RecordRef::Account(id)));
    Ok(())
}

fn execute(conn: &Connection, sql: &str, record: &AccountRecord) -> Result<usize> {
    let values: [&dyn ToSql; 8] = [
        &bytes(record.account.id),
        &record.account.closed,
        &record.name.as_ref().map(Name::as_str),
        &record.email.as_ref().map(Email::as_str),
        &record.password.as_ref().map(PasswordHash::expose),
        &record.account.external_id.as_ref().map(ExternalId::as_str),
        &record.created_at.millis(),
        &record.revision,
    ];
    Ok(conn.prepare_cached(sql)?.execute(values)?)
}

/// Refuses an account that does not exist.
pub(super) fn require(conn: &Connection, id: AccountId) -> Result<()> {
    if conn.prepare_cached(REVISION)?.exists(params![bytes(id)])? { Ok(()) } else { Err(missing(id)) }
}

/// The error for an account that does not exist.
pub(super) fn missing(id: AccountId) -> StoreError {
    StoreError::Missing(format!("account:{id}"))
}

/// An account.
pub(crate) fn by_id(conn: &Connection, id: AccountId) -> Result<Option<AccountRecord>> {
    let select = Select::new(SELECT).and("id = ?", Some(bytes(id).to_vec())).page("id", 1);
    Ok(select.all(conn, "accounts", decode)?.pop())
}

/// A page, the newest first.
pub(crate) fn list(
    conn: &Connection,
    filter: &AccountFilter,
    page: Page<AccountId>,
) -> Result<Vec<AccountRecord>> {
    select(filter, page.after).page("id DESC", page.rows()).all(conn, "accounts", decode)
}

pub(super) fn select(filter: &AccountFilter, after: Option<AccountId>) -> Select {
    Select::new(SELECT)
        .and("external_id = ?", filter.external_id.as_ref().map(|id| id.as_str().to_owned()))
        .and("email = ?", filter.email.as_ref().map(|email| email.as_str().to_owned()))
        .and("id < ?", after.map(|id| bytes(id).to_vec()))
}

fn decode(cells: &Cells<'_>) -> Result<AccountRecord> {
    Ok(AccountRecord {
        account: Account {
            id: cells.id(0)?,
            external_id: cells.text_or_none(5)?.map(ExternalId::from_stored),
            closed: cells.flag(1)?,
        },
        name: cells.text_or_none(2)?.map(Name::from_stored),
        email: cells.parsed_or_none(3, Email::parse)?,
        password: cells.text_or_none(4)?.map(PasswordHash::from_phc),
        created_at: cells.timestamp(6)?,
        revision: cells.count(7)?,
    })
}
