//! `claviger explain`

use clap::Args;

use super::question::Question;
use super::verify::{conclusion, fields, steps};
use crate::output::{Fields, Styled};
use crate::remote::Remote;

/// Say step by step why a key may or may not do something. Exits with 0 whatever the verdict is. It is no use of
/// the key: nothing of its rate or quota is used up.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger explain key.txt --action notebook:read --target notebook:5e1f0c3a9b7d2468
      Question  notebook:read on notebook:5e1f0c3a9b7d2468
        1. the key is active and not expired (key_active)
        2. no version was named; the latest is 3 (latest)
        3. the credential does not reach the target (not_reached)
      Verdict   not valid: not_found
  claviger explain key.txt --action notebook:read --target notebook:5e1f@12 --context embed
  claviger explain key.txt --ip 192.0.2.7 --json")]
pub struct Explain {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    remote: Remote,
}

impl Explain {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let client = self.remote.client()?;
        let verdict = client.verify(&self.question.read()?.diagnosis()).await?;
        if output.is_json() {
            return output.json(&verdict);
        }
        let mut asked = Fields::default();
        asked.add("Question", self.question.in_words());
        output.fields(&asked)?;
        steps(output, &verdict)?;
        if verdict.key_id.is_some() {
            return output.fields(&fields(&verdict));
        }
        let mut end = Fields::default();
        end.add("Verdict", conclusion(&verdict));
        let note = "A text that was never a key here, one that is mistyped and one that was deleted are not told apart.";
        output.fields(&end)?;
        output.line(Styled::from(note).text)
    }
}
