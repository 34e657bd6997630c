//! Members of teams and of projects: the same two columns beside another container.

use std::collections::BTreeMap;

use claviger_core::id::{Id, Tag};
use claviger_core::principal::{Members, Role};
use rusqlite::{Connection, params};

use super::error::is_missing_reference;
use super::row::{Cells, bytes};
use super::{Result, accounts};

/// The statements for one kind of container.
pub(super) struct MemberTable {
    pub(super) table: &'static str,
    /// Account and role of the members of a container.
    pub(super) select: &'static str,
    /// Adds a member or gives it another role.
    pub(super) put: &'static str,
    /// Removes a member.
    pub(super) remove: &'static str,
}

impl MemberTable {
    /// The members of a container.
    pub(super) fn of<T: Tag, R: Role>(&self, conn: &Connection, container: Id<T>) -> Result<Members<R>> {
        let mut statement = conn.prepare_cached(self.select)?;
        let mut rows = statement.query(params![bytes(container)])?;
        let mut members = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = Cells { table: self.table, row };
            members.push((cells.id(0)?, cells.word(1, R::from_word)?));
        }
        Ok(Members::new(members))
    }

    /// Writes what differs between the members that are stored and these.
    pub(super) fn replace<T: Tag, R: Role>(
        &self,
        conn: &Connection,
        container: Id<T>,
        next: &Members<R>,
    ) -> Result<()> {
        let mut before = self.of::<T, R>(conn, container)?.iter().collect::<BTreeMap<_, _>>();
        let mut put = conn.prepare_cached(self.put)?;
        for (account, role) in next.iter() {
            if before.remove(&account) != Some(role) {
                put.execute(params![bytes(container), bytes(account), role.as_str()]).map_err(|error| {
                    if is_missing_reference(&error) { accounts::missing(account) } else { error.into() }
                })?;
            }
        }
        let mut remove = conn.prepare_cached(self.remove)?;
        for account in before.into_keys() {
            remove.execute(params![bytes(container), bytes(account)])?;
        }
        Ok(())
    }
}
