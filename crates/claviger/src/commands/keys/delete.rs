//! `claviger keys delete`

use std::io::{IsTerminal, Write};

use clap::Args;
use claviger_client::Key;

use crate::exit::{Code, Failure};
use crate::output::{Styled, revoked};
use crate::remote::Remote;

/// Delete a key. Nothing of it remains but its history.
#[derive(Debug, Args)]
#[command(after_help = "\
Give every service and configuration that uses the key another one first. To stop a key for a while, use \
`claviger keys disable`.

Examples:
  claviger keys delete key_01jd3m0q7w8r9t2v4x6y8z0a1b
      shows the key and asks before it deletes it
  claviger keys delete key_01jd3m0q7w8r9t2v4x6y8z0a1b --yes
      for programs: asks nothing")]
pub struct Delete {
    /// The key, by its identifier.
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Delete {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let somebody = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !self.yes && !somebody {
            let failure = Failure::usage("cannot ask for confirmation: this is not a terminal");
            return Err(failure.hint("Pass --yes to delete the key.").into());
        }
        let client = self.remote.client()?;
        if !self.yes && !confirmed(&client.keys().get(&self.id).await?)? {
            return Err(Failure::new(Code::Failure, "nothing was deleted").into());
        }
        let gone = client.keys().delete(&self.id).await?;
        if output.is_json() {
            return output.json(&gone);
        }
        output.line("The API key has been deleted.")?;
        gone.revocation.as_ref().map_or(Ok(()), |revocation| output.line(revoked(revocation)))
    }
}

fn confirmed(key: &Key) -> anyhow::Result<bool> {
    let name = Styled::from(&key.name).text;
    write!(
        std::io::stderr(),
        "Delete the API key {name} ({}) of {}? Nothing of it remains but its history. [y/N] ",
        key.preview,
        key.subject
    )?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
