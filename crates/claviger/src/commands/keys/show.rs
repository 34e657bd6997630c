//! `claviger keys show`

use clap::Args;

use crate::output::key_fields;
use crate::remote::Remote;

/// Show everything that is known of a key. The key itself is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger keys show key_01jd3m0q7w8r9t2v4x6y8z0a1b
  claviger keys show key_01jd3m0q7w8r9t2v4x6y8z0a1b --json | jq -r .expires_at")]
pub struct Show {
    /// The key, by its identifier.
    #[arg(value_name = "KEY_ID")]
    id: String,
    #[command(flatten)]
    remote: Remote,
}

impl Show {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let key = self.remote.client()?.keys().get(&self.id).await?;
        if output.is_json() { output.json(&key) } else { output.fields(&key_fields(&key)) }
    }
}
