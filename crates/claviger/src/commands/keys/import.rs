//! `claviger keys import`

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use claviger_client::{Client, ImportOptions, ImportOutcome};
use serde::Serialize;
use zeroize::Zeroizing;

use super::rows::{Format, Row, read};
use crate::clock::now;
use crate::exit::{Code, Failure};
use crate::output::{Colour, Output, Progress, Styled, Table, path_shown};
use crate::remote::Remote;

/// Rows that go out at once: as many as the authority stages in one transaction, each of which waits for the disk.
const BATCH_ROWS: usize = 1_000;
/// Bytes of rows that go out at once: half of what the authority takes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Lines that are named of those with the same thing wrong.
const LINES_SHOWN: usize = 5;
/// The code of rows of which only the statement about digests is missing.
const UNVOUCHED: &str = "digests_not_vouched";
const DIGEST_REMARK: &str = "A wrong digest shows only when the key is first used.";
/// Rows that went wrong which are printed for people; programs read all of them.
const SHOWN_MAX: usize = 50;

/// Take over keys from elsewhere, so that their users notice nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Each row has `name`, `subject`, and `key` (its text) or `sha256` (the digest of its text: hexadecimal, base64 or \
base64url), and may have `scopes`, `versions`, `grants`, `expires_at`, `created_at`, `preview`, `status` and `metadata`. \
In CSV, lists are separated by spaces and metadata is written `name=value; name=value`. An empty cell is read as if its \
column were absent; a key without any scope needs JSON Lines, with `\"scopes\": []`. Times are `2027-01-31`, \
`2027-01-31 12:00:00` (UTC) or RFC 3339. All keys become valid at once, or none: nothing is imported if a row is wrong, \
unless you pass --skip-bad. A second run of the same file imports nothing twice.

Examples:
  claviger keys import keys.csv --dry-run
      reports what would become of each row
  claviger keys import keys.csv --ignore-column owner --ignore-column team
  claviger keys import - --format jsonl --digests-are-strong --json < export.jsonl

  name,subject,sha256,scopes,expires_at
  CI runner,project:proj_…,5e884898da280471…,run:create *:read,2027-01-31")]
pub struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// How the rows are written; what the name of the file says unless given.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Only report what would become of each row.
    #[arg(long)]
    dry_run: bool,
    /// Import the rows that are right even if others are wrong.
    #[arg(long)]
    skip_bad: bool,
    /// Every digest is of a key with at least 128 random bits; needed where rows have `sha256`.
    #[arg(long)]
    digests_are_strong: bool,
    /// Leave a column (in JSON Lines: a field) out; may be given several times.
    #[arg(long, value_name = "NAME")]
    ignore_column: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

/// What became of a row.
#[derive(Debug, Serialize)]
struct Outcome {
    /// The line of the file in which it begins.
    line: u64,
    name: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip)]
    is_by_digest: bool,
    #[serde(skip)]
    has_expired: bool,
}

/// What became of all of them.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether the import was committed; if not, nothing was imported.
    committed: bool,
    imported: usize,
    duplicates: usize,
    wrong: usize,
    /// Of those that are imported, how many are known by their digest alone.
    by_digest: usize,
    /// Of those that are imported, how many have expired.
    expired: usize,
    rows: Vec<Outcome>,
}

impl Import {
    /// Reads, tries, imports and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let rows = self.read()?;
        if rows.is_empty() {
            let standard = self.file.as_os_str() == "-";
            let name = if standard { "standard input".to_owned() } else { path_shown(&self.file) };
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
        let name = path_shown(&self.file);
        if self.file.as_os_str() == "-" {
            let wrong = "standard input has no name that shows how its rows are written; pass --format csv or --format jsonl";
            let format = self.format.ok_or_else(|| Failure::usage(wrong))?;
            return read(std::io::stdin().lock(), format, "standard input", &self.ignore_column);
        }
        let format = self.format.map_or_else(|| Format::of(&self.file), Ok)?;
        let file = std::fs::File::open(&self.file).with_context(|| name.clone())?;
        read(file, format, &name, &self.ignore_column)
    }

    fn print(&self, output: Output, report: &Report) -> anyhow::Result<()> {
        if output.is_json() {
            output.json(report)?;
        } else {
            people(output, report)?;
            if let Some(statement) = self.statement(report) {
                output.line(statement)?;
            }
            match report.expired {
                0 => {}
                1 => output.line("1 of them has expired already.")?,
                several => output.line(format!("{several} of them have expired already."))?,
            }
            let are = if report.committed { "are" } else { "would be" };
            match report.by_digest {
                0 => {}
                1 => output.line(format!(
                    "1 of them {} known by its digest alone. {DIGEST_REMARK}",
                    if report.committed { "is" } else { "would be" }
                ))?,
                several => output
                    .line(format!("{several} of them {are} known by their digests alone. {DIGEST_REMARK}"))?,
            }
        }
        match report.wrong {
            0 => Ok(()),
            1 => Err(self.wrong("a row is wrong", report.committed)),
            wrong => Err(self.wrong(&format!("{wrong} rows are wrong"), report.committed)),
        }
    }

    /// What to do about rows of which only the statement is missing: once, and not for each of them.
    fn statement(&self, report: &Report) -> Option<String> {
        let rows = report.rows.iter().filter(|row| row.code.as_deref() == Some(UNVOUCHED)).count();
        let rows = match rows {
            0 => return None,
            1 => "1 row has a digest".to_owned(),
            several => format!("{several} rows have digests"),
        };
        Some(format!(
            "{rows}: pass --digests-are-strong if every digest is of a key with at least 128 random bits, which cannot be seen from a digest."
        ))
    }

    fn wrong(&self, what: &str, committed: bool) -> anyhow::Error {
        let told = if committed || self.dry_run {
            Failure::new(Code::Failure, what)
        } else {
            Failure::new(Code::Failure, format!("nothing was imported: {what}"))
                .hint("Correct the file, or pass --skip-bad to import the other rows.")
        };
        told.into()
    }
}

/// Stages the rows that could be read. What was sent is dropped at once, so that a large file is not held twice.
async fn stage(
    client: &Client,
    import: &str,
    rows: Vec<Row>,
    bar: &Progress,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        bar.at(u64::try_from(outcomes.len()).unwrap_or(u64::MAX));
        let mut sent = Vec::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some(row) = rows.next() else { break };
            let mut outcome = Outcome::of(&row);
            match row.fields {
                Ok(fields) => {
                    bytes += serde_json::to_vec(&fields).map_or(0, |text| Zeroizing::new(text).len());
                    sent.push(outcomes.len());
                    batch.push(fields);
                }
                Err(detail) => (outcome.outcome, outcome.detail) = ("invalid".to_owned(), Some(detail)),
            }
            outcomes.push(outcome);
        }
        if batch.is_empty() {
            continue;
        }
        let staged = client.keys().stage_import(import, &batch).await?;
        for (at, staged) in sent.into_iter().zip(staged) {
            outcomes[at].became(staged);
        }
    }
    Ok(outcomes)
}

impl Outcome {
    fn of(row: &Row) -> Self {
        Self {
            line: row.line,
            name: row.name(),
            outcome: String::new(),
            key_id: None,
            code: None,
            detail: None,
            is_by_digest: row.is_by_digest(),
            has_expired: row.expires_at().is_some_and(|at| at <= now()),
        }
    }

    fn became(&mut self, staged: ImportOutcome) {
        (self.outcome, self.key_id) = (staged.outcome, staged.key_id);
        (self.code, self.detail) = (staged.code, staged.detail);
    }

    fn is_good(&self) -> bool {
        matches!(self.outcome.as_str(), "imported" | "would_import")
    }

    /// A key that is there already is nothing to correct: the file was imported before.
    fn is_duplicate(&self) -> bool {
        self.outcome == "duplicate"
    }
}

impl Report {
    fn new(rows: Vec<Outcome>) -> Self {
        let imported = rows.iter().filter(|outcome| outcome.is_good()).count();
        let duplicates = rows.iter().filter(|outcome| outcome.is_duplicate()).count();
        let wrong = rows.len() - imported - duplicates;
        let by_digest = rows.iter().filter(|outcome| outcome.is_good() && outcome.is_by_digest).count();
        let expired = rows.iter().filter(|outcome| outcome.is_good() && outcome.has_expired).count();
        Self { committed: false, imported, duplicates, wrong, by_digest, expired, rows }
    }
}

/// Rows with the same thing wrong are one line, however many they are.
struct Group<'r> {
    first: &'r Outcome,
    lines: Vec<u64>,
}

fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut groups = Vec::<Group<'_>>::new();
    let mut known = HashMap::<_, usize>::new();
    for row in report.rows.iter().filter(|row| !row.is_good()) {
        match known.entry((&row.outcome, &row.detail)) {
            Entry::Occupied(at) => groups[*at.get()].lines.push(row.line),
            Entry::Vacant(at) => {
                at.insert(groups.len());
                groups.push(Group { first: row, lines: vec![row.line] });
            }
        }
    }
    groups
}

impl Group<'_> {
    fn lines(&self) -> String {
        let shown = self.lines.iter().take(LINES_SHOWN).map(u64::to_string).collect::<Vec<_>>().join(", ");
        match self.lines.len().checked_sub(LINES_SHOWN) {
            Some(more) if more > 0 => format!("{shown} and {more} more"),
            _ => shown,
        }
    }

    fn name(&self) -> &str {
        if self.lines.len() == 1 { &self.first.name } else { "" }
    }

    fn detail(&self) -> &str {
        if self.first.code.as_deref() == Some(UNVOUCHED) {
            "sha256: needs --digests-are-strong"
        } else {
            self.first.detail.as_deref().unwrap_or_default()
        }
    }
}

fn people(output: Output, report: &Report) -> anyhow::Result<()> {
    let groups = groups(report);
    let mut reasons = BTreeMap::<&str, usize>::new();
    let mut table = Table::new(&["LINE", "NAME", "OUTCOME", "DETAIL"]);
    for (n, group) in groups.iter().enumerate() {
        *reasons.entry(&group.first.outcome).or_default() += group.lines.len();
        if n < SHOWN_MAX {
            table.row(vec![
                group.lines().as_str().into(),
                group.name().into(),
                Styled::new(&group.first.outcome, Colour::Red),
                group.detail().into(),
            ]);
        }
    }
    if !groups.is_empty() {
        output.table(&table)?;
        if groups.len() > SHOWN_MAX {
            output.line(format!("… and {} more; --json has all of them.", groups.len() - SHOWN_MAX))?;
        }
        output.line("")?;
    }
    let nothing_new = report.imported == 0 && report.wrong == 0;
    let verb = if report.committed || nothing_new { "imported" } else { "would be imported" };
    let reasons = reasons.iter().map(|(reason, count)| format!(", {count} {reason}")).collect::<String>();
    output.line(format!("{} {verb}{reasons}.", report.imported))
}
