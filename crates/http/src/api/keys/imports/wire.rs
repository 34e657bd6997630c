//! How imports look on the wire.

use claviger_authority::imports::{
    ImportId, ImportKey, ImportOptions, ImportOutcome, ImportProgress, ImportRow,
};
use claviger_core::restriction::Restrictions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::api::keys::wire::{RestrictionsWire, status_of};
use crate::problem::Problem;
use crate::wire::{Object, Texts, invalid, optional_object, parse_second, parse_time};

/// Bytes of a request with rows at most: 5,000 of them, with long names and some metadata.
pub(super) const ROWS_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How to import.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"dry_run": true}))]
pub struct BeginImport {
    /// Only say what would become of each row.
    #[serde(default)]
    dry_run: bool,
    /// Your statement that every digest is of a text with at least 128 random bits. Rows with digests are
    /// invalid without it.
    #[serde(default)]
    digests_are_strong: bool,
}

impl BeginImport {
    pub(super) fn read(self) -> ImportOptions {
        ImportOptions { dry_run: self.dry_run, digests_are_strong: self.digests_are_strong }
    }
}

/// A key that was made elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedKey {
    /// Its whole text; only its digest is stored. Either this or `sha256`.
    #[schema(write_only)]
    key: Option<String>,
    /// SHA-256 of its whole text, in 64 hexadecimal digits.
    sha256: Option<String>,
    /// What people call it: 1 to 128 characters.
    name: String,
    /// What it stands for: `account:acct_…`, `team:team_…`, `project:proj_…`, `type:id` of a resource, or `operator`.
    authority: String,
    /// Keys of a resource only: `@12` or `@12...`; absent: every version.
    versions: Option<String>,
    /// Keys of a resource only: `secrets`, `databases`; absent: both.
    grants: Option<Vec<String>>,
    /// What it may do; absent: the default of its kind.
    scopes: Option<Vec<String>>,
    /// The second from which it is refused, which may have come already; absent or null: never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was made; absent: now.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// What is shown of it, such as `sk_...Zq3x`.
    preview: Option<String>,
    /// Up to 16 short texts for your own use.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<Texts>,
    /// From where and how often it may be used.
    #[serde(default, deserialize_with = "optional_object")]
    restrictions: Option<RestrictionsWire>,
    /// `active` (if absent) or `disabled`.
    status: Option<String>,
}

impl ImportedKey {
    fn read(self) -> Result<ImportRow, Problem> {
        let key = match (self.key, self.sha256) {
            (Some(text), None) => ImportKey::Text(Zeroizing::new(text)),
            (None, Some(digits)) => ImportKey::Sha256(digits),
            _ => return Err(invalid("key", "give either `key` or `sha256`")),
        };
        let restrictions = self.restrictions.map(|wire| wire.read()).transpose()?;
        Ok(ImportRow {
            key,
            name: self.name,
            authority: self.authority,
            versions: self.versions,
            grants: self.grants,
            scopes: self.scopes,
            expires_at: self
                .expires_at
                .as_deref()
                .map(|text| parse_second("expires_at", text))
                .transpose()?,
            created_at: self.created_at.as_deref().map(|text| parse_time("created_at", text)).transpose()?,
            preview: self.preview,
            metadata: self.metadata.unwrap_or_default().0.into_iter().collect(),
            restrictions: restrictions.unwrap_or_else(Restrictions::default),
            status: self.status.as_deref().map(status_of).transpose()?,
        })
    }
}

/// Reads rows. One that is not of the form refuses all of them; what else is wrong with a row is its outcome.
pub(super) fn rows_of(rows: Vec<Object<ImportedKey>>) -> Result<Vec<ImportRow>, Problem> {
    let place = |n: usize, problem: Problem| Problem {
        detail: format!("`rows[{n}]`: {}", problem.detail),
        ..problem
    };
    let rows = rows.into_iter().enumerate();
    rows.map(|(n, Object(row))| row.read().map_err(|problem| place(n, problem))).collect()
}

/// What becomes of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowOutcome {
    /// `imported`, `would_import`, `duplicate`, `invalid` or `refused`.
    #[schema(example = "imported")]
    outcome: &'static str,
    /// The key, valid once the import is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    /// If it is refused: the code of the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// What is wrong or missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl RowOutcome {
    pub(super) fn of(outcome: ImportOutcome) -> Self {
        let word = outcome.as_str();
        let (key_id, code, detail) = match outcome {
            ImportOutcome::Imported(id) => (Some(id.to_string()), None, None),
            ImportOutcome::WouldImport | ImportOutcome::Duplicate => (None, None, None),
            ImportOutcome::Invalid(detail) => (None, None, Some(detail)),
            ImportOutcome::Refused { code, detail } => (None, Some(code), Some(detail)),
        };
        Self { outcome: word, key_id, code, detail }
    }
}

/// How far an import is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportAnswer {
    /// The import.
    #[schema(example = "imp_12")]
    id: String,
    /// Whether it was committed.
    committed: bool,
    /// Rows that are staged, or, once it is committed, imported; in a dry run, those that would be.
    staged: u64,
    /// Rows that are there already.
    duplicate: u64,
    /// Rows that cannot be.
    invalid: u64,
    /// Rows that the caller may not import.
    refused: u64,
    /// Whether nothing will be imported.
    dry_run: bool,
}

impl ImportAnswer {
    pub(super) fn of(id: ImportId, progress: ImportProgress, committed: bool) -> Self {
        Self {
            id: id.to_string(),
            committed: committed && !progress.dry_run,
            staged: progress.staged,
            duplicate: progress.duplicate,
            invalid: progress.invalid,
            refused: progress.refused,
            dry_run: progress.dry_run,
        }
    }
}
