//! Listings, page by page.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::transport::{Call, Client};

/// One page of a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What the next page is asked for with; none on the last.
    pub next_cursor: Option<String>,
}

/// A listing, read page by page as it is used.
///
/// ```no_run
/// # async fn example(client: claviger_client::Client) -> claviger_client::Result<()> {
/// use claviger_client::KeyFilter;
///
/// let mut keys = client.keys().list(&KeyFilter::default());
/// while let Some(key) = keys.next().await? {
///     assert!(key.id.starts_with("key_"));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    path: String,
    query: Vec<(&'static str, String)>,
    limit: Option<u32>,
    cursor: Cursor,
    ready: VecDeque<T>,
}

#[derive(Debug)]
enum Cursor {
    Start,
    At(String),
    End,
}

impl<T: DeserializeOwned> Pages<T> {
    pub(crate) fn new(client: Client, path: impl Into<String>, query: Vec<(&'static str, String)>) -> Self {
        Self { client, path: path.into(), query, limit: None, cursor: Cursor::Start, ready: VecDeque::new() }
    }

    /// How many items a page has; the authority's default unless said otherwise, and 200 at most.
    #[must_use]
    pub fn page_size(mut self, items: u32) -> Self {
        self.limit = Some(items);
        self
    }

    /// Begins after an earlier page, by its `next_cursor`.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Cursor::At(cursor.into());
        self
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// Those of every call. The listing can go on with another call then.
    pub async fn next_page(&mut self) -> Result<Option<Page<T>>> {
        let cursor = match &self.cursor {
            Cursor::Start => None,
            Cursor::At(cursor) => Some(("cursor", cursor.clone())),
            Cursor::End => return Ok(None),
        };
        let limit = self.limit.map(|limit| ("limit", limit.to_string()));
        let query = self.query.iter().cloned().chain(limit).chain(cursor);
        let page: Page<T> = self.client.ask(Call::get(target(&self.path, query))).await?;
        self.cursor = page.next_cursor.clone().map_or(Cursor::End, Cursor::At);
        Ok(Some(page))
    }

    /// The next item; none after the last.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn next(&mut self) -> Result<Option<T>> {
        while self.ready.is_empty() {
            match self.next_page().await? {
                Some(page) => self.ready = page.items.into(),
                None => return Ok(None),
            }
        }
        Ok(self.ready.pop_front())
    }

    /// The items that are left, but this many at most.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn collect(&mut self, most: usize) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while items.len() < most {
            match self.next().await? {
                Some(item) => items.push(item),
                None => break,
            }
        }
        Ok(items)
    }
}

/// A path with its query.
pub(crate) fn target(path: &str, query: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut target = path.to_owned();
    for (n, (name, value)) in query.into_iter().enumerate() {
        target.push(if n == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        target.push_str(&escaped(&value));
    }
    target
}

/// The filters that are set.
pub(crate) fn query<const N: usize>(
    fields: [(&'static str, Option<String>); N],
) -> Vec<(&'static str, String)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A value as it stands in a path or a query.
pub(crate) fn escaped(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(target("/v1/keys", []), "/v1/keys");
        let query = [("subject", "account:acct_1".to_owned()), ("limit", "2".to_owned())];
        assert_eq!(target("/v1/keys", query), "/v1/keys?subject=account%3Aacct%5F1&limit=2");
    }
}
