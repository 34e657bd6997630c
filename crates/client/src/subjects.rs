//! What keys stand for: accounts, teams, projects and resources.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::keys::{Changed, Gone};
use crate::page::{Pages, escaped};
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
    /// The address with which it signs in.
    #[serde(default)]
    pub email: Option<String>,
    /// The host's own identifier.
    #[serde(default)]
    pub external_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An account to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewAccount {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address with which it signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The host's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

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
    /// When it was made.
    pub created_at: Timestamp,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A team to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewTeam {
    /// What people call it.
    pub name: String,
    /// The host's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its first owner, `acct_…`; the caller if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Project {
    /// Its identifier, `proj_…`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Who holds it: `account:acct_…` or `team:team_…`.
    pub holder: String,
    /// The host's own identifier.
    #[serde(default)]
    pub external_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What else the authority says.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A project to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewProject {
    /// What people call it.
    pub name: String,
    /// Who holds it: `account:acct_…` or `team:team_…`.
    pub holder: String,
    /// The host's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// An account and its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Which account, `acct_…`.
    pub account: String,
    /// Teams: `owner`, `admin`, `member`. Projects: `admin`, `collaborator`, `viewer`.
    pub role: String,
}

/// A thing that the host protects, as the authority knows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Who holds it: `account:acct_…`, `team:team_…` or `project:proj_…`.
    pub holder: String,
    /// Who made it, `acct_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
    /// `private`, `shared` or `public`.
    pub visibility: String,
    /// Public from this version on; earlier ones stay as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_from: Option<u32>,
    /// Its latest version.
    pub latest_version: u32,
    /// What its versions reference.
    #[serde(default)]
    pub versions: Vec<ResourceVersion>,
}

/// What a version of a resource references.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceVersion {
    /// The version.
    pub version: u32,
    /// Names of secrets.
    pub secrets: Vec<String>,
    /// Names of databases.
    pub databases: Vec<String>,
}

/// Calls about accounts: [`Client::accounts`].
#[derive(Debug, Clone, Copy)]
pub struct Accounts<'c>(&'c Client);

/// Calls about teams: [`Client::teams`].
#[derive(Debug, Clone, Copy)]
pub struct Teams<'c>(&'c Client);

/// Calls about projects: [`Client::projects`].
#[derive(Debug, Clone, Copy)]
pub struct Projects<'c>(&'c Client);

/// Calls about resources: [`Client::resources`].
#[derive(Debug, Clone, Copy)]
pub struct Resources<'c>(&'c Client);

#[derive(Serialize)]
struct RoleBody<'a> {
    role: &'a str,
}

impl Client {
    /// Calls about accounts.
    #[must_use]
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    /// Calls about teams.
    #[must_use]
    pub fn teams(&self) -> Teams<'_> {
        Teams(self)
    }

    /// Calls about projects.
    #[must_use]
    pub fn projects(&self) -> Projects<'_> {
        Projects(self)
    }

    /// Calls about resources.
    #[must_use]
    pub fn resources(&self) -> Resources<'_> {
        Resources(self)
    }
}

impl Accounts<'_> {
    /// Makes an account.
    ///
    /// # Errors
    /// Those of every call: [`crate::Error`].
    pub async fn create(&self, new: &NewAccount) -> Result<Account> {
        self.0.ask(Call::post("/v1/accounts", new)?).await
    }

    /// An account.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn get(&self, id: &str) -> Result<Account> {
        self.0.ask(Call::get(format!("/v1/accounts/{}", escaped(id)))).await
    }

    /// Accounts; with an external id, the one that has it.
    #[must_use]
    pub fn list(&self, external_id: Option<&str>) -> Pages<Account> {
        Pages::new(self.0.clone(), "/v1/accounts", by_external_id(external_id))
    }
}

impl Teams<'_> {
    /// Makes a team.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn create(&self, new: &NewTeam) -> Result<Team> {
        self.0.ask(Call::post("/v1/teams", new)?).await
    }

    /// A team.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn get(&self, id: &str) -> Result<Team> {
        self.0.ask(Call::get(format!("/v1/teams/{}", escaped(id)))).await
    }

    /// Teams; with an external id, the one that has it.
    #[must_use]
    pub fn list(&self, external_id: Option<&str>) -> Pages<Team> {
        Pages::new(self.0.clone(), "/v1/teams", by_external_id(external_id))
    }

    /// Gives an account a role: `owner`, `admin` or `member`.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn set_role(
        &self,
        team: &str,
        account: &str,
        role: &str,
    ) -> Result<Changed<Map<String, Value>>> {
        self.0.ask(Call::put(member("teams", team, account), &RoleBody { role })?).await
    }

    /// Takes an account out.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn remove(&self, team: &str, account: &str) -> Result<Gone> {
        self.0.ask(Call::delete(member("teams", team, account))).await
    }
}

impl Projects<'_> {
    /// Makes a project.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn create(&self, new: &NewProject) -> Result<Project> {
        self.0.ask(Call::post("/v1/projects", new)?).await
    }

    /// A project.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn get(&self, id: &str) -> Result<Project> {
        self.0.ask(Call::get(format!("/v1/projects/{}", escaped(id)))).await
    }

    /// Projects; with an external id, the one that has it.
    #[must_use]
    pub fn list(&self, external_id: Option<&str>) -> Pages<Project> {
        Pages::new(self.0.clone(), "/v1/projects", by_external_id(external_id))
    }

    /// Gives an account a role: `admin`, `collaborator` or `viewer`.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn set_role(
        &self,
        project: &str,
        account: &str,
        role: &str,
    ) -> Result<Changed<Map<String, Value>>> {
        self.0.ask(Call::put(member("projects", project, account), &RoleBody { role })?).await
    }

    /// Takes an account out.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn remove(&self, project: &str, account: &str) -> Result<Gone> {
        self.0.ask(Call::delete(member("projects", project, account))).await
    }
}

impl Resources<'_> {
    /// Tells the authority how a resource is, by its `type:id`; it is made if it is not known yet.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn put(&self, reference: &str, resource: &Resource) -> Result<Changed<Map<String, Value>>> {
        self.0.ask(Call::put(of_resource(reference), resource)?).await
    }

    /// A resource.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn get(&self, reference: &str) -> Result<Resource> {
        self.0.ask(Call::get(of_resource(reference))).await
    }

    /// Takes a resource out, with its keys.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn delete(&self, reference: &str) -> Result<Gone> {
        self.0.ask(Call::delete(of_resource(reference))).await
    }
}

fn of_resource(reference: &str) -> String {
    // The colon stands for itself in a path (RFC 3986, section 3.3), and the authority reads it so.
    let (kind, id) = reference.split_once(':').unwrap_or((reference, ""));
    format!("/v1/resources/{}:{}", escaped(kind), escaped(id))
}

fn member(groups: &str, group: &str, account: &str) -> String {
    format!("/v1/{groups}/{}/members/{}", escaped(group), escaped(account))
}

fn by_external_id(external_id: Option<&str>) -> Vec<(&'static str, String)> {
    external_id.map(|id| ("external_id", id.to_owned())).into_iter().collect()
}
