//! `claviger keys enable`: one key, or all that a restoration had to disable.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use claviger_client::{Client, KeyFilter, Status};
use serde::Serialize;

use super::change::print;
use crate::commands::listing::{Listing, gather};
use crate::exit::{Code, Failure};
use crate::output::{Output, Progress, Styled, Table, path_shown};
use crate::remote::Remote;

/// Bytes of a list of keys at most: a million of them have a third of it.
const LIST_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Enable keys that were disabled.
#[derive(Debug, Args)]
#[command(after_help = "\
You need at least the rights of a key. One that has expired or was retired by a rotation stays so.

After a restoration without a complete journal of revocations, the file `disabled-by-restore` in the data folder \
lists the keys that were active in the backup. Look through it: among them may be keys that were revoked since.

Examples:
  claviger keys enable key_01jd3m0q7w8r9t2v4x6y8z0a1b
  claviger keys enable --from claviger-data/disabled-by-restore
      shows how many there are and asks; --yes asks nothing
  claviger keys enable --for project:proj_01jd3m0q7w8r9t2v4x6y8z0a1b
      all keys of a project that are disabled")]
pub struct Enable {
    /// The keys, by their identifiers.
    #[arg(value_name = "KEY_ID", required_unless_present_any = ["from", "subject"])]
    ids: Vec<String>,
    /// Also those that this file lists, one to a line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Also every disabled key of this subject: `account:acct_…`, `team:team_…`, `project:proj_…`, `type:id`, or
    /// `operator`.
    #[arg(long = "for", value_name = "REFERENCE")]
    subject: Option<String>,
    /// Do not ask when there are several.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: Remote,
}

/// A key that could not be enabled.
#[derive(Debug, Serialize)]
struct Failed {
    id: String,
    error: String,
}

/// What became of them.
#[derive(Debug, Default, Serialize)]
struct Report {
    enabled: Vec<String>,
    /// Those that were active before.
    unchanged: Vec<String>,
    failed: Vec<Failed>,
}

impl Enable {
    /// Gathers, asks, enables and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let listed = self.from.as_deref().map(listed).transpose()?.unwrap_or_default();
        let client = self.remote.client()?;
        if let ([id], None, None) = (&*self.ids, &self.from, &self.subject) {
            let was_active = is_active(&client, id).await;
            let changed = client.keys().enable(id).await?;
            if was_active && !output.is_json() {
                let name = Styled::from(&changed.value.name).text;
                return output
                    .line(format!("The API key was active already: {name} ({}).", changed.value.preview));
            }
            return print(output, &changed);
        }
        let mut ids = self.ids.clone();
        ids.extend(listed);
        if let Some(subject) = &self.subject {
            let filter = KeyFilter {
                subject: Some(subject.clone()),
                status: Some("disabled".to_owned()),
                ..KeyFilter::default()
            };
            let all = gather(client.keys().list(&filter), &Listing { limit: 0, cursor: None }).await?;
            ids.extend(all.items.into_iter().map(|key| key.id));
        }
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        if ids.is_empty() {
            return if output.is_json() {
                output.json(&Report::default())
            } else {
                output.line("No disabled keys match.")
            };
        }
        self.confirm(ids.len())?;
        let report = enable(&client, ids).await?;
        shown(output, &report)
    }

    fn confirm(&self, keys: usize) -> anyhow::Result<()> {
        if self.yes || keys == 1 {
            return Ok(());
        }
        // What lists the keys on standard input cannot answer there, too.
        let asked = self.from.as_deref() == Some(Path::new("-"));
        if asked || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            let failure = Failure::usage("cannot ask for confirmation: this is not a terminal");
            return Err(failure.hint(format!("Pass --yes to enable {keys} keys.")).into());
        }
        write!(std::io::stderr(), "Enable {keys} API keys? Anyone who holds one can use it again. [y/N] ")?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::new(Code::Failure, "nothing was enabled").into()),
        }
    }
}

/// The identifiers in a file: the first word of each line, so that notes may follow it.
fn listed(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().take(LIST_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIST_BYTES_MAX).read_to_string(&mut text))
    };
    read.with_context(|| path_shown(path))?;
    let lines = text.lines().filter_map(|line| line.split_whitespace().next());
    let ids = lines.filter(|word| !word.starts_with('#'));
    ids.map(|id| {
        // Anything else is not sent on: it may be the text of a key.
        if id.starts_with("key_") { Ok(id.to_owned()) } else { Err(not_a_list(path)) }
    })
    .collect()
}

fn not_a_list(path: &Path) -> anyhow::Error {
    let told =
        format!("{} has lines that do not begin with the identifier of a key, `key_…`", path_shown(path));
    Failure::usage(told).into()
}

/// Whether the key is active, as far as the caller may read it.
async fn is_active(client: &Client, id: &str) -> bool {
    client.keys().get(id).await.is_ok_and(|key| key.status == Status::Active)
}

/// One that cannot be enabled keeps no other from it; an authority that cannot answer ends it.
async fn enable(client: &Client, ids: Vec<String>) -> anyhow::Result<Report> {
    let bar = Progress::new("Enabling", u64::try_from(ids.len()).unwrap_or(u64::MAX));
    let mut report = Report::default();
    for (n, id) in ids.into_iter().enumerate() {
        bar.at(u64::try_from(n).unwrap_or(u64::MAX));
        let was_active = is_active(client, &id).await;
        match client.keys().enable(&id).await {
            Ok(_) if was_active => report.unchanged.push(id),
            Ok(_) => report.enabled.push(id),
            Err(claviger_client::Error::Problem(problem)) if problem.status.is_client_error() => {
                let error = format!("{} ({})", problem.detail, problem.code);
                report.failed.push(Failed { id, error });
            }
            Err(error) => {
                bar.end();
                let done = report.enabled.len();
                return Err(anyhow::Error::from(error).context(format!("{done} keys are enabled, then")));
            }
        }
    }
    bar.end();
    Ok(report)
}

fn shown(output: Output, report: &Report) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(report)?;
    } else {
        if !report.failed.is_empty() {
            let mut table = Table::new(&["KEY", "WHY NOT"]);
            for failed in &report.failed {
                table.row(vec![failed.id.as_str().into(), Styled::from(failed.error.as_str())]);
            }
            output.table(&table)?;
            output.line("")?;
        }
        match report.enabled.len() {
            1 => output.line("1 API key has been enabled.")?,
            several => output.line(format!("{several} API keys have been enabled."))?,
        }
        match report.unchanged.len() {
            0 => {}
            1 => output.line("1 API key was active already.")?,
            several => output.line(format!("{several} API keys were active already."))?,
        }
    }
    match report.failed.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Code::Failure, "a key could not be enabled").into()),
        several => Err(Failure::new(Code::Failure, format!("{several} keys could not be enabled")).into()),
    }
}
