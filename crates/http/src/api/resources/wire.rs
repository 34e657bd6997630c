//! How a resource looks on the wire.

use claviger_authority::resources::{Audience, ResourceDescription};
use claviger_core::resource::{Owner, References, ResourceRecord, ResourceRef, Visibility};
use claviger_core::selector::Version;
use claviger_core::subject::Reference;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::references::ReferenceReader;
use crate::wire::{Object, invalid, time};

/// Bytes of a description at most: ten thousand versions that reference a little each.
pub(super) const RESOURCE_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Bytes of a list of all resources of a type at most: 200,000 of them, in a few hundred bytes each.
pub(super) const LIST_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A resource as your application describes it: the whole of it, each time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "owner": "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b", "visibility": "private", "latest_version": 3,
    "versions": [{"version": 3, "secrets": ["mapbox"], "databases": []}]
}))]
pub struct PutResource {
    /// Who holds it: `account:acct_…`, `team:team_…` or `project:proj_…`.
    #[schema(example = "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    owner: String,
    /// Who created it: `acct_…` or `external:…`. Only operators state it; left out, it stays.
    creator: Option<String>,
    /// `private`, `shared` (with the team that holds it) or `public`.
    #[schema(example = "private")]
    visibility: String,
    /// The first public version; earlier ones stay as they were. Only where it is `public`.
    #[schema(minimum = 1)]
    public_from: Option<u32>,
    /// Its latest version; versions 1 to this one exist. 1 if absent.
    #[serde(default = "first_version")]
    #[schema(minimum = 1, default = 1)]
    latest_version: u32,
    /// What its versions reference. A version that is missing references nothing. None if absent.
    #[serde(default)]
    #[schema(value_type = Vec<VersionWire>, default = json!([]))]
    versions: Vec<Object<VersionWire>>,
}

/// A resource in a list of all of its type: its name, and what `PUT /v1/resources/{reference}` says of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedResource {
    /// Its name: `type:id`.
    #[schema(example = "notebook:5e1f0c3a9b7d2468")]
    reference: String,
    /// Who holds it: `account:acct_…`, `team:team_…` or `project:proj_…`.
    #[schema(example = "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    owner: String,
    /// Who created it: `acct_…` or `external:…`. Left out, it stays.
    creator: Option<String>,
    /// `private`, `shared` (with the team that holds it) or `public`.
    #[schema(example = "private")]
    visibility: String,
    /// The first public version; earlier ones stay as they were. Only where it is `public`.
    #[schema(minimum = 1)]
    public_from: Option<u32>,
    /// Its latest version; versions 1 to this one exist. 1 if absent.
    #[serde(default = "first_version")]
    #[schema(minimum = 1, default = 1)]
    latest_version: u32,
    /// What its versions reference. A version that is missing references nothing. None if absent.
    #[serde(default)]
    #[schema(value_type = Vec<VersionWire>, default = json!([]))]
    versions: Vec<Object<VersionWire>>,
}

/// What one version references: by name, never the things themselves.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionWire {
    /// The version.
    #[schema(minimum = 1)]
    version: u32,
    /// Names of secrets.
    #[serde(default)]
    secrets: Vec<String>,
    /// Names of databases.
    #[serde(default)]
    databases: Vec<String>,
}

/// What is known of a resource.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceAnswer {
    /// Its name: `type:id`.
    #[schema(example = "notebook:5e1f0c3a9b7d2468")]
    reference: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "notebook")]
    kind: String,
    /// Who holds it.
    #[schema(example = "account:acct_01jd3m0q7w8r9t2v4x6y8z0a1b")]
    owner: String,
    /// Who made it: `acct_…`.
    creator: Option<String>,
    /// `private`, `shared` or `public`.
    visibility: &'static str,
    /// The first public version, if only later ones are.
    public_from: Option<u32>,
    /// Its latest version.
    latest_version: u32,
    /// What its versions reference. Told to those who administer it, and not in listings.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<VersionWire>>,
    /// When it was first described.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl PutResource {
    /// The description.
    pub(super) fn read(
        self,
        references: ReferenceReader<'_>,
        reference: ResourceRef,
    ) -> Result<ResourceDescription, Problem> {
        let from = self.public_from.map(|n| version_of("public_from", n)).transpose()?;
        let audience = match self.visibility.as_str() {
            "public" => Audience::Public(from),
            _ if from.is_some() => return Err(invalid("public_from", "only what is `public` has it")),
            "private" => Audience::Private,
            "shared" => Audience::Shared,
            _ => return Err(invalid("visibility", "it is `private`, `shared` or `public`")),
        };
        Ok(ResourceDescription {
            reference,
            owner: owner_of(references, &self.owner)?,
            creator: self.creator.as_deref().map(|text| references.account("creator", text)).transpose()?,
            audience,
            latest: version_of("latest_version", self.latest_version)?,
            references: self.versions.into_iter().map(|Object(v)| v.read()).collect::<Result<_, _>>()?,
        })
    }
}

impl ListedResource {
    /// The description. What is wrong with it is told with its place in the list, from 0.
    pub(super) fn read(
        self,
        references: ReferenceReader<'_>,
        at: usize,
    ) -> Result<ResourceDescription, Problem> {
        let place = format!("resources[{at}]");
        let reference =
            ResourceRef::parse(&self.reference).map_err(|e| invalid(&format!("{place}.reference"), e))?;
        let described = PutResource {
            owner: self.owner,
            creator: self.creator,
            visibility: self.visibility,
            public_from: self.public_from,
            latest_version: self.latest_version,
            versions: self.versions,
        };
        described.read(references, reference).map_err(|mut problem| {
            problem.detail = format!("`{place}`: {}", problem.detail);
            problem
        })
    }
}

impl VersionWire {
    fn read(self) -> Result<References, Problem> {
        let names = |names: Vec<String>| names.into_iter().map(String::into_boxed_str).collect();
        Ok(References {
            version: version_of("versions", self.version)?,
            secrets: names(self.secrets),
            databases: names(self.databases),
        })
    }

    fn of(references: &References) -> Self {
        let names = |names: &[Box<str>]| names.iter().map(ToString::to_string).collect();
        Self {
            version: references.version.get(),
            secrets: names(&references.secrets),
            databases: names(&references.databases),
        }
    }
}

impl ResourceAnswer {
    /// A resource as it is listed.
    pub(super) fn brief(record: &ResourceRecord) -> Self {
        let resource = &record.resource;
        Self {
            reference: resource.reference.to_string(),
            kind: resource.reference.name().kind().to_owned(),
            owner: match resource.owner {
                Owner::Account(id) => format!("account:{id}"),
                Owner::Team(id) => format!("team:{id}"),
                Owner::Project(id) => format!("project:{id}"),
            },
            creator: resource.creator.map(|id| id.to_string()),
            visibility: resource.visibility.as_str(),
            public_from: match resource.visibility {
                Visibility::PublicFrom { first, .. } => Some(first.get()),
                Visibility::Private | Visibility::Shared | Visibility::Public => None,
            },
            latest_version: resource.latest.get(),
            versions: None,
            created_at: time(record.created_at),
            updated_at: time(record.updated_at),
        }
    }

    /// The same, with what its versions reference.
    pub(super) fn whole(record: &ResourceRecord) -> Self {
        let versions = record.resource.references.iter().map(VersionWire::of).collect();
        Self { versions: Some(versions), ..Self::brief(record) }
    }
}

const fn first_version() -> u32 {
    Version::FIRST.get()
}

fn version_of(field: &str, number: u32) -> Result<Version, Problem> {
    Version::new(number).ok_or_else(|| invalid(field, "a version is a whole number from 1"))
}

/// Who holds a resource.
pub(super) fn owner_of(references: ReferenceReader<'_>, text: &str) -> Result<Owner, Problem> {
    match references.read("owner", text)? {
        Reference::Account(id) => Ok(Owner::Account(id)),
        Reference::Team(id) => Ok(Owner::Team(id)),
        Reference::Project(id) => Ok(Owner::Project(id)),
        Reference::Resource(_) | Reference::Operator => {
            Err(invalid("owner", "a resource is held by `account:acct_…`, `team:team_…` or `project:proj_…`"))
        }
    }
}
