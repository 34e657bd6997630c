//! Keys: `/v1/keys`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changes::{Changed, Gone, Revocation, Revoked};
use crate::error::Result;
use crate::page::{Pages, escaped, query};
use crate::secret::Secret;
use crate::transport::{Call, Client};

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// An account.
    Account,
    /// A team.
    Team,
    /// A project.
    Project,
    /// One resource.
    Resource,
    /// Claviger itself.
    Operator,
    /// A kind that this version of the client does not know.
    #[serde(untagged)]
    Other(String),
}

/// What a key's reader is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// It is accepted.
    Active,
    /// It is refused until it is set back to active.
    Disabled,
    /// It was replaced without an overlap, and nothing brings it back.
    Retired,
    /// Its date has come.
    Expired,
    /// A status that this version of the client does not know.
    #[serde(untagged)]
    Other(String),
}

/// What is known of a key. The key itself is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Key {
    /// Its identifier, `key_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// What it stands for: `account:acct_…`, `team:…`, `project:…`, `type:id` of a resource, or `operator`.
    pub subject: String,
    /// What it may do: `type:action`.
    pub scopes: Vec<String>,
    /// Keys of a resource: the versions they read (`@12`, `@12...`); none for every version.
    pub versions: Option<String>,
    /// Keys of a resource: what they carry into an embed.
    pub grants: Option<Vec<String>>,
    /// Its status at the time of the answer.
    pub status: Status,
    /// The second from which it is refused. What lies beyond [`Timestamp::MAX`] (a day before the year 10000) is
    /// read as that.
    #[serde(default, deserialize_with = "crate::expiry::read")]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: `account:acct_…`, `key:key_…` or `system`.
    pub created_by: String,
    /// By which door: `site`, `api`, `cli`, `app:…` or `import`.
    pub created_via: String,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// From which address.
    pub last_used_from: Option<String>,
    /// The prefix, `...` and the last four characters.
    pub preview: String,
    /// The key that it replaces, after a rotation.
    pub replaces: Option<String>,
    /// From where and how often it may be used.
    pub restrictions: Restrictions,
    /// Short texts for your own use.
    pub metadata: BTreeMap<String, String>,
    /// What a later authority says that this version of the client does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// From where and how often a key may be used. What is absent restricts nothing; an empty list allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restrictions {
    /// Address blocks, such as `192.0.2.0/24`.
    #[serde(default)]
    pub addresses: Option<Vec<String>>,
    /// Web origins, such as `https://example.org`.
    #[serde(default)]
    pub origins: Option<Vec<String>>,
    /// At most so many requests in so many seconds.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// At most so many requests in each day or month of UTC.
    #[serde(default)]
    pub quota: Option<Quota>,
}

/// At most so many requests in each day or month of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests.
    pub limit: u32,
    /// `day` or `month`.
    pub period: String,
}

/// At most so many requests in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Requests.
    pub limit: u32,
    /// Seconds.
    pub period_seconds: u32,
}

/// A key that was just made: the only answer that holds its text.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedKey {
    /// Its text.
    pub secret: Secret,
    /// What is known of it.
    pub key: Key,
    /// After a rotation, where the old key ends earlier than it would have.
    #[serde(default)]
    pub revocation: Option<Revocation>,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A key to be made. What is absent means the default of its kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NewKey {
    /// What people call it: 1 to 128 characters.
    pub name: String,
    /// What it shall stand for.
    pub subject: String,
    /// What it may do; an empty list is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Keys of a resource only: `@12` or `@12...`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<String>,
    /// Keys of a resource only: `secrets`, `databases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
    /// The whole second from which it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The name of its format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// From where and how often it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Restrictions>,
    /// Up to 16 short texts for your own use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl NewKey {
    /// A key with this name for this subject, all else by default.
    pub fn new(name: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { name: name.into(), subject: subject.into(), ..Self::default() }
    }
}

/// What shall change of a key. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KeyPatch {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Disabled, or active again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Another date; `Some(None)` for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Option<Timestamp>>,
    /// Other scopes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Other versions; `Some(None)` for every version. Keys of a resource only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Option<String>>,
    /// Other grants. Keys of a resource only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
    /// Other restrictions; they replace the old ones altogether.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Restrictions>,
    /// Other metadata; it replaces the old one altogether.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Which keys to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Those of this subject. Who is not an operator names one, or means its own.
    pub subject: Option<String>,
    /// Those of this kind.
    pub kind: Option<String>,
    /// Those of this status now.
    pub status: Option<String>,
    /// Those made by: `account:acct_…`, `key:key_…`.
    pub created_by: Option<String>,
    /// Those not used since.
    pub unused_since: Option<Timestamp>,
}

/// Which keys to revoke at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoke {
    /// These.
    Ids(Vec<String>),
    /// All of this subject.
    Subject(String),
}

/// Calls about keys: [`Client::keys`].
#[derive(Debug, Clone, Copy)]
pub struct Keys<'c>(&'c Client);

impl Client {
    /// Calls about keys.
    #[must_use]
    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }
}

/// How to rotate a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// For how many seconds the old key is still accepted, but not beyond its own date; with 0 it is refused at once.
    pub overlap_seconds: u64,
    /// Only if the key is still as it was when this tag was given; 412 `stale` otherwise.
    #[serde(skip)]
    pub tag: Option<String>,
    /// Once for each name: a repeat answers 409 with the new key's id and without its text.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

fn path(id: &str) -> String {
    format!("/v1/keys/{}", escaped(id))
}

impl Keys<'_> {
    pub(crate) fn client(&self) -> &Client {
        self.0
    }

    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`].
    pub async fn create(&self, new: &NewKey) -> Result<CreatedKey> {
        self.0.ask(Call::post("/v1/keys", new)?).await
    }

    /// Makes a key, once for each `idempotency_key`: a repeat answers 409 with the key's id and without its
    /// text, so that a lost answer makes no second key. The client repeats this by itself where the connection broke.
    ///
    /// # Errors
    /// Those of every call; 409 `idempotency_replayed` or `idempotency_mismatch`.
    pub async fn create_once(&self, new: &NewKey, idempotency_key: impl Into<String>) -> Result<CreatedKey> {
        let call = Call::post("/v1/keys", new)?.idempotency_key(Some(idempotency_key.into()));
        self.0.ask(call).await
    }

    /// Keys, the newest first.
    #[must_use]
    pub fn list(&self, filter: &KeyFilter) -> Pages<Key> {
        let fields = [
            ("subject", filter.subject.clone()),
            ("kind", filter.kind.clone()),
            ("status", filter.status.clone()),
            ("created_by", filter.created_by.clone()),
            ("unused_since", filter.unused_since.map(|at| at.to_string())),
        ];
        Pages::new(self.0.clone(), "/v1/keys", query(fields))
    }

    /// A key.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn get(&self, id: &str) -> Result<Key> {
        self.0.ask(Call::get(path(id))).await
    }

    /// A key, with the tag that [`Keys::update`] takes to change it only if nobody else did.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn get_tagged(&self, id: &str) -> Result<(Key, Option<String>)> {
        self.0.ask_tagged(Call::get(path(id))).await
    }

    /// Changes a key. With a tag only if it is still as it was when the tag was given; 412 `stale` otherwise.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn update(&self, id: &str, patch: &KeyPatch, tag: Option<String>) -> Result<Changed<Key>> {
        self.0.ask(Call::patch(path(id), patch)?.if_match(tag)).await
    }

    /// Gives a key another name.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn rename(&self, id: &str, name: impl Into<String>) -> Result<Changed<Key>> {
        self.update(id, &KeyPatch { name: Some(name.into()), ..KeyPatch::default() }, None).await
    }

    /// Disables a key: when this returns `complete`, it is refused everywhere.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn disable(&self, id: &str) -> Result<Changed<Key>> {
        self.update(id, &KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() }, None).await
    }

    /// Sets a disabled key back to active.
    ///
    /// # Errors
    /// Those of every call; 409 `key_replaced` for a retired key.
    pub async fn enable(&self, id: &str) -> Result<Changed<Key>> {
        self.update(id, &KeyPatch { status: Some(Status::Active), ..KeyPatch::default() }, None).await
    }

    /// Replaces a key by a new one with the same rights. The old one goes on for `overlap_seconds`, but not
    /// beyond its own date; with 0 it is retired at once.
    ///
    /// # Errors
    /// Those of every call; 409 `key_replaced`, which names the key that replaced this one already, or
    /// `key_not_active`.
    pub async fn rotate(&self, id: &str, overlap_seconds: u64) -> Result<CreatedKey> {
        self.rotate_as(id, &Rotation { overlap_seconds, ..Rotation::default() }).await
    }

    /// The same, with a tag or a name for the request.
    ///
    /// # Errors
    /// Those of [`Keys::rotate`]; 412 `stale`, 409 `idempotency_replayed` or `idempotency_mismatch`.
    pub async fn rotate_as(&self, id: &str, rotation: &Rotation) -> Result<CreatedKey> {
        let call = Call::post(format!("{}/rotate", path(id)), rotation)?;
        let call = call.if_match(rotation.tag.clone()).idempotency_key(rotation.idempotency_key.clone());
        self.0.ask(call).await
    }

    /// Deletes a key. Nothing of it remains but its history.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn delete(&self, id: &str) -> Result<Gone> {
        self.0.ask(Call::delete(path(id))).await
    }

    /// The same, only if the key is still as it was when this tag was given; 412 `stale` otherwise.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn delete_tagged(&self, id: &str, tag: impl Into<String>) -> Result<Gone> {
        self.0.ask(Call::delete(path(id)).if_match(Some(tag.into()))).await
    }

    /// Revokes up to 1,000 keys, or all of a subject: all of them or, if one is not the caller's to manage, none.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn revoke(&self, which: &Revoke) -> Result<Revoked> {
        self.0.ask(Call::post("/v1/keys/revoke", which)?).await
    }

    /// Deletes the key that the client presents.
    ///
    /// # Errors
    /// Those of every call; keys of a resource cannot delete themselves.
    pub async fn delete_own(&self) -> Result<Gone> {
        self.0.ask(Call::delete("/v1/whoami/key")).await
    }
}
