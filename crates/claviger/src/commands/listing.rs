//! How much of a listing is wanted.

use clap::Args;
use claviger_client::{Page, Pages};
use serde::de::DeserializeOwned;

use crate::output::{Colour, Output, Styled};

/// Rows that the authority gives at once at most.
const PAGE_ROWS_MAX: u32 = 200;

/// How much of a listing is wanted.
#[derive(Debug, Args)]
pub struct Listing {
    /// How many rows at most; 0 for all.
    #[arg(long, value_name = "ROWS", default_value_t = 100)]
    pub limit: u32,
    /// Go on after an earlier listing, by the `next_cursor` of its JSON.
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

impl Listing {
    /// Says that there is more than was printed.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn more(&self, output: Output, more: bool) -> anyhow::Result<()> {
        if more {
            let text = format!("There are more than {}; `--limit 0` shows all.", self.limit);
            output.line(output.paint(&Styled::new(text, Colour::Dim)))?;
        }
        Ok(())
    }
}

/// As many rows as are wanted, in as few questions as it takes.
///
/// # Errors
/// Those of every call.
pub async fn gather<T: DeserializeOwned>(mut pages: Pages<T>, listing: &Listing) -> anyhow::Result<Page<T>> {
    if let Some(cursor) = &listing.cursor {
        pages = pages.after(cursor);
    }
    let mut all = Page { items: Vec::new(), next_cursor: None };
    loop {
        let have = u32::try_from(all.items.len()).unwrap_or(u32::MAX);
        let wanted = match listing.limit {
            0 => PAGE_ROWS_MAX,
            limit => limit.saturating_sub(have).min(PAGE_ROWS_MAX),
        };
        if wanted == 0 {
            return Ok(all);
        }
        pages = pages.page_size(wanted);
        let Some(page) = pages.next_page().await? else { return Ok(all) };
        all.items.extend(page.items);
        all.next_cursor = page.next_cursor;
    }
}
