//! `claviger keys rename` and `disable`: one field each.

use clap::Args;
use claviger_client::{Changed, Key};

use crate::output::{Output, Styled, revoked};
use crate::remote::Remote;

/// Give a key another name.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  claviger keys rename key_01jd3m0q7w8r9t2v4x6y8z0a1b 'CI runner, nightly'")]
pub struct Rename {
    /// The key, by its identifier.
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// The name; it may repeat.
    name: String,
    #[command(flatten)]
    remote: Remote,
}

/// Disable a key: it is refused until it is enabled again.
#[derive(Debug, Args)]
#[command(after_help = "\
When this has ended with 0 and says so, no node accepts the key any more.

Example:
  claviger keys disable key_01jd3m0q7w8r9t2v4x6y8z0a1b")]
pub struct Disable {
    /// The key, by its identifier.
    #[arg(value_name = "KEY_ID")]
    id: String,
    #[command(flatten)]
    remote: Remote,
}

impl Rename {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let changed = self.remote.client()?.keys().rename(&self.id, self.name).await?;
        print(self.remote.output(), &changed)
    }
}

impl Disable {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let changed = self.remote.client()?.keys().disable(&self.id).await?;
        print(self.remote.output(), &changed)
    }
}

pub(super) fn print(output: Output, changed: &Changed<Key>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(changed);
    }
    let key = &changed.value;
    let name = Styled::from(&key.name).text;
    output.line(format!("The API key has been updated: {name} ({}).", key.preview))?;
    changed.revocation.as_ref().map_or(Ok(()), |revocation| output.line(revoked(revocation)))
}
