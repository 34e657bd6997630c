//! `claviger history`

use clap::{Args, ValueEnum};
use claviger_client::{HistoryFilter, HistoryRow};

use crate::clock::now;
use crate::exit::Failure;
use crate::output::{Colour, Output, Styled, Table, parse_past, short};
use crate::remote::Remote;

use super::listing::{Listing, gather};

/// Show who did what, with which key, from where: the newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger history
  claviger history --since 24h --action key:delete
  claviger history --target key:key_…
      what became of a key
  claviger history --request-id req_…
      why a request was refused, by the X-Request-Id of its answer
  claviger history --key key_… --origin api
      what was done with it
  claviger history --since 2027-01-01 --until 2027-02-01 --json-lines > january.jsonl
      everything of a month, one JSON object to a line")]
pub struct History {
    /// Rows that are listed under this subject: `account:acct_…`, `project:proj_…`, `operator`, ….
    #[arg(long = "for", value_name = "REFERENCE")]
    subject: Option<String>,
    /// What was done by: `account:acct_…`, `key:key_…` or `system`.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// What was done with this key.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<String>,
    /// What was done to this, such as `key:key_…` or `notebook:5e1f`.
    #[arg(long, value_name = "REFERENCE")]
    target: Option<String>,
    /// This action, such as `key:create`.
    #[arg(long, value_name = "TYPE:ACTION")]
    action: Option<String>,
    /// What came this way.
    #[arg(long, value_name = "WAY", value_enum)]
    origin: Option<Way>,
    /// What belongs to this request: the `X-Request-Id` of an answer. The row of a refusal says why.
    #[arg(long, value_name = "REQUEST_ID")]
    request_id: Option<String>,
    /// Not before: a date, an instant, or a time before now (`24h`, `90d`).
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before: a date, an instant, or a time before now.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Print every row as a line of JSON, to its end.
    #[arg(long, conflicts_with_all = ["limit", "cursor"])]
    json_lines: bool,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    remote: Remote,
}

/// By which way something came.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    /// The console, or the host's own site.
    Site,
    /// The API or the gateway.
    Api,
    /// An embed.
    Embed,
    /// The command line.
    Cli,
}

impl History {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let client = self.remote.client()?;
        let mut pages = client.history().list(&self.filter()?);
        if self.json_lines {
            while let Some(row) = pages.next().await? {
                output.json_line(&row)?;
            }
            return Ok(());
        }
        let page = gather(pages, &self.listing).await?;
        if output.is_json() {
            return output.json(&page);
        }
        if page.items.is_empty() && self.request_id.is_some() {
            return output.line("No matching rows. A refused request appears here after about a second.");
        }
        print(output, &page.items)?;
        if self.request_id.is_some() {
            reasons(output, &page.items)?;
        }
        self.listing.more(output, page.next_cursor.is_some())
    }

    fn filter(&self) -> anyhow::Result<HistoryFilter> {
        let past = |name: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(|text| parse_past(text, now())).transpose();
            parsed.map_err(|error| Failure::usage(format!("`--{name}`: {error}")))
        };
        Ok(HistoryFilter {
            subject: self.subject.clone(),
            actor: self.actor.clone(),
            key: self.key.clone(),
            target: self.target.clone(),
            action: self.action.clone(),
            origin: self.origin.and_then(|way| way.to_possible_value()).map(|way| way.get_name().to_owned()),
            request_id: self.request_id.clone(),
            since: past("since", &self.since)?,
            until: past("until", &self.until)?,
        })
    }
}

/// Why a request was refused, step by step.
fn reasons(output: Output, rows: &[HistoryRow]) -> anyhow::Result<()> {
    for (n, reason) in rows.iter().flat_map(|row| &row.reasons).enumerate() {
        let code = output.paint(&Styled::new(format!("({})", reason.code), Colour::Dim));
        output.line(format!("  {}. {} {code}", n + 1, Styled::from(&reason.text).text))?;
    }
    Ok(())
}

fn print(output: Output, rows: &[HistoryRow]) -> anyhow::Result<()> {
    if rows.is_empty() {
        return output.line("No matching rows.");
    }
    let mut table =
        Table::new(&["WHEN (UTC)", "WHO", "ACTION", "TARGET", "ORIGIN", "FROM", "OUTCOME", "DETAIL"]);
    for row in rows {
        let colour = if row.outcome == "done" { Colour::Plain } else { Colour::Red };
        table.row(vec![
            short(row.at).into(),
            row.actor.as_str().into(),
            row.action.as_str().into(),
            row.target.as_str().into(),
            row.origin.as_str().into(),
            row.address.as_deref().unwrap_or_default().into(),
            Styled::new(&row.outcome, colour),
            row.detail.as_str().into(),
        ]);
    }
    output.table(&table)
}
