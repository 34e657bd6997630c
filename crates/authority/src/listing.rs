//! Pages of records of which the caller may not see every one.

use claviger_store::Page;

use crate::error::Result;

/// Rows read at once at least: where most are left out, small pages must not mean a read for each.
const ROWS_MIN: u32 = 200;

/// Up to `page.limit` rows that the caller may see. Reads on where some are left out, so that a page that
/// is not full is the last.
pub(crate) async fn visible<R, K: Clone, F>(
    page: Page<K>,
    read: impl Fn(Page<K>) -> F,
    cursor: impl Fn(&R) -> K,
    may: impl Fn(&R) -> bool,
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
        shown.extend(rows.into_iter().filter(&may));
        if shown.len() >= wanted || !full || last.is_none() {
            shown.truncate(wanted);
            return Ok(shown);
        }
        after = last;
    }
}
