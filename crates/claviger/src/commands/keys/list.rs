//! `claviger keys list`

use clap::Args;
use claviger_client::KeyFilter;

use crate::clock::now;
use crate::commands::listing::{Listing, gather};
use crate::exit::Failure;
use crate::output::{key_table, parse_past};
use crate::remote::Remote;

/// List keys, the newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger keys list
      an operator sees all keys, everybody else those of the key's own account, team or project
  claviger keys list --for project:proj_… --status active
  claviger keys list --unused-since 90d --limit 0
      candidates for deletion
  claviger keys list --json | jq -r '.items[] | select(.expires_at == null) | .id'
      keys that never expire")]
pub struct List {
    /// Keys of this subject: `account:acct_…`, `team:team_…`, `project:proj_…`, `type:id`, or `operator`.
    #[arg(long = "for", value_name = "REFERENCE")]
    subject: Option<String>,
    /// Keys of this kind.
    #[arg(long, value_name = "KIND", value_parser = ["account", "team", "project", "resource", "operator"])]
    kind: Option<String>,
    /// Keys of this status.
    #[arg(long, value_name = "STATUS", value_parser = ["active", "disabled", "retired", "expired"])]
    status: Option<String>,
    /// Keys made by: `account:acct_…`, `key:key_…` or `system`.
    #[arg(long, value_name = "WHO")]
    created_by: Option<String>,
    /// Keys that were not used since: a date, an instant, or a time before now (`90d`).
    #[arg(long, value_name = "WHEN")]
    unused_since: Option<String>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    remote: Remote,
}

impl List {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let unused_since = self.unused_since.as_deref().map(|text| parse_past(text, now())).transpose();
        let filter = KeyFilter {
            subject: self.subject,
            kind: self.kind,
            status: self.status,
            created_by: self.created_by,
            unused_since: unused_since
                .map_err(|error| Failure::usage(format!("`--unused-since`: {error}")))?,
        };
        let page = gather(self.remote.client()?.keys().list(&filter), &self.listing).await?;
        if output.is_json() {
            return output.json(&page);
        }
        if page.items.is_empty() {
            return output.line("There is no such API key.");
        }
        output.table(&key_table(&page.items))?;
        self.listing.more(output, page.next_cursor.is_some())
    }
}
