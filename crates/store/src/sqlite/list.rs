//! Listings: a base query and the filters that are given. Filters that are absent do not appear in the SQL,
//! so that SQLite can choose an index by those that do.

use claviger_core::Kind;
use claviger_core::id::KeyId;
use claviger_core::lifecycle::Standing;
use claviger_core::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::row::{Cells, bytes};
use super::{Result, keys};
use crate::query::{KeyFilter, Page, StoredKey};

/// A query in the making. Its pieces are texts of this crate; what callers give is bound, never spliced.
pub(super) struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Select {
    /// Begins with a query that ends in its WHERE clause.
    pub(super) fn new(base: &str) -> Self {
        Self { sql: base.to_owned(), values: Vec::new() }
    }

    /// Adds a condition about one value, if there is one; it stands wherever there is a `?`.
    pub(super) fn and<V: Into<Value>>(mut self, condition: &'static str, value: Option<V>) -> Self {
        if let Some(value) = value {
            self.values.push(value.into());
            // Numbered, so that a place never depends on what stands before it.
            let number = format!("?{}", self.values.len());
            self.sql.push_str(" AND ");
            self.sql.push_str(&condition.replace('?', &number));
        }
        self
    }

    /// Ends with an order and a limit.
    pub(super) fn page(mut self, order: &'static str, rows: u32) -> Self {
        self.values.push(i64::from(rows).into());
        self.sql = format!("{} ORDER BY {order} LIMIT ?{}", self.sql, self.values.len());
        self
    }

    /// The text.
    #[cfg(test)]
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// Every row, decoded.
    pub(super) fn all<T>(
        self,
        conn: &Connection,
        table: &'static str,
        mut decode: impl FnMut(&Cells<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = conn.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(decode(&Cells { table, row })?);
        }
        Ok(all)
    }
}

/// Keys, the newest first.
pub(crate) fn keys(conn: &Connection, filter: &KeyFilter, page: Page<KeyId>) -> Result<Vec<StoredKey>> {
    let select = select_keys(filter, page.after).page("id DESC", page.rows());
    let mut scopes = keys::Interner::default();
    select.all(conn, "keys", |cells| keys::decode_stored(cells, &mut scopes))
}

pub(super) fn select_keys(filter: &KeyFilter, after: Option<KeyId>) -> Select {
    // One subject alone is the usual case, which an index answers in order.
    let (one, any) = match filter.subjects.as_deref() {
        None => (None, None),
        Some([one]) => (Some(one.clone()), None),
        Some(all) => (None, Some(serde_json::Value::from(all).to_string())),
    };
    // Operator keys are few: by their subject an index finds them.
    let operator = filter.kind.filter(|kind| *kind == Kind::Operator);
    let select = Select::new(keys::SELECT_STORED)
        .and("subject = ?", one)
        .and("subject IN (SELECT value FROM json_each(?))", any)
        .and("subject = ?", operator.map(|kind| kind.as_str().to_owned()))
        .and("kind = ?", filter.kind.map(|kind| kind.as_str().to_owned()))
        .and("created_by = ?", filter.created_by.map(|actor| actor.to_string()))
        .and("coalesce(at, created_at) < ?", filter.unused_since.map(Timestamp::millis))
        .and("id < ?", after.map(|id| bytes(id).to_vec()));
    match filter.standing {
        None => select,
        Some((standing, now)) => with_standing(select, standing, now),
    }
}

/// [`Standing::of`] in SQL: a key is expired as soon as its second has begun, and that outweighs all else.
fn with_standing(select: Select, standing: Standing, now: Timestamp) -> Select {
    let second = i64::try_from(now.seconds().get()).unwrap_or(i64::MAX);
    let (condition, status) = match standing {
        Standing::Expired => ("expires_at <= ?", None),
        Standing::Active => ("(expires_at IS NULL OR expires_at > ?)", Some("active")),
        Standing::Disabled => ("(expires_at IS NULL OR expires_at > ?)", Some("disabled")),
        Standing::Retired => ("(expires_at IS NULL OR expires_at > ?)", Some("retired")),
    };
    let status = status.map(str::to_owned);
    select.and(condition, Some(second)).and("iif(retired_at IS NULL, status, 'retired') = ?", status)
}
