//! Pages of records of which the caller may not see every one.

use claviger_store::Page;

use crate::error::{Error, Result};

/// Rows read at once at least: where most are left out, small pages must not mean a read for each.
const ROWS_MIN: u32 = 200;

/// Whether a record is shown, by the decision about it: only a refusal means that it is not. Any other error is the
/// answer to the whole list, or records would be missing from it without a word.
pub(crate) fn shown(decided: Result<()>) -> Result<bool> {
    match decided {
        Ok(()) => Ok(true),
        Err(Error::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Up to `page.limit` rows that the caller may see. Reads on where some are left out, so that a page that
/// is not full is the last.
///
/// # Errors
/// What `read` and `may` return.
pub(crate) async fn visible<R, K: Clone, F>(
    page: Page<K>,
    read: impl Fn(Page<K>) -> F,
    cursor: impl Fn(&R) -> K,
    may: impl Fn(&R) -> Result<bool>,
) -> Result<Vec<R>>
where
    F: Future<Output = Result<Vec<R>, claviger_store::StoreError>>,
{
    let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let rows_at_once = page.limit.max(ROWS_MIN);
    let (mut shown, mut after) = (Vec::new(), page.after);
    loop {
        let rows = read(Page { after: after.clone(), limit: rows_at_once }).await?;
        let last = rows.last().map(&cursor);
        let full = rows.len() >= usize::try_from(rows_at_once).unwrap_or(usize::MAX);
        for row in rows {
            if may(&row)? {
                shown.push(row);
            }
        }
        if shown.len() >= wanted || !full || last.is_none() {
            shown.truncate(wanted);
            return Ok(shown);
        }
        after = last;
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::decide::Refusal;
    use claviger_core::scope::Action;

    use super::*;

    async fn listed(may: impl Fn(&u32) -> Result<bool>) -> Result<Vec<u32>> {
        let read = |page: Page<u32>| async move {
            let from = page.after.unwrap_or_default() + 1;
            Ok((from..=500).take(page.limit as usize).collect())
        };
        visible(Page { after: None, limit: 3 }, read, |row| *row, may).await
    }

    #[tokio::test]
    async fn refused_records_are_left_out_and_any_other_error_ends_the_list() {
        let refused = || Err(Error::refused(Refusal::NotFound, Action::literal("team", "read")));
        let only_late = |row: &u32| shown(if *row > 400 { Ok(()) } else { refused() });
        assert_eq!(listed(only_late).await.unwrap(), [401, 402, 403]);
        let stale = |row: &u32| shown(if *row == 2 { Err(Error::NotFresh) } else { Ok(()) });
        assert!(matches!(listed(stale).await, Err(Error::NotFresh)));
    }
}
