//! `claviger verify`

use clap::Args;
use claviger_client::Verdict;

use super::question::Question;
use crate::exit::{Code, Failure};
use crate::output::{Colour, Fields, Output, Styled, short};
use crate::remote::Remote;

/// Check what a key is worth. Exits with 0 if it is valid for what is asked, with 7 if it is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger verify key.txt
      is it good at all?
  claviger verify key.txt --action notebook:read --target notebook:5e1f0c3a9b7d2468
  claviger verify key.txt --action notebook:read --target notebook:5e1f@12 --context embed
  printf %s \"$SUSPECT\" | claviger verify --json
  if claviger verify key.txt --action run:create --target project:proj_… > /dev/null; then …

The key that you call with needs the scope `key:verify`, which operators grant.")]
pub struct VerifyKey {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    remote: Remote,
}

impl VerifyKey {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let client = self.remote.client()?;
        let verdict = client.verify(&self.question.read()?).await?;
        if output.is_json() {
            output.json(&verdict)?;
        } else {
            output.fields(&fields(&verdict))?;
        }
        if verdict.valid { Ok(()) } else { Err(Failure::new(Code::NotValid, "").into()) }
    }
}

/// A verdict with everything that it says.
pub(super) fn fields(verdict: &Verdict) -> Fields {
    let mut fields = Fields::default();
    fields.add("Verdict", conclusion(verdict));
    for (name, value) in [("Key", &verdict.key_id), ("For", &verdict.subject)] {
        if let Some(value) = value {
            fields.add(name, value);
        }
    }
    if let Some(scopes) = &verdict.scopes {
        fields.add("Scopes", scopes.join(" "));
    }
    if let Some(version) = verdict.version {
        fields.add("Version", version.to_string());
    }
    for (name, grants) in [("Secrets", &verdict.grants.secrets), ("Databases", &verdict.grants.databases)] {
        if !grants.is_empty() {
            fields.add(name, grants.join(", "));
        }
    }
    if let Some(at) = verdict.expires_at {
        fields.add("Expires", short(at));
    }
    fields
}

/// The verdict in a word.
pub(super) fn conclusion(verdict: &Verdict) -> Styled {
    if verdict.valid {
        Styled::new("valid", Colour::Green)
    } else {
        Styled::new(format!("not valid: {}", verdict.code), Colour::Red)
    }
}

/// The reasons, step by step.
pub(super) fn steps(output: Output, verdict: &Verdict) -> anyhow::Result<()> {
    for (n, reason) in verdict.reasons.iter().flatten().enumerate() {
        let code = output.paint(&Styled::new(format!("({})", reason.code), Colour::Dim));
        output.line(format!("  {}. {} {code}", n + 1, Styled::from(&reason.text).text))?;
    }
    Ok(())
}
