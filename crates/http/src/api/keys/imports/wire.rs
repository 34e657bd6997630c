//! How imports look on the wire.

use claviger_authority::imports::{ImportId, ImportOptions, ImportOutcome, ImportProgress};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::keys::wire::RestrictionsWire;
use crate::wire::Texts;

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

/// A key that was made elsewhere. An empty text is read as if it were absent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "it describes the rows; `read` reads them, so that each has an outcome of its own"
)]
pub struct ImportedKey {
    /// Its whole text; only its digest is stored. Either this or `sha256`.
    #[schema(write_only)]
    key: Option<String>,
    /// SHA-256 of its whole text: hexadecimal, base64 or base64url, with or without `sha256:` before it.
    sha256: Option<String>,
    /// What people call it: 1 to 128 characters.
    name: String,
    /// What it stands for: `account:acct_…`, `account:external:…` (team and project alike), `team:team_…`, `project:proj_…`, `type:id` of a resource, or `operator`.
    subject: String,
    /// Keys of a resource only: `@12` or `@12...`; absent: every version.
    versions: Option<String>,
    /// Keys of a resource only: `secrets`, `databases`; absent: both.
    grants: Option<Vec<String>>,
    /// What it may do; absent: the default of its kind.
    scopes: Option<Vec<String>>,
    /// The second from which it is refused, which may have come already where an operator imports; absent or null:
    /// never. Besides RFC 3339, `2027-01-31` and `2027-01-31 12:00:00` are read, in UTC.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was made; absent: now. Read as `expires_at`.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// What is shown of it, such as `sk_...Zq3x`. It has to fit the key; absent: made from the key, if that is there.
    preview: Option<String>,
    /// Up to 16 short texts for your own use.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<Texts>,
    /// From where and how often it may be used.
    restrictions: Option<RestrictionsWire>,
    /// `active` (if absent) or `disabled`, in any case.
    status: Option<String>,
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
    /// If it is refused: the code of the refusal. `digests_not_vouched` where only `digests_are_strong` is missing.
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
            ImportOutcome::Unvouched => {
                let detail = "sha256: state that every digest is of a text with at least 128 random bits, with `digests_are_strong`: it cannot be seen from here";
                (None, Some("digests_not_vouched"), Some(detail.to_owned()))
            }
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
