//! `claviger keys import`

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use claviger_client::{Client, ImportOptions, ImportOutcome};
use serde::Serialize;

use super::rows::{Format, Row, read};
use crate::exit::{Code, Failure};
use crate::output::{Colour, Output, Progress, Styled, Table};
use crate::remote::Remote;

/// Rows that go out at once: as many as the authority stages in one transaction, each of which waits for the disk.
const BATCH_ROWS: usize = 1_000;
/// Rows that went wrong which are printed for people; programs read all of them.
const SHOWN_MAX: usize = 50;

/// Take over keys from elsewhere, so that their users notice nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Each row has `name`, `authority`, and `key` (its text) or `sha256` (its digest in hexadecimal), and \
may have `scopes`, `versions`, `grants`, `expires_at`, `created_at`, `preview`, `status` and `metadata`. In CSV, lists are \
separated by spaces and metadata is written `name=value; name=value`. All keys become valid at once, or none: nothing \
is imported if a row is wrong, unless --skip-bad says so. A second run of the same file imports nothing twice.

Examples:
  claviger keys import keys.csv --dry-run
      says what would become of each row
  claviger keys import keys.csv
  claviger keys import - --format jsonl --digests-are-strong --json < export.jsonl

  name,authority,sha256,scopes,expires_at
  CI runner,project:proj_…,5e884898da280471…,run:create *:read,2027-01-31")]
pub struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// How the rows are written; what the name of the file says unless given.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Only say what would become of each row.
    #[arg(long)]
    dry_run: bool,
    /// Import the rows that are right even if others are wrong.
    #[arg(long)]
    skip_bad: bool,
    /// Every digest is of a key with at least 128 random bits; needed where rows have `sha256`.
    #[arg(long)]
    digests_are_strong: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What became of a row.
#[derive(Debug, Serialize)]
struct Outcome {
    line: u64,
    name: String,
    #[serde(flatten)]
    outcome: ImportOutcome,
}

/// What became of all of them.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether the import was committed; if not, nothing was imported.
    committed: bool,
    imported: usize,
    duplicates: usize,
    wrong: usize,
    rows: Vec<Outcome>,
}

impl Import {
    /// Reads, tries, imports and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let rows = self.read()?;
        if rows.is_empty() {
            let standard = self.file.as_os_str() == "-";
            let name = if standard { "standard input".into() } else { self.file.display().to_string() };
            return Err(Failure::usage(format!("{name} has no rows")).into());
        }
        let client = self.remote.client()?;
        let bar = Progress::new("Importing", u64::try_from(rows.len()).unwrap_or(u64::MAX));
        let sent = self.send(&client, rows, &bar).await;
        bar.end();
        self.print(output, &sent?)
    }

    /// Stages the rows in batches, and commits them if they are right.
    async fn send(&self, client: &Client, rows: Vec<Row>, bar: &Progress) -> anyhow::Result<Report> {
        let options = ImportOptions { dry_run: self.dry_run, digests_are_strong: self.digests_are_strong };
        let import = client.keys().begin_import(options).await?.id;
        let outcomes = stage(client, &import, rows, bar).await;
        let commit = |report: &Report| report.imported > 0 && (report.wrong == 0 || self.skip_bad);
        match outcomes.map(Report::new) {
            Ok(mut report) if !self.dry_run && commit(&report) => {
                client.keys().commit_import(&import).await?;
                report.committed = true;
                Ok(report)
            }
            other => {
                // Should this fail, the authority forgets it by itself.
                let _abandoned = client.keys().abandon_import(&import).await;
                other
            }
        }
    }

    fn read(&self) -> anyhow::Result<Vec<Row>> {
        let name = self.file.display().to_string();
        if self.file.as_os_str() == "-" {
            let told = "standard input has no name that says how its rows are written; say --format";
            let format = self.format.ok_or_else(|| Failure::usage(told))?;
            return read(std::io::stdin().lock(), format, "standard input");
        }
        let format = self.format.map_or_else(|| Format::of(&self.file), Ok)?;
        let file = std::fs::File::open(&self.file).with_context(|| name.clone())?;
        read(BufReader::new(file), format, &name)
    }

    fn print(&self, output: Output, report: &Report) -> anyhow::Result<()> {
        if output.is_json() {
            output.json(report)?;
        } else {
            people(output, report)?;
        }
        match report.wrong {
            0 => Ok(()),
            1 => Err(self.wrong("a row is wrong", report.committed)),
            wrong => Err(self.wrong(&format!("{wrong} rows are wrong"), report.committed)),
        }
    }

    fn wrong(&self, what: &str, committed: bool) -> anyhow::Error {
        let told = if committed || self.dry_run {
            Failure::new(Code::Failure, what)
        } else {
            Failure::new(Code::Failure, format!("nothing was imported: {what}"))
                .hint("Correct the file, or say --skip-bad to import the other rows.")
        };
        told.into()
    }
}

/// What was sent is dropped at once, so that a large file is not held twice.
async fn stage(
    client: &Client,
    import: &str,
    rows: Vec<Row>,
    bar: &Progress,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter();
    loop {
        let batch = rows.by_ref().take(BATCH_ROWS).map(|Row { line, row }| (line, row));
        let (lines, batch): (Vec<_>, Vec<_>) = batch.unzip();
        if batch.is_empty() {
            return Ok(outcomes);
        }
        bar.at(u64::try_from(outcomes.len()).unwrap_or(u64::MAX));
        let staged = client.keys().stage_import(import, &batch).await?;
        let named = lines.into_iter().zip(batch).zip(staged);
        outcomes.extend(named.map(|((line, row), outcome)| Outcome { line, name: row.name, outcome }));
    }
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.outcome.is_good()
    }

    /// A key that is there already is nothing to correct: the file was imported before.
    fn is_duplicate(&self) -> bool {
        self.outcome.outcome == "duplicate"
    }
}

impl Report {
    fn new(rows: Vec<Outcome>) -> Self {
        let imported = rows.iter().filter(|outcome| outcome.is_good()).count();
        let duplicates = rows.iter().filter(|outcome| outcome.is_duplicate()).count();
        let wrong = rows.len() - imported - duplicates;
        Self { committed: false, imported, duplicates, wrong, rows }
    }
}

fn people(output: Output, report: &Report) -> anyhow::Result<()> {
    let mut reasons = BTreeMap::<&str, usize>::new();
    let mut table = Table::new(&["LINE", "NAME", "OUTCOME", "DETAIL"]);
    for outcome in report.rows.iter().filter(|outcome| !outcome.is_good()) {
        let count = reasons.entry(&outcome.outcome.outcome).or_default();
        *count += 1;
        if reasons.values().sum::<usize>() <= SHOWN_MAX {
            table.row(vec![
                outcome.line.to_string().into(),
                outcome.name.as_str().into(),
                Styled::new(&outcome.outcome.outcome, Colour::Red),
                outcome.outcome.detail.as_deref().unwrap_or_default().into(),
            ]);
        }
    }
    if !reasons.is_empty() {
        output.table(&table)?;
        output.line("")?;
    }
    let nothing_new = report.imported == 0 && report.wrong == 0;
    let verb = if report.committed || nothing_new { "imported" } else { "would be imported" };
    let reasons = reasons.iter().map(|(reason, count)| format!(", {count} {reason}")).collect::<String>();
    output.line(format!("{} {verb}{reasons}.", report.imported))
}
