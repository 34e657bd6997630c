//! `claviger whoami`

use clap::Args;

use crate::output::{Fields, key_fields};
use crate::remote::Remote;

/// Show what the key that you call with is, and what it may do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  CLAVIGER_KEY=sk_… claviger whoami
  claviger whoami --key-file key.txt
  claviger whoami --data claviger-data
      as the operator of the authority on this machine
  pass show ci-key | claviger whoami --key-file - --json")]
pub struct Whoami {
    #[command(flatten)]
    remote: Remote,
}

impl Whoami {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let me = self.remote.client()?.whoami().await?;
        if output.is_json() {
            return output.json(&me);
        }
        match (&me.key, &me.account) {
            (Some(key), _) => output.fields(&key_fields(key)),
            (None, account) => {
                let mut fields = Fields::default();
                fields.add("Kind", &me.kind);
                fields.add("Account", account.as_deref().unwrap_or_default());
                output.fields(&fields)
            }
        }
    }
}
