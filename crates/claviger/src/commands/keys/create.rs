//! `claviger keys create`

use std::collections::BTreeMap;

use clap::Args;
use claviger_client::{CreatedKey, NewKey, Quota, Rate, Restrictions};

use crate::clock::now;
use crate::exit::Failure;
use crate::output::{Colour, Output, Styled, key_fields, parse_expiry};
use crate::remote::Remote;

/// Create a key. It is shown once and never again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  claviger keys create 'CI runner' --for project:proj_… --scope run:create --expires 90d
      a key of one project is safer than one of an account
  claviger keys create 'Blog post' --for notebook:5e1f0c3a9b7d2468 --versions @12
      reads version 12 of one notebook, and nothing else
  claviger keys create 'Verifier' --for operator --scope key:verify
      what a service needs to check its callers' keys
  claviger keys create 'Backend' --for team:team_… --address 192.0.2.0/24 --rate 100/60
      from these addresses only, at most 100 times a minute
  claviger keys create 'CI' --for account:acct_… --secret-only | gh secret set API_KEY
      for programs: the key and nothing else")]
pub struct Create {
    /// A name for people; it may repeat.
    name: String,
    /// What the key acts for: `account:acct_…`, `team:team_…`, `project:proj_…`, `type:id` of a resource, or
    /// `operator`.
    #[arg(long = "for", value_name = "REFERENCE")]
    subject: String,
    /// What it may do, such as `notebook:read` or `*:read`; repeat it for more. Without: the default of its kind.
    #[arg(long = "scope", value_name = "TYPE:ACTION", conflicts_with = "no_scopes")]
    scopes: Vec<String>,
    /// It may do nothing at all.
    #[arg(long)]
    no_scopes: bool,
    /// Keys of a resource: `@12` for only that version, `@12...` for that and every later one.
    #[arg(long, value_name = "SELECTOR")]
    versions: Option<String>,
    /// Keys of a resource: what it carries into an embed, `secrets` or `databases`; both by default.
    #[arg(long = "grant", value_name = "GRANT", conflicts_with = "no_grants")]
    grants: Vec<String>,
    /// Keys of a resource: it carries nothing into an embed.
    #[arg(long)]
    no_grants: bool,
    /// When it expires: a date, an instant, a time from now (`90d`, `12h`), or `never`.
    #[arg(long, value_name = "WHEN", default_value = "never")]
    expires: String,
    /// The name of its format.
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// From which addresses it may be used, such as `192.0.2.0/24`; repeat it for more.
    #[arg(long = "address", value_name = "BLOCK")]
    addresses: Vec<String>,
    /// From which web origins it may be used, such as `https://example.org`; repeat it for more.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// How often it may be used: requests per seconds, such as `100/60`.
    #[arg(long, value_name = "REQUESTS/SECONDS", value_parser = parse_rate)]
    rate: Option<Rate>,
    /// How often it may be used in each day or month of UTC, such as `10000/month`.
    #[arg(long, value_name = "REQUESTS/PERIOD", value_parser = parse_quota)]
    quota: Option<Quota>,
    /// A short text for your own use; repeat it for more.
    #[arg(long = "metadata", value_name = "NAME=VALUE", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,
    /// Print the key and nothing else.
    #[arg(long, conflicts_with = "json")]
    secret_only: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Create {
    /// Asks and prints.
    pub async fn run(self) -> anyhow::Result<()> {
        let output = self.remote.output();
        let created = self.remote.client()?.keys().create(&self.new_key()?).await?;
        if self.secret_only {
            return output.line(created.secret.expose());
        }
        print(output, &created, "The API key has been created.")
    }

    fn new_key(&self) -> anyhow::Result<NewKey> {
        let expires_at = parse_expiry(&self.expires, now());
        let expires_at = expires_at.map_err(|error| Failure::usage(format!("`--expires`: {error}")))?;
        let some = |texts: &[String], none: bool| (none || !texts.is_empty()).then(|| texts.to_vec());
        let restrictions = Restrictions {
            addresses: some(&self.addresses, false),
            origins: some(&self.origins, false),
            rate: self.rate,
            quota: self.quota.clone(),
        };
        let metadata: BTreeMap<_, _> = self.metadata.iter().cloned().collect();
        Ok(NewKey {
            scopes: some(&self.scopes, self.no_scopes),
            versions: self.versions.clone(),
            grants: some(&self.grants, self.no_grants),
            expires_at,
            format: self.format.clone(),
            restrictions: (restrictions != Restrictions::default()).then_some(restrictions),
            metadata: (!metadata.is_empty()).then_some(metadata),
            ..NewKey::new(&self.name, &self.subject)
        })
    }
}

/// Prints a key that was just made: the only time that it can be seen.
pub(super) fn print(output: Output, created: &CreatedKey, what: &str) -> anyhow::Result<()> {
    if output.is_json() {
        let mut value = serde_json::Map::new();
        value.insert("secret".to_owned(), created.secret.expose().into());
        value.insert("key".to_owned(), serde_json::to_value(&created.key)?);
        if let Some(revocation) = &created.revocation {
            value.insert("revocation".to_owned(), serde_json::to_value(revocation)?);
        }
        value.extend(created.other.clone());
        return output.json(&value);
    }
    output.line(what)?;
    output.line(format!("\n  {}\n", created.secret.expose()))?;
    let reminder = "Important: copy this key now, it will not be shown again.";
    output.line(output.paint(&Styled::new(reminder, Colour::Yellow)))?;
    output.line("")?;
    output.fields(&key_fields(&created.key))
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    let parsed = text.split_once('/').and_then(|(limit, period)| {
        Some(Rate {
            limit: limit.trim().parse().ok()?,
            period_seconds: period.trim().trim_end_matches('s').parse().ok()?,
        })
    });
    parsed.ok_or_else(|| "write requests and seconds, such as `100/60`".to_owned())
}

fn parse_quota(text: &str) -> Result<Quota, String> {
    let parsed = text.split_once('/').and_then(|(limit, period)| {
        let period = period.trim();
        let known = matches!(period, "day" | "month");
        Some(Quota { limit: limit.trim().parse().ok()?, period: known.then(|| period.to_owned())? })
    });
    parsed.ok_or_else(|| "write requests and `day` or `month`, such as `10000/month`".to_owned())
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("write a name and a value, such as `service=billing`")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}
