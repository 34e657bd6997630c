//! Teams: `/v1/teams`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changes::{Changed, Gone};
use crate::error::Result;
use crate::groups::{GroupPatch, Member, RoleBody, member, members, path};
use crate::page::{Pages, query};
use crate::transport::{Call, Client};

const PATH: &str = "/v1/teams";

/// A team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Team {
    /// Its identifier, `team_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
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

/// A team to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewTeam {
    /// What people call it: 1 to 128 characters.
    pub name: String,
    /// The host's own identifier; for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its first owner, `acct_…`; the caller if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Which teams to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamFilter {
    /// Those in which this account, `acct_…`, has a role.
    pub member: Option<String>,
    /// The one with this identifier of the host's.
    pub external_id: Option<String>,
}

/// Calls about teams: [`Client::teams`].
#[derive(Debug, Clone, Copy)]
pub struct Teams<'c>(&'c Client);

impl Client {
    /// Calls about teams.
    #[must_use]
    pub fn teams(&self) -> Teams<'_> {
        Teams(self)
    }
}

impl Teams<'_> {
    /// Makes a team. Its first owner is the caller, if none is named.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 409 `external_id_taken`.
    pub async fn create(&self, new: &NewTeam) -> Result<Team> {
        self.0.ask(Call::post(PATH, new)?).await
    }

    /// Makes a team, once for each `idempotency_key`: a repeat answers 409 with the team's id.
    ///
    /// # Errors
    /// Those of [`Teams::create`]; 409 `idempotency_replayed` or `idempotency_mismatch`.
    pub async fn create_once(&self, new: &NewTeam, idempotency_key: impl Into<String>) -> Result<Team> {
        self.0.ask(Call::post(PATH, new)?.idempotency_key(Some(idempotency_key.into()))).await
    }

    /// A team.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get(&self, id: &str) -> Result<Team> {
        self.0.ask(Call::get(path("teams", id))).await
    }

    /// A team, with the tag that [`Teams::update`] takes to change it only if nobody else did.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get_tagged(&self, id: &str) -> Result<(Team, Option<String>)> {
        self.0.ask_tagged(Call::get(path("teams", id))).await
    }

    /// Teams, the newest first. Operators see all; others those that their key reaches.
    #[must_use]
    pub fn list(&self, filter: &TeamFilter) -> Pages<Team> {
        let TeamFilter { member, external_id } = filter.clone();
        Pages::new(self.0.clone(), PATH, query([("member", member), ("external_id", external_id)]))
    }

    /// Changes a team. With a tag only if it is still as it was when the tag was given; 412 `stale` otherwise.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `external_id_taken`, 412 `stale`.
    pub async fn update(&self, id: &str, patch: &GroupPatch, tag: Option<String>) -> Result<Changed<Team>> {
        self.0.ask(Call::patch(path("teams", id), patch)?.if_match(tag)).await
    }

    /// Closes a team. Its record stays, for the history; no key that stands for it is accepted any more. With a
    /// tag only if it is still as it was when the tag was given.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 412 `stale`.
    pub async fn close(&self, id: &str, tag: Option<String>) -> Result<Changed<Team>> {
        self.0.ask(Call::delete(path("teams", id)).if_match(tag)).await
    }

    /// Its members, by account.
    #[must_use]
    pub fn members(&self, id: &str) -> Pages<Member> {
        Pages::new(self.0.clone(), members("teams", id), Vec::new())
    }

    /// Gives an account a role: `owner`, `admin` or `member`; with a tag only if the members are still those of the tag.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `last_owner` or `member_limit_reached`.
    pub async fn set_role(
        &self,
        id: &str,
        account: &str,
        role: &str,
        tag: Option<String>,
    ) -> Result<Changed<Member>> {
        self.0.ask(Call::put(member("teams", id, account), &RoleBody { role })?.if_match(tag)).await
    }

    /// Takes an account out: nothing that it reached through its role is reached any more.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `last_owner`.
    pub async fn remove(&self, id: &str, account: &str, tag: Option<String>) -> Result<Gone> {
        self.0.ask(Call::delete(member("teams", id, account)).if_match(tag)).await
    }
}
