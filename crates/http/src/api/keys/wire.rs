//! How a key looks on the wire.

use std::collections::BTreeMap;

use claviger_authority::StoredKey;
use claviger_core::lifecycle::{Standing, Status};
use claviger_core::restriction::{Quota, QuotaPeriod, Rate, Restrictions, WebOrigin, parse_block};
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Selector};
use claviger_core::subject::{Reference, ResourceSubject};
use claviger_core::{Subject, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::references::ReferenceReader;
use crate::wire::{invalid, optional_object, second, time};

/// What is known of a key. The key itself is not.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyAnswer {
    /// Its identifier.
    #[schema(example = "key_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    id: String,
    /// What people call it.
    name: String,
    /// `account`, `team`, `project`, `resource` or `operator`.
    kind: &'static str,
    /// What it stands for.
    subject: String,
    /// What it may do.
    scopes: Vec<String>,
    /// Keys of a resource: the versions they read; null for every version.
    versions: Option<String>,
    /// Keys of a resource: what they carry into an embed.
    grants: Option<Vec<&'static str>>,
    /// `active`, `disabled`, `retired` once it was replaced without an overlap, or `expired` once past its date.
    status: &'static str,
    /// The second from which it is refused; null for never.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Who made it: `account:acct_…`, `key:key_…` or `system`.
    created_by: String,
    /// By which door: `site`, `api`, `cli`, `app:…` or `import`.
    created_via: String,
    /// When it was last used, to the minute; null for never.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// From which address.
    last_used_from: Option<String>,
    /// The prefix, `...` and the last four characters.
    #[schema(example = "sk_...Zq3x")]
    preview: String,
    /// The key that it replaces, after a rotation.
    replaces: Option<String>,
    /// From where and how often it may be used.
    restrictions: RestrictionsWire,
    /// Short texts for your own use.
    metadata: BTreeMap<String, String>,
}

impl KeyAnswer {
    /// A key as it is shown at an instant.
    pub(crate) fn of(stored: &StoredKey, now: Timestamp) -> Self {
        let record = &stored.record;
        let rights = &record.entry.rights;
        let resource = rights.subject.as_resource();
        Self {
            id: record.entry.id.to_string(),
            name: record.name.to_string(),
            kind: rights.subject.kind().as_str(),
            subject: rights.subject.to_string(),
            scopes: rights.scopes.iter().map(ToString::to_string).collect(),
            versions: resource.and_then(|resource| resource.selector.to_text()),
            grants: resource.map(|resource| resource.grants.words().collect()),
            status: record.entry.standing(now).as_str(),
            expires_at: rights.expires_at.map(second),
            created_at: time(record.created_at),
            created_by: record.created_by.to_string(),
            created_via: record.created_via.to_string(),
            last_used_at: stored.last_used_at.map(time),
            last_used_from: stored.last_used_from.map(|address| address.to_string()),
            preview: record.preview.as_str().to_owned(),
            replaces: record.replaces.map(|id| id.to_string()),
            restrictions: RestrictionsWire::of(&rights.restrictions),
            metadata: record
                .metadata
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

/// From where and how often a key may be used. What is absent restricts nothing; an empty list allows nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestrictionsWire {
    /// Address blocks, such as `192.0.2.0/24` or `2001:db8::1`.
    #[serde(default)]
    #[schema(example = json!(["192.0.2.0/24"]))]
    addresses: Option<Vec<String>>,
    /// Web origins, such as `https://example.org`.
    #[serde(default)]
    #[schema(example = json!(["https://example.org"]))]
    origins: Option<Vec<String>>,
    /// At most so many requests in so many seconds.
    #[serde(default, deserialize_with = "optional_object")]
    rate: Option<RateWire>,
    /// At most so many requests in each day or month of UTC.
    #[serde(default, deserialize_with = "optional_object")]
    quota: Option<QuotaWire>,
}

/// At most so many requests in each day or month of UTC.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaWire {
    /// Requests.
    #[schema(minimum = 1)]
    limit: u32,
    /// `day` or `month`.
    #[schema(example = "month")]
    period: String,
}

impl QuotaWire {
    fn read(&self) -> Result<Quota, Problem> {
        let period = QuotaPeriod::from_word(&self.period);
        let period =
            period.ok_or_else(|| invalid("restrictions", "the `period` of a quota is `day` or `month`"))?;
        Ok(Quota { limit: self.limit, period })
    }
}

/// At most so many requests in so many seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateWire {
    /// Requests.
    #[schema(minimum = 1)]
    limit: u32,
    /// Seconds.
    #[schema(minimum = 1)]
    period_seconds: u32,
}

impl RestrictionsWire {
    fn of(restrictions: &Restrictions) -> Self {
        let addresses = restrictions.addresses.as_ref();
        let origins = restrictions.origins.as_ref();
        Self {
            addresses: addresses.map(|blocks| blocks.iter().map(ToString::to_string).collect()),
            origins: origins.map(|origins| origins.iter().map(|origin| origin.as_str().to_owned()).collect()),
            rate: restrictions
                .rate
                .map(|rate| RateWire { limit: rate.limit, period_seconds: rate.period_seconds }),
            quota: restrictions
                .quota
                .map(|quota| QuotaWire { limit: quota.limit, period: quota.period.as_str().to_owned() }),
        }
    }

    /// The restrictions.
    pub(super) fn read(&self) -> Result<Restrictions, Problem> {
        let field = |e| invalid("restrictions", e);
        let blocks =
            |texts: &Vec<String>| texts.iter().map(|text| parse_block(text)).collect::<Result<_, _>>();
        let origins =
            |texts: &Vec<String>| texts.iter().map(|text| WebOrigin::parse(text)).collect::<Result<_, _>>();
        Restrictions {
            addresses: self.addresses.as_ref().map(blocks).transpose().map_err(field)?,
            origins: self.origins.as_ref().map(origins).transpose().map_err(field)?,
            rate: self.rate.map(|rate| Rate { limit: rate.limit, period_seconds: rate.period_seconds }),
            quota: self.quota.as_ref().map(QuotaWire::read).transpose()?,
        }
        .checked()
        .map_err(field)
    }
}

/// The status that a change sets.
pub(super) fn status_of(word: &str) -> Result<Status, Problem> {
    match word {
        "active" => Ok(Status::Active),
        "disabled" => Ok(Status::Disabled),
        "retired" => Err(invalid("status", "only a rotation retires a key; write `active` or `disabled`")),
        _ => Err(invalid("status", "must be `active` or `disabled`")),
    }
}

/// The standing that a listing asks for.
pub(super) fn standing_of(word: &str) -> Result<Standing, Problem> {
    Standing::from_word(word)
        .ok_or_else(|| invalid("status", "must be `active`, `disabled`, `retired` or `expired`"))
}

/// The scopes.
pub(super) fn scopes_of(texts: &[String]) -> Result<ScopeSet, Problem> {
    ScopeSet::parse(texts.iter().map(String::as_str)).map_err(|e| invalid("scopes", e))
}

/// The selector.
pub(super) fn selector_of(text: &str) -> Result<Selector, Problem> {
    text.parse().map_err(|e| invalid("versions", e))
}

/// The grants.
pub(super) fn grants_of(words: &[String]) -> Result<Grants, Problem> {
    Grants::parse(words.iter().map(String::as_str)).map_err(|e| invalid("grants", e))
}

/// What a key acts for.
pub(super) fn subject_of(
    references: ReferenceReader<'_>,
    text: &str,
    versions: Option<&str>,
    grants: Option<&[String]>,
) -> Result<Subject, Problem> {
    let subject = match references.read("subject", text)? {
        Reference::Account(id) => Subject::Account(id),
        Reference::Team(id) => Subject::Team(id),
        Reference::Project(id) => Subject::Project(id),
        Reference::Operator => Subject::Operator,
        Reference::Resource(name) => {
            return Ok(Subject::Resource(Box::new(ResourceSubject {
                reference: name.to_ref(),
                selector: versions.map(selector_of).transpose()?.unwrap_or_default(),
                grants: grants.map(grants_of).transpose()?.unwrap_or(Grants::BOTH),
            })));
        }
    };
    if versions.is_some() {
        return Err(invalid("versions", "only keys of a resource select versions"));
    }
    if grants.is_some() {
        return Err(invalid("grants", "only keys of a resource have grants"));
    }
    Ok(subject)
}
