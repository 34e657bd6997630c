//! Keys from elsewhere: `/v1/keys/import` and `/v1/keys/imports`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changes::Gone;
use crate::error::Result;
use crate::keys::{Keys, Restrictions};
use crate::page::escaped;
use crate::secret::{self, Secret};
use crate::transport::Call;

/// A key from elsewhere: by its text, or by the SHA-256 of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_if_any")]
    pub key: Option<Secret>,
    /// SHA-256 of its text where that is not at hand: hexadecimal, base64 or base64url, with or without `sha256:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What people call it.
    pub name: String,
    /// What it shall stand for.
    pub subject: String,
    /// What it may do; the default of its kind if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Keys of a resource only: `@12` or `@12...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    /// Keys of a resource only: `secrets`, `databases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
    /// The whole second from which it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was made where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// What is shown of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// `active` or `disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// From where and how often it may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Restrictions>,
    /// Up to 16 short texts for your own use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// How to import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ImportOptions {
    /// Only say what would become of each row.
    pub dry_run: bool,
    /// The importer's word that every digest is of a text with at least 128 random bits. Rows with digests
    /// are invalid without it.
    pub digests_are_strong: bool,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportProgress {
    /// The import, `imp_…`.
    pub id: String,
    /// Whether it was committed.
    pub committed: bool,
    /// Rows that are staged, or, once it is committed, imported; in a dry run, those that would be.
    pub staged: u64,
    /// Rows that are there already.
    pub duplicate: u64,
    /// Rows that cannot be.
    pub invalid: u64,
    /// Rows that the caller may not import.
    pub refused: u64,
    /// Whether nothing will be imported.
    pub dry_run: bool,
}

/// What became of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportOutcome {
    /// `imported` (once the import is committed), `would_import`, `duplicate`, `invalid` or `refused`.
    pub outcome: String,
    /// The key, valid once the import is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// If it is refused: the code of the refusal; `digests_not_vouched` where only `digests_are_strong` is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What is the matter, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Serialize)]
struct Rows<'r, R> {
    rows: &'r [R],
}

#[derive(Serialize)]
struct Whole<'r> {
    rows: &'r [ImportRow],
    #[serde(flatten)]
    options: ImportOptions,
}

/// What became of an import in one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Imported {
    /// What became of each row, in their order.
    pub outcomes: Vec<ImportOutcome>,
    /// How many of each.
    pub import: ImportProgress,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<ImportOutcome>,
}

fn path(import: &str, then: &str) -> String {
    format!("/v1/keys/imports/{}{then}", escaped(import))
}

impl Keys<'_> {
    /// Imports up to 1,000 keys at once. Rows that can be taken over are, all together; of the others the outcomes
    /// say why not. For more, begin an import.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]. A row that is not of the form is none: that is its outcome.
    pub async fn import(&self, rows: &[ImportRow], options: ImportOptions) -> Result<Imported> {
        self.client().ask(Call::post("/v1/keys/import", &Whole { rows, options })?).await
    }

    /// How far an import is.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `import_closed`.
    pub async fn import_progress(&self, import: &str) -> Result<ImportProgress> {
        self.client().ask(Call::get(path(import, ""))).await
    }

    /// Begins an import: stage rows, then commit. Nothing is valid before the commit, and after it everything
    /// is. One that nobody goes on with for an hour is abandoned.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`].
    pub async fn begin_import(&self, options: ImportOptions) -> Result<ImportProgress> {
        self.client().ask(Call::post("/v1/keys/imports", &options)?).await
    }

    /// Stages up to 5,000 rows, and returns the outcome of each. That one cannot be taken over keeps no other
    /// from it. A row is an [`ImportRow`], or an object of its fields as they stand in an export: whatever is
    /// wrong with it is its own outcome.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn stage_import<R: Serialize>(&self, import: &str, rows: &[R]) -> Result<Vec<ImportOutcome>> {
        let call = Call::post(path(import, "/rows"), &Rows { rows })?;
        Ok(self.client().ask::<Outcomes>(call).await?.outcomes)
    }

    /// Makes everything valid that was staged, at once.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn commit_import(&self, import: &str) -> Result<ImportProgress> {
        self.client().ask(Call::post_nothing(path(import, "/commit"))).await
    }

    /// Forgets what was staged.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn abandon_import(&self, import: &str) -> Result<Gone> {
        self.client().ask(Call::delete(path(import, ""))).await
    }
}

impl ImportOutcome {
    /// Whether the key is taken over, or would be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self.outcome.as_str(), "imported" | "would_import")
    }
}
