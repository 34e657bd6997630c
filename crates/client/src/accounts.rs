//! Accounts: `/v1/accounts`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changes::Changed;
use crate::error::Result;
use crate::page::{Pages, escaped, query};
use crate::secret::{self, Secret};
use crate::transport::{Call, Client};

/// An account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Its identifier, `acct_…`.
    pub id: String,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// The address with which it signs in; none for an account that the host manages.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether it has a password.
    pub has_password: bool,
    /// The host's own identifier.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Whether it was closed: nothing that hangs on it is accepted any more.
    pub closed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An account to be made: one that signs in has an `email`, one that the host manages an `external_id`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewAccount {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address with which it signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// With which it proves who it is: 8 to 256 characters.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::exposed_if_any")]
    pub password: Option<Secret>,
    /// The host's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// What an account has besides its external id if it has to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PutAccount {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address with which it signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// What shall change of an account. What is absent stays; `Some(None)` takes a value away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountPatch {
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// Another address to sign in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
    /// Another identifier of the host's; for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Option<String>>,
    /// Closed, or open again (for operators).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
}

/// Which accounts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// The one with this identifier of the host's.
    pub external_id: Option<String>,
    /// The one with this address.
    pub email: Option<String>,
}

/// Calls about accounts: [`Client::accounts`].
#[derive(Debug, Clone, Copy)]
pub struct Accounts<'c>(&'c Client);

impl Client {
    /// Calls about accounts.
    #[must_use]
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }
}

fn path(id: &str) -> String {
    format!("/v1/accounts/{}", escaped(id))
}

impl Accounts<'_> {
    /// Makes an account. For operators.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 409 `email_taken` or `external_id_taken`.
    pub async fn create(&self, new: &NewAccount) -> Result<Account> {
        self.0.ask(Call::post("/v1/accounts", new)?).await
    }

    /// Makes an account, once for each `idempotency_key`: a repeat answers 409 with the account's id. Not with a
    /// password.
    ///
    /// # Errors
    /// Those of [`Accounts::create`]; 409 `idempotency_replayed` or `idempotency_mismatch`.
    pub async fn create_once(&self, new: &NewAccount, idempotency_key: impl Into<String>) -> Result<Account> {
        let call = Call::post("/v1/accounts", new)?.idempotency_key(Some(idempotency_key.into()));
        self.0.ask(call).await
    }

    /// The account with this external id; it is made if there is none. One that is there stays as it is. For operators.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 409 `email_taken`.
    pub async fn put(&self, external_id: &str, new: &PutAccount) -> Result<Account> {
        self.0.ask(Call::put(path(&format!("external:{external_id}")), new)?).await
    }

    /// An account.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get(&self, id: &str) -> Result<Account> {
        self.0.ask(Call::get(path(id))).await
    }

    /// An account, with the tag that [`Accounts::update`] takes to change it only if nobody else did.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get_tagged(&self, id: &str) -> Result<(Account, Option<String>)> {
        self.0.ask_tagged(Call::get(path(id))).await
    }

    /// Accounts, the newest first. For operators.
    #[must_use]
    pub fn list(&self, filter: &AccountFilter) -> Pages<Account> {
        let AccountFilter { external_id, email } = filter.clone();
        Pages::new(self.0.clone(), "/v1/accounts", query([("external_id", external_id), ("email", email)]))
    }

    /// Changes an account. With a tag only if it is still as it was when the tag was given; 412 `stale` otherwise.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `email_taken` or `external_id_taken`, 412 `stale`.
    pub async fn update(
        &self,
        id: &str,
        patch: &AccountPatch,
        tag: Option<String>,
    ) -> Result<Changed<Account>> {
        self.0.ask(Call::patch(path(id), patch)?.if_match(tag)).await
    }

    /// Closes an account. Its record stays, for the history; no key that stands for it is accepted any more.
    /// With a tag only if it is still as it was when the tag was given.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 412 `stale`.
    pub async fn close(&self, id: &str, tag: Option<String>) -> Result<Changed<Account>> {
        self.0.ask(Call::delete(path(id)).if_match(tag)).await
    }
}
