//! Projects: `/v1/projects`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::changes::{Changed, Gone};
use crate::error::Result;
use crate::groups::{GroupPatch, Member, RoleBody, member, members, path};
use crate::page::{Pages, query};
use crate::transport::{Call, Client};

const PATH: &str = "/v1/projects";

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Project {
    /// Its identifier, `proj_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Who holds it: `account:acct_…` or `team:team_…`.
    pub owner: String,
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

/// A project to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewProject {
    /// What people call it: 1 to 128 characters.
    pub name: String,
    /// Who holds it: `account:acct_…` or `team:team_…`.
    pub owner: String,
    /// The host's own identifier; for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// Which projects to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectFilter {
    /// Those in which this account, `acct_…`, has a role.
    pub member: Option<String>,
    /// Those held by `account:acct_…` or `team:team_…`.
    pub owner: Option<String>,
    /// The one with this identifier of the host's.
    pub external_id: Option<String>,
}

/// Calls about projects: [`Client::projects`].
#[derive(Debug, Clone, Copy)]
pub struct Projects<'c>(&'c Client);

impl Client {
    /// Calls about projects.
    #[must_use]
    pub fn projects(&self) -> Projects<'_> {
        Projects(self)
    }
}

impl Projects<'_> {
    /// Makes a project. For operators, and for who administers what shall hold it.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`]; 409 `external_id_taken`.
    pub async fn create(&self, new: &NewProject) -> Result<Project> {
        self.0.ask(Call::post(PATH, new)?).await
    }

    /// Makes a project, once for each `idempotency_key`: a repeat answers 409 with the project's id.
    ///
    /// # Errors
    /// Those of [`Projects::create`]; 409 `idempotency_replayed` or `idempotency_mismatch`.
    pub async fn create_once(&self, new: &NewProject, idempotency_key: impl Into<String>) -> Result<Project> {
        self.0.ask(Call::post(PATH, new)?.idempotency_key(Some(idempotency_key.into()))).await
    }

    /// A project.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get(&self, id: &str) -> Result<Project> {
        self.0.ask(Call::get(path("projects", id))).await
    }

    /// A project, with the tag that [`Projects::update`] takes to change it only if nobody else did.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn get_tagged(&self, id: &str) -> Result<(Project, Option<String>)> {
        self.0.ask_tagged(Call::get(path("projects", id))).await
    }

    /// Projects, the newest first. Operators see all; others those that their key reaches.
    #[must_use]
    pub fn list(&self, filter: &ProjectFilter) -> Pages<Project> {
        let ProjectFilter { member, owner, external_id } = filter.clone();
        Pages::new(
            self.0.clone(),
            PATH,
            query([("member", member), ("owner", owner), ("external_id", external_id)]),
        )
    }

    /// Changes a project. With a tag only if it is still as it was when the tag was given; 412 `stale` otherwise.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `external_id_taken`, 412 `stale`.
    pub async fn update(
        &self,
        id: &str,
        patch: &GroupPatch,
        tag: Option<String>,
    ) -> Result<Changed<Project>> {
        self.0.ask(Call::patch(path("projects", id), patch)?.if_match(tag)).await
    }

    /// Closes a project. Its record stays, for the history; no key that stands for it is accepted any more. With a
    /// tag only if it is still as it was when the tag was given.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 412 `stale`.
    pub async fn close(&self, id: &str, tag: Option<String>) -> Result<Changed<Project>> {
        self.0.ask(Call::delete(path("projects", id)).if_match(tag)).await
    }

    /// Its members, by account.
    #[must_use]
    pub fn members(&self, id: &str) -> Pages<Member> {
        Pages::new(self.0.clone(), members("projects", id), Vec::new())
    }

    /// Gives an account a role: `admin`, `collaborator` or `viewer`; with a tag only if the members are still those of the tag.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`, 409 `member_limit_reached`.
    pub async fn set_role(
        &self,
        id: &str,
        account: &str,
        role: &str,
        tag: Option<String>,
    ) -> Result<Changed<Member>> {
        self.0.ask(Call::put(member("projects", id, account), &RoleBody { role })?.if_match(tag)).await
    }

    /// Takes an account out: nothing that it reached through its role is reached any more.
    ///
    /// # Errors
    /// Those of every call; 404 `not_found`.
    pub async fn remove(&self, id: &str, account: &str, tag: Option<String>) -> Result<Gone> {
        self.0.ask(Call::delete(member("projects", id, account)).if_match(tag)).await
    }
}
