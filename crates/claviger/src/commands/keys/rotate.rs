//! `claviger keys rotate`

use clap::Args;

use super::create::print;
use crate::output::parse_seconds;
use crate::remote::Remote;

/// Replace a key by a new one with the same rights. The new one is shown once and never again.
#[derive(Debug, Args)]
#[command(after_help = "\
Give the new key to every service and configuration that uses the old one. A key can be replaced once: after that, \
rotate the key that replaces it. A disabled or expired key is replaced without an overlap, by people who are signed in \
and operators.

Examples:
  claviger keys rotate key_01jd3m0q7w8r9t2v4x6y8z0a1b
      the old key is retired at once
  claviger keys rotate key_01jd3m0q7w8r9t2v4x6y8z0a1b --overlap 24h
      the old key goes on for a day, but not beyond its own date
  claviger keys rotate key_… --overlap 1h --secret-only | gh secret set API_KEY")]
pub struct Rotate {
    /// The key, by its identifier.
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// How long the old key goes on: `45s`, `30m`, `24h`, `7d`.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_seconds)]
    overlap: u64,
    /// Print the new key and nothing else.
    #[arg(long, conflicts_with = "json")]
    secret_only: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Rotate {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let created = self.remote.client()?.keys().rotate(&self.id, self.overlap).await?;
        if self.secret_only {
            return output.line(created.secret.expose());
        }
        let what = match self.overlap {
            0 => "The API key has been replaced. The old one is retired and stays refused.".to_owned(),
            overlap => {
                format!("The API key has been replaced. The old one goes on for {overlap} seconds at most.")
            }
        };
        print(output, &created, &what)
    }
}
