//! One row of an import: from what was handed in to a record, or to why not.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use claviger_core::decide::{KeyAction, Refusal};
use claviger_core::key::{
    CreatedVia, Digest, Formats, KeyEntry, KeyRecord, Metadata, Preview, Rights, UnacceptableKey,
    is_digest_of_nothing,
};
use claviger_core::lifecycle::{Status, is_expired};
use claviger_core::name::Name;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector};
use claviger_core::subject::{Reference, ResourceSubject, WrittenReference};
use claviger_core::{KeyId, Subject, Timestamp, UnixSeconds};
use zeroize::Zeroizing;

use super::{ImportOptions, ImportOutcome};
use crate::authority::Authority;
use crate::decision::Deciding;
use crate::error::Error;

/// Characters that a supplied preview shows at most, before and after its dots: the prefix, and the last 4.
const PREVIEW_HEAD_MAX: usize = 16;
const PREVIEW_TAIL_MAX: usize = 4;

/// The text of a key, or what is left of it.
pub enum ImportKey {
    /// The whole text. It is overwritten when dropped, and only its digest is stored.
    Text(Zeroizing<String>),
    /// SHA-256 of the whole text: hexadecimal, base64 or base64url, with or without `sha256:` before it.
    Sha256(String),
}

impl std::fmt::Debug for ImportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImportKey")
    }
}

/// A key to be imported, as it was handed in: what is wrong with it is its own outcome, never that of the
/// rows beside it.
#[derive(Debug)]
pub struct ImportRow {
    /// Its text or digest.
    pub key: ImportKey,
    /// What people call it.
    pub name: String,
    /// What it stands for, as a reference.
    pub subject: String,
    /// Resource keys only: `@12` or `@12...`; every version if absent.
    pub versions: Option<String>,
    /// Resource keys only: `secrets`, `databases`; both if absent, and then only people and operators may.
    pub grants: Option<Vec<String>>,
    /// Its scopes; the kind's default if absent.
    pub scopes: Option<Vec<String>>,
    /// Its date, which may have come already where an operator imports.
    pub expires_at: Option<UnixSeconds>,
    /// When it was made; now if absent.
    pub created_at: Option<Timestamp>,
    /// What is shown of it: `prefix...last`. If absent, it is taken from the text, or is nothing for a digest.
    /// It has to fit the text.
    pub preview: Option<String>,
    /// For the host's own use.
    pub metadata: Vec<(String, String)>,
    /// From where and how often it may be used.
    pub restrictions: Restrictions,
    /// Disabled, or active, which it is if absent.
    pub status: Option<Status>,
}

type Outcome<T> = std::result::Result<T, ImportOutcome>;

fn invalid(field: &str, detail: impl std::fmt::Display) -> ImportOutcome {
    ImportOutcome::Invalid(format!("{field}: {detail}"))
}

impl Authority {
    /// The record of a row, if the caller may import it.
    pub(super) fn imported(
        &self,
        deciding: &mut Deciding<'_>,
        (options, operator): (ImportOptions, bool),
        formats: &Formats,
        row: &ImportRow,
        now: Timestamp,
    ) -> Outcome<KeyRecord> {
        let digest = digest(&row.key, formats)?;
        let name = Name::parse(&row.name).map_err(|e| invalid("name", e))?;
        let subject = subject(deciding, row)?;
        let kind = subject.kind();
        let scopes = match &row.scopes {
            Some(words) => {
                ScopeSet::parse(words.iter().map(String::as_str)).map_err(|e| invalid("scopes", e))?
            }
            None => {
                self.settings().defaults_of(kind).and_then(|defaults| defaults.scopes.clone()).ok_or_else(
                    || invalid("scopes", format_args!("name the scopes of a key of kind {kind}")),
                )?
            }
        };
        let restrictions = row.restrictions.clone().checked().map_err(|e| invalid("restrictions", e))?;
        let metadata = Metadata::new(row.metadata.clone()).map_err(|e| invalid("metadata", e))?;
        let preview = preview(row.preview.as_deref(), &row.key, formats)?;
        if !operator && is_expired(row.expires_at, now) {
            let detail = "it must be in the future; only operators import keys that have expired";
            return Err(invalid("expires_at", detail));
        }
        let created_at = row.created_at.unwrap_or(now);
        if created_at > now || created_at.millis() < 0 {
            return Err(invalid("created_at", "it must be in the past"));
        }
        let rights = Rights { subject, scopes, expires_at: row.expires_at, restrictions };
        let created_by = deciding
            .key(KeyAction::Create, None, &rights)
            .and_then(|()| deciding.exists(KeyAction::Create.action(), &rights.subject))
            .and_then(|()| Ok(deciding.permitted()?.actor))
            .map_err(|error| match error {
                // Operators know what exists; to others nothing is said about it.
                Error::Refused { refusal: Refusal::NotFound, .. } if operator => {
                    invalid("subject", format_args!("there is no such {kind}"))
                }
                other => refused(other),
            })?;
        // Last: one statement mends all such rows at once, so what else is wrong with this one comes first.
        if matches!(row.key, ImportKey::Sha256(_)) && !options.digests_are_strong {
            return Err(ImportOutcome::Unvouched);
        }
        // As old as the key, so that a listing shows it in its place.
        let id = KeyId::new(created_at, self.ports().bytes());
        Ok(KeyRecord {
            entry: KeyEntry { id, status: row.status.unwrap_or(Status::Active), rights },
            digest,
            preview,
            name,
            format: None,
            created_at,
            created_by,
            created_via: CreatedVia::Import,
            replaces: None,
            metadata,
            revision: 1,
        })
    }
}

fn refused(error: Error) -> ImportOutcome {
    match error {
        Error::Refused { refusal, action, .. } => {
            ImportOutcome::Refused { code: refusal.code(), detail: refusal.detail(&action) }
        }
        other => ImportOutcome::Invalid(other.to_string()),
    }
}

fn digest(key: &ImportKey, formats: &Formats) -> Outcome<Digest> {
    match key {
        ImportKey::Text(text) => {
            let accepted = formats.accept(text).map(|presented| presented.digest());
            accepted.map_err(|error| match error {
                UnacceptableKey::Masked | UnacceptableKey::PasswordHash | UnacceptableKey::Digest => {
                    invalid("key", format_args!("{error}; give the key itself, or its SHA-256 in `sha256`"))
                }
                other => invalid("key", other),
            })
        }
        ImportKey::Sha256(text) => {
            let digest = parse_digest(text).ok_or_else(|| {
                invalid(
                    "sha256",
                    "a SHA-256 digest is 64 hexadecimal digits, or 43 characters of base64 or base64url, with or without `sha256:`",
                )
            })?;
            if is_digest_of_nothing(&digest) {
                return Err(invalid(
                    "sha256",
                    "this is the digest of an empty text or of a word for nothing, which nobody can present as a key",
                ));
            }
            Ok(digest)
        }
    }
}

/// Reads a digest in one of the forms in which databases hold them.
fn parse_digest(text: &str) -> Option<Digest> {
    let text = text.trim();
    let text = match text.split_at_checked(SHA256.len()) {
        Some((name, rest)) if name.eq_ignore_ascii_case(SHA256) => rest,
        _ => text,
    };
    // SQL databases print bytes so.
    let hex = text.strip_prefix("\\x").or_else(|| text.strip_prefix("0x")).unwrap_or(text);
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        return Some(Digest::from_bytes(bytes));
    }
    let text = text.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Digest::from_bytes)
}

const SHA256: &str = "sha256:";

/// What is shown of a key. Where its text is at hand, nobody has to be believed.
fn preview(supplied: Option<&str>, key: &ImportKey, formats: &Formats) -> Outcome<Preview> {
    match (key, supplied.filter(|text| !text.is_empty())) {
        (ImportKey::Text(text), None) => Ok(formats.preview(text)),
        (ImportKey::Text(text), Some(shown)) if fits(shown, text) => checked(shown),
        (ImportKey::Text(_), Some(shown)) => checked(shown).and_then(|_| {
            Err(invalid("preview", "it does not fit the key: leave it out, and it is made from the key"))
        }),
        (ImportKey::Sha256(_), shown) => checked(shown.unwrap_or_default()),
    }
}

/// Whether a preview shows the beginning and the end of this text.
fn fits(shown: &str, text: &str) -> bool {
    let (head, tail) = parts(shown);
    text.starts_with(head) && text.ends_with(tail)
}

fn parts(preview: &str) -> (&str, &str) {
    preview.split_once("...").or_else(|| preview.split_once('…')).unwrap_or((preview, ""))
}

fn checked(text: &str) -> Outcome<Preview> {
    let (head, tail) = parts(text);
    let shown = head.len() <= PREVIEW_HEAD_MAX && tail.len() <= PREVIEW_TAIL_MAX;
    Preview::from_text(text).filter(|_| shown).ok_or_else(|| {
        invalid(
            "preview",
            "it shows the prefix (at most 16 characters), `...` and the last 4 characters at most",
        )
    })
}

fn subject(deciding: &mut Deciding<'_>, row: &ImportRow) -> Outcome<Subject> {
    let reference = match WrittenReference::parse(&row.subject).map_err(|e| invalid("subject", e))? {
        WrittenReference::Known(reference) => reference,
        WrittenReference::External(container, external_id) => {
            let action = KeyAction::Create.action();
            deciding.by_external_id(action, container, external_id).map_err(refused)?.into()
        }
    };
    let container = match reference {
        Reference::Resource(name) => {
            let selector = match &row.versions {
                Some(text) => text.parse::<Selector>().map_err(|e| invalid("versions", e))?,
                None => Selector::Any,
            };
            let grants = match &row.grants {
                Some(words) => {
                    Grants::parse(words.iter().map(String::as_str)).map_err(|e| invalid("grants", e))?
                }
                None => Grants::BOTH,
            };
            let reference = name.to_ref();
            return Ok(Subject::Resource(Box::new(ResourceSubject { reference, selector, grants })));
        }
        Reference::Account(id) => Subject::Account(id),
        Reference::Team(id) => Subject::Team(id),
        Reference::Project(id) => Subject::Project(id),
        Reference::Operator => Subject::Operator,
    };
    if row.versions.is_some() || row.grants.is_some() {
        return Err(invalid("versions", "only keys of a resource have `versions` and `grants`"));
    }
    Ok(container)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use claviger_core::key::KeyFormat;

    use super::*;

    #[test]
    fn digests_in_the_forms_that_databases_hold() {
        let digest = Digest::of("live_Zr8vQ2mWx7Lk4TnB9cHd3F");
        let hex = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (standard, url) = (STANDARD.encode(digest.as_bytes()), URL_SAFE_NO_PAD.encode(digest.as_bytes()));
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            format!("sha256:{hex}"),
            format!("SHA256:{hex}"),
            format!("\\x{hex}"),
            format!(" {hex} "),
            standard.clone(),
            standard.trim_end_matches('=').to_owned(),
            format!("sha256:{standard}"),
            url.clone(),
            format!("sha256:{url}"),
        ] {
            assert_eq!(parse_digest(&text), Some(digest), "{text}");
        }
        for text in
            ["", "sha256:", &hex[1..], &format!("{hex}0"), &url[1..], "md5:0123", &format!("sha1:{hex}")]
        {
            assert_eq!(parse_digest(text), None, "{text}");
        }
    }

    #[test]
    fn previews_show_little() {
        let check = |text: &str, expect: bool| assert_eq!(checked(text).is_ok(), expect, "{text}");
        check("", true);
        check("sk_...abcd", true);
        check("sk_live_", true);
        check("sk_...abcde", false);
        check("sk_live_0123456789", false);
        check("a\n", false);
    }

    #[test]
    fn a_preview_tells_the_truth_about_a_text() {
        let sk = KeyFormat::new("sk_", 41, true).unwrap();
        let formats = Formats::new(vec![("account".into(), sk.clone())], vec![sk]);
        let own = format!("sk_{}", "Zr8vQ2mWx7Lk4TnB9cHd3FpZr8vQ2mWx7Lk4Tn");
        let foreign = "0123456789abcdef0123456789abcdefff01";
        let barely = "0123456789abcdef0123456789abcdef";
        let check = |text: &str, supplied: Option<&str>, expect: Option<&str>| {
            let key = ImportKey::Text(Zeroizing::new(text.to_owned()));
            let told = preview(supplied, &key, &formats).ok();
            assert_eq!(told.as_ref().map(Preview::as_str), expect, "{text} {supplied:?}");
        };
        check(&own, None, Some("sk_...k4Tn"));
        check(&own, Some("sk_...k4Tn"), Some("sk_...k4Tn"));
        check(&own, Some("sk_"), Some("sk_"));
        check(&own, Some("sk_...aaaa"), None);
        check(&own, Some("pk_...k4Tn"), None);
        check(foreign, None, Some("...ff01"));
        check(foreign, Some("0123...01"), Some("0123...01"));
        // What is left would be guessed more easily than a key may be.
        check(barely, None, Some("..."));
        let digest = ImportKey::Sha256("00".repeat(32));
        assert_eq!(preview(Some("sk_...aaaa"), &digest, &formats).unwrap().as_str(), "sk_...aaaa");
        assert_eq!(preview(None, &digest, &formats).unwrap().as_str(), "");
    }
}
