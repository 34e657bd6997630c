//! Resources: `/v1/resources`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changes::{Changed, Gone, Revocation};
use crate::error::Result;
use crate::page::{Pages, escaped, query, target};
use crate::transport::{Call, Client};

/// A thing that the host protects, as the authority knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resource {
    /// Its name, `type:id`.
    pub reference: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who holds it: `account:acct_…`, `team:team_…` or `project:proj_…`.
    pub owner: String,
    /// Who made it, `acct_…`.
    #[serde(default)]
    pub creator: Option<String>,
    /// `private`, `shared` or `public`.
    pub visibility: String,
    /// The first public version, if only later ones are.
    #[serde(default)]
    pub public_from: Option<u32>,
    /// Its latest version.
    pub latest_version: u32,
    /// What its versions reference. Told to those who administer it, and not in listings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Vec<ResourceVersion>>,
    /// When it was first described.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A resource as the host describes it: the whole of it, each time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ResourceDescription {
    /// Who holds it: `account:acct_…`, `team:team_…` or `project:proj_…`.
    pub owner: String,
    /// Who made it, `acct_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// `private`, `shared` (with the team that holds it) or `public`.
    pub visibility: String,
    /// Public from this version on; earlier ones stay as they were. Only where it is `public`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_from: Option<u32>,
    /// Its latest version; versions 1 to this one exist.
    pub latest_version: u32,
    /// What its versions reference. A version that is missing references nothing.
    pub versions: Vec<ResourceVersion>,
}

/// What a version of a resource references: by name, never the things themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceVersion {
    /// The version.
    pub version: u32,
    /// Names of secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Names of databases.
    #[serde(default)]
    pub databases: Vec<String>,
}

/// A resource in a list of all of its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedResource {
    /// Its name, `type:id`.
    pub reference: String,
    /// How it is.
    #[serde(flatten)]
    pub description: ResourceDescription,
}

/// How careful to be with a list of all resources of a type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconcile {
    /// Only say what would be done.
    pub dry_run: bool,
    /// An empty list is meant, so that every resource of the type goes.
    pub allow_empty: bool,
}

/// How a list of all resources of a type differed from what was known.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Reconciled {
    /// Resources that were not known.
    pub created: u64,
    /// Resources that were known otherwise.
    pub updated: u64,
    /// Resources that are not in the list, and are gone.
    pub deleted: u64,
    /// Resources that were known just so.
    pub unchanged: u64,
    /// Keys that went with the deleted resources.
    pub keys_deleted: u64,
    /// The differences by name, the first thousand.
    pub differences: Vec<Difference>,
    /// Differences that are not named.
    pub differences_left_out: u64,
    /// What became of the authority that was taken away, if any was.
    #[serde(default)]
    pub revocation: Option<Revocation>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// The resource.
    pub reference: String,
    /// `created`, `updated` or `deleted`.
    pub difference: String,
}

/// Which resources to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Those held by `account:acct_…`, `team:team_…` or `project:proj_…`. Who is no operator means its own if absent.
    pub owner: Option<String>,
    /// Those of this type, the part of the name before the colon.
    pub kind: Option<String>,
}

/// Calls about resources: [`Client::resources`].
#[derive(Debug, Clone, Copy)]
pub struct Resources<'c>(&'c Client);

impl Client {
    /// Calls about resources.
    #[must_use]
    pub fn resources(&self) -> Resources<'_> {
        Resources(self)
    }
}

impl Resources<'_> {
    /// Tells the authority how a resource is, by its `type:id`; it is made if it is not known yet. With a tag only
    /// if it is still as it was when the tag was given.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 412 `stale`.
    pub async fn put(
        &self,
        reference: &str,
        resource: &ResourceDescription,
        tag: Option<String>,
    ) -> Result<Changed<Resource>> {
        self.0.ask(Call::put(path(reference), resource)?.if_match(tag)).await
    }

    /// Makes a resource known, only if it is not known yet.
    ///
    /// # Errors
    /// Those of every call; 412 `stale` if it is known.
    pub async fn create(&self, reference: &str, resource: &ResourceDescription) -> Result<Changed<Resource>> {
        self.0.ask(Call::put(path(reference), resource)?.creating()).await
    }

    /// A resource.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get(&self, reference: &str) -> Result<Resource> {
        self.0.ask(Call::get(path(reference))).await
    }

    /// A resource, with the tag that [`Resources::put`] takes to replace it only if nobody else did.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get_tagged(&self, reference: &str) -> Result<(Resource, Option<String>)> {
        self.0.ask_tagged(Call::get(path(reference))).await
    }

    /// Resources by name, without what their versions reference. Operators see all; others those that their key
    /// reaches.
    #[must_use]
    pub fn list(&self, filter: &ResourceFilter) -> Pages<Resource> {
        let ResourceFilter { owner, kind } = filter.clone();
        Pages::new(self.0.clone(), "/v1/resources", query([("owner", owner), ("type", kind)]))
    }

    /// Replaces the list of a type by this one: what is new is made known, what differs is changed, and what is
    /// missing goes with its keys, all at once or not at all. For at most 200,000 resources.
    ///
    /// # Errors
    /// Those of every call; 400 `invalid_request` for an empty list that is not allowed to be.
    pub async fn reconcile(
        &self,
        kind: &str,
        resources: &[ListedResource],
        how: Reconcile,
    ) -> Result<Reconciled> {
        let told = |set: bool| set.then(|| "true".to_owned());
        let query = query([
            ("type", Some(kind.to_owned())),
            ("dry_run", told(how.dry_run)),
            ("allow_empty", told(how.allow_empty)),
        ]);
        let body = WholeList { resources };
        self.0.ask(Call::put(target("/v1/resources", query), &body)?).await
    }

    /// Takes a resource out, with its keys; with a tag only if it is still as it was when the tag was given.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`; 412 `stale`.
    pub async fn delete(&self, reference: &str, tag: Option<String>) -> Result<Gone> {
        self.0.ask(Call::delete(path(reference)).if_match(tag)).await
    }
}

#[derive(Serialize)]
struct WholeList<'l> {
    resources: &'l [ListedResource],
}

fn path(reference: &str) -> String {
    // The colon stands for itself in a path (RFC 3986, section 3.3), and the authority reads it so.
    let (kind, id) = reference.split_once(':').unwrap_or((reference, ""));
    format!("/v1/resources/{}:{}", escaped(kind), escaped(id))
}
