//! From a row to a key, and the two columns that are JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use claviger_core::key::{Actor, CreatedVia, Digest, KeyEntry, KeyRecord, Metadata, Preview, Rights};
use claviger_core::lifecycle::Status;
use claviger_core::name::Name;
use claviger_core::restriction::{
    Quota, QuotaPeriod, Rate, RestrictionError, Restrictions, WebOrigin, parse_block,
};
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector};
use claviger_core::subject::{Kind, Reference, ReferenceError, ResourceSubject, Subject};
use claviger_core::time::{Timestamp, UnixSeconds};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::query::StoredKey;
use crate::sqlite::Result;
use crate::sqlite::row::Cells;

/// Different sets remembered at most while reading: enough for what an API offers, bounded for those who
/// give each key a set of its own.
const SETS_MAX: usize = 4_096;

/// Sets of scopes by their text. Most keys have one of a few, which they then share.
#[derive(Default)]
pub(crate) struct Interner(HashMap<Box<str>, ScopeSet>);

impl Interner {
    fn get(&mut self, cells: &Cells<'_>, at: usize) -> Result<ScopeSet> {
        let text = cells.text(at)?;
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        let set = cells.parsed(at, |text| ScopeSet::parse(text.split_ascii_whitespace()))?;
        if self.0.len() < SETS_MAX {
            self.0.insert(text.into(), set.clone());
        }
        Ok(set)
    }
}

/// The digest in two columns that follow each other.
pub(crate) fn decode_digest(cells: &Cells<'_>, at: usize) -> Result<Digest> {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&cells.half(at)?);
    bytes[16..].copy_from_slice(&cells.half(at + 1)?);
    Ok(Digest::from_bytes(bytes))
}

/// What verification holds of a key, with its digest.
pub(crate) fn decode_entry(cells: &Cells<'_>, scopes: &mut Interner) -> Result<(Digest, KeyEntry)> {
    let seconds = |at| match cells.number_or_none(at)? {
        None => Ok(None),
        Some(number) => match u64::try_from(number).ok().and_then(UnixSeconds::new) {
            None => Err(cells.wrong(at, "is beyond every date")),
            some => Ok(some),
        },
    };
    let entry = KeyEntry {
        id: cells.id(0)?,
        status: cells.word(6, Status::from_word)?,
        rights: Rights {
            subject: decode_subject(cells)?,
            scopes: scopes.get(cells, 5)?,
            expires_at: seconds(7)?,
            restrictions: cells.parsed_or_none(8, decode_restrictions)?.unwrap_or_default(),
        },
    };
    Ok((decode_digest(cells, 9)?, entry))
}

/// A key's record and its last use.
pub(crate) fn decode_stored(cells: &Cells<'_>, scopes: &mut Interner) -> Result<StoredKey> {
    let (digest, entry) = decode_entry(cells, scopes)?;
    let record = KeyRecord {
        entry,
        digest,
        preview: cells.word(11, Preview::from_text)?,
        name: Name::from_stored(cells.text(12)?),
        format: cells.text_or_none(13)?.map(Into::into),
        created_at: cells.timestamp(14)?,
        created_by: cells.word(15, Actor::parse)?,
        created_via: cells.word(16, CreatedVia::parse)?,
        replaces: cells.id_or_none(17)?,
        metadata: cells.parsed_or_none(18, decode_metadata)?.unwrap_or_default(),
        revision: cells.count(19)?,
    };
    Ok(StoredKey {
        record,
        last_used_at: cells.number_or_none(20)?.map(Timestamp::from_millis),
        last_used_from: cells.address_or_none(21)?,
    })
}

fn decode_subject(cells: &Cells<'_>) -> Result<Subject> {
    let reference = cells.parsed(2, |text| Reference::parse(text).map_err(|error: ReferenceError| error))?;
    let subject = match reference {
        Reference::Account(id) => Subject::Account(id),
        Reference::Team(id) => Subject::Team(id),
        Reference::Project(id) => Subject::Project(id),
        Reference::Operator => Subject::Operator,
        Reference::Resource(name) => Subject::Resource(Box::new(ResourceSubject {
            reference: name.to_ref(),
            selector: cells.parsed_or_none(3, str::parse::<Selector>)?.unwrap_or_default(),
            grants: cells.parsed(4, |text| Grants::parse(text.split_ascii_whitespace()))?,
        })),
    };
    if cells.word(1, Kind::from_word)? == subject.kind() {
        Ok(subject)
    } else {
        Err(cells.wrong(1, "is not the kind of the subject"))
    }
}

/// Restrictions as JSON. What is absent restricts nothing; an empty list allows nothing.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RestrictionsColumn<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    origins: Option<Vec<Cow<'a, str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<RateColumn>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    quota: Option<QuotaColumn<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaColumn<'a> {
    limit: u32,
    period: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RateColumn {
    limit: u32,
    period_seconds: u32,
}

/// Why a column of JSON cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnError {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
}

/// The column of restrictions; absent if there are none.
pub(crate) fn encode_restrictions(restrictions: &Restrictions) -> Result<Option<String>> {
    if restrictions.is_empty() {
        return Ok(None);
    }
    let column = RestrictionsColumn {
        addresses: restrictions
            .addresses
            .as_deref()
            .map(|all| all.iter().map(|b| b.to_string().into()).collect()),
        origins: restrictions.origins.as_deref().map(|all| all.iter().map(|o| o.as_str().into()).collect()),
        rate: restrictions
            .rate
            .map(|rate| RateColumn { limit: rate.limit, period_seconds: rate.period_seconds }),
        quota: restrictions
            .quota
            .map(|quota| QuotaColumn { limit: quota.limit, period: quota.period.as_str() }),
    };
    serde_json::to_string(&column).map(Some).map_err(StoreError::unavailable)
}

pub(crate) fn decode_restrictions(text: &str) -> std::result::Result<Restrictions, ColumnError> {
    let column = serde_json::from_str::<RestrictionsColumn<'_>>(text)?;
    // Earlier versions took some that nobody can come from, such as `https://[::1`. Without them the list admits
    // exactly what it admitted before; an empty list still admits nothing.
    let addresses =
        column.addresses.map(|all| all.iter().filter_map(|text| parse_block(text).ok()).collect());
    let origins =
        column.origins.map(|all| all.iter().filter_map(|text| WebOrigin::parse(text).ok()).collect());
    let rate = column.rate.map(|rate| Rate { limit: rate.limit, period_seconds: rate.period_seconds });
    let quota = |column: QuotaColumn<'_>| {
        let period = QuotaPeriod::from_word(column.period).ok_or(RestrictionError::Quota)?;
        Ok::<_, RestrictionError>(Quota { limit: column.limit, period })
    };
    let quota = column.quota.map(quota).transpose()?;
    Ok(Restrictions { addresses, origins, rate, quota }.checked()?)
}

/// The column of metadata, an object of texts; absent if there is none.
pub(super) fn encode_metadata(metadata: &Metadata) -> Result<Option<String>> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let pairs = metadata.iter().collect::<BTreeMap<_, _>>();
    serde_json::to_string(&pairs).map(Some).map_err(StoreError::unavailable)
}

fn decode_metadata(text: &str) -> std::result::Result<Metadata, ColumnError> {
    Ok(Metadata::from_stored(serde_json::from_str::<BTreeMap<String, String>>(text)?))
}
