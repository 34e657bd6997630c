//! One row of an import: from what was handed in to a record, or to why not.

use claviger_core::authority::{Reference, ResourceAuthority};
use claviger_core::decide::KeyAction;
use claviger_core::key::{
    CreatedVia, Digest, Formats, KeyEntry, KeyRecord, Metadata, PresentedKey, Preview, Rights,
};
use claviger_core::lifecycle::Status;
use claviger_core::name::Name;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector};
use claviger_core::{Authority as KeyAuthority, KeyId, Timestamp, UnixSeconds};
use zeroize::Zeroizing;

use super::{ImportOptions, ImportOutcome};
use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::Error;

/// Bits that the text of a key has at least, by its length and its alphabet.
const ENTROPY_BITS_MIN: f64 = 128.0;
/// Different characters that it has at least: 32 random hexadecimal digits have about 13.
const DIFFERENT_CHARACTERS_MIN: usize = 8;
/// Characters that a supplied preview shows at most, before and after its dots: the prefix, and the last 4.
const PREVIEW_HEAD_MAX: usize = 16;
const PREVIEW_TAIL_MAX: usize = 4;

/// The text of a key, or what is left of it.
pub enum ImportKey {
    /// The whole text. It is overwritten when dropped, and only its digest is stored.
    Text(Zeroizing<String>),
    /// SHA-256 of the whole text, in 64 hexadecimal digits.
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
    pub authority: String,
    /// Resource keys only: `@12` or `@12...`; every version if absent.
    pub versions: Option<String>,
    /// Resource keys only: `secrets`, `databases`; both if absent, and then only people and operators may.
    pub grants: Option<Vec<String>>,
    /// Its scopes; the kind's default if absent.
    pub scopes: Option<Vec<String>>,
    /// Its date, which may have come already.
    pub expires_at: Option<UnixSeconds>,
    /// When it was made; now if absent.
    pub created_at: Option<Timestamp>,
    /// What is shown of it: `prefix...last`; nothing if absent.
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
        caller: &Caller,
        options: ImportOptions,
        formats: &Formats,
        row: ImportRow,
        now: Timestamp,
    ) -> Outcome<KeyRecord> {
        let digest = digest(&row.key, options, formats)?;
        let name = Name::parse(&row.name).map_err(|e| invalid("name", e))?;
        let authority = authority(&row)?;
        let kind = authority.kind();
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
        let restrictions = row.restrictions.checked().map_err(|e| invalid("restrictions", e))?;
        let metadata = Metadata::new(row.metadata).map_err(|e| invalid("metadata", e))?;
        let preview = preview(row.preview.as_deref())?;
        let created_at = row.created_at.unwrap_or(now);
        if created_at > now || created_at.millis() < 0 {
            return Err(invalid("created_at", "it lies in the past"));
        }
        let rights = Rights { authority, scopes, expires_at: row.expires_at, restrictions };
        let by = self.decide_key(caller, KeyAction::Create, None, &rights);
        let by = by.and_then(|by| self.exists(&rights.authority).map(|()| by)).map_err(refused)?;
        // As old as the key, so that a listing shows it in its place.
        let id = KeyId::new(created_at, self.ports().bytes());
        Ok(KeyRecord {
            entry: KeyEntry { id, status: row.status.unwrap_or(Status::Active), rights },
            digest,
            preview,
            name,
            format: None,
            created_at,
            created_by: by.actor,
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

fn digest(key: &ImportKey, options: ImportOptions, formats: &Formats) -> Outcome<Digest> {
    match key {
        ImportKey::Sha256(_) if !options.digests_are_strong => Err(invalid(
            "sha256",
            "state that every digest is of a text with at least 128 random bits (`digests_are_strong`): nobody can tell from here",
        )),
        ImportKey::Sha256(text) => {
            parse_digest(text).ok_or_else(|| invalid("sha256", "a digest is 64 hexadecimal digits"))
        }
        ImportKey::Text(text) => {
            let presented = PresentedKey::parse(text).map_err(|e| invalid("text", e))?;
            let body = text.strip_prefix(formats.prefix_of(text)).unwrap_or(text);
            if !is_strong(body) {
                return Err(invalid(
                    "text",
                    "it is too easily guessed: it has fewer than 128 bits by its length and alphabet",
                ));
            }
            if formats.refuse(text) {
                return Err(invalid(
                    "text",
                    "it looks like a key of ours with a wrong checksum, so it would be refused unseen; it may be mistyped",
                ));
            }
            Ok(presented.digest())
        }
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Digest::from_bytes(bytes))
}

/// Whether a text has 128 bits, if every character was drawn from the smallest usual alphabet that has all
/// of them. Separators count for nothing.
fn is_strong(body: &str) -> bool {
    let body = body.bytes().filter(|b| !matches!(b, b'-' | b'_' | b'.' | b':')).collect::<Vec<_>>();
    let has = |class: fn(&u8) -> bool| body.iter().any(class);
    let lower_hex = body.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let upper_hex = body.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    let letters = if (lower_hex || upper_hex) && has(u8::is_ascii_alphabetic) {
        6.0
    } else {
        26.0 * (f64::from(u8::from(has(u8::is_ascii_lowercase)))
            + f64::from(u8::from(has(u8::is_ascii_uppercase))))
    };
    let digits = if has(u8::is_ascii_digit) || letters == 6.0 { 10.0 } else { 0.0 };
    // `+`, `/` and `=` of base 64 are all that is usual.
    let others = if has(|b| !b.is_ascii_alphanumeric()) { 2.0 } else { 0.0 };
    let alphabet: f64 = letters + digits + others;
    let mut different = body.clone();
    different.sort_unstable();
    different.dedup();
    different.len() >= DIFFERENT_CHARACTERS_MIN && body.len() as f64 * alphabet.log2() >= ENTROPY_BITS_MIN
}

fn preview(text: Option<&str>) -> Outcome<Preview> {
    let text = text.unwrap_or_default();
    let (head, tail) = text.split_once("...").or_else(|| text.split_once('…')).unwrap_or((text, ""));
    let shown = head.len() <= PREVIEW_HEAD_MAX && tail.len() <= PREVIEW_TAIL_MAX;
    Preview::from_text(text).filter(|_| shown).ok_or_else(|| {
        invalid(
            "preview",
            "it shows the prefix (at most 16 characters), `...` and the last 4 characters at most",
        )
    })
}

fn authority(row: &ImportRow) -> Outcome<KeyAuthority> {
    let reference = Reference::parse(&row.authority).map_err(|e| invalid("authority", e))?;
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
            return Ok(KeyAuthority::Resource(Box::new(ResourceAuthority { reference, selector, grants })));
        }
        Reference::Account(id) => KeyAuthority::Account(id),
        Reference::Team(id) => KeyAuthority::Team(id),
        Reference::Project(id) => KeyAuthority::Project(id),
        Reference::Operator => KeyAuthority::Operator,
    };
    if row.versions.is_some() || row.grants.is_some() {
        return Err(invalid("versions", "only keys of a resource have `versions` and `grants`"));
    }
    Ok(container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strength_by_length_and_alphabet() {
        let check = |text: &str, expect: bool| assert_eq!(is_strong(text), expect, "{text}");
        check("0123456789abcdef0123456789abcdef", true);
        check("0123456789ABCDEF0123456789ABCDEF", true);
        check("0123456789abcdef0123456789abcde", false);
        check("01234567-89ab-cdef-0123-456789abcdef", true);
        check("0123-4567-89ab-cdef-0123-4567-89ab", false);
        check("123456789012345678901234567890123456789", true);
        check("12345678901234567890123456789012345678", false);
        check("Zr8vQ2mWx7Lk4TnB9cHd3F", true);
        check("Zr8vQ2mWx7Lk4TnB9cHd3", false);
        check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false);
        check("", false);
    }

    #[test]
    fn previews_show_little() {
        let check = |text: &str, expect: bool| assert_eq!(preview(Some(text)).is_ok(), expect, "{text}");
        check("", true);
        check("sk_...abcd", true);
        check("sk_live_", true);
        check("sk_...abcde", false);
        check("sk_live_0123456789", false);
        check("a\n", false);
    }
}
