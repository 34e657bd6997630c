//! The sample data: three people, a team, two projects, and a key of each kind.
//!
//! The authority keeps digests only, so the demo remembers its own secrets in `demo.json` in its folder, to
//! print the same lines at the next start. No other command writes such a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use claviger_authority::accounts::NewAccount;
use claviger_authority::groups::{NewProject, NewTeam};
use claviger_authority::keyring::write_private;
use claviger_authority::keys::NewKey;
use claviger_authority::password::Password;
use claviger_authority::settings::THIRTY_TWO;
use claviger_authority::{Authority, Caller, CallerCredential, NamedByCaller};
use claviger_core::history::Origin;
use claviger_core::key::{CreatedVia, KeyPatch, Metadata, PresentedKey};
use claviger_core::lifecycle::Status;
use claviger_core::name::{Email, Name};
use claviger_core::principal::{ProjectOwner, TeamRole};
use claviger_core::resource::ResourceRef;
use claviger_core::restriction::Restrictions;
use claviger_core::scope::ScopeSet;
use claviger_core::selector::Grants;
use claviger_core::subject::ResourceSubject;
use claviger_core::{AccountId, KeyId, ProjectId, Subject, TeamId, UnixSeconds};
use claviger_demo::{CATALOG, EMAILS};
use serde::{Deserialize, Serialize};

const FILE: &str = "demo.json";

/// Everything that the demo remembers.
#[derive(Serialize, Deserialize)]
pub(super) struct Seeds {
    pub(super) accounts: Accounts,
    pub(super) teams: Teams,
    pub(super) projects: Projects,
    pub(super) keys: Keys,
    /// The sample application's own key.
    pub(super) app_key: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Accounts {
    pub(super) owner: Person,
    pub(super) member: Person,
    pub(super) stranger: Person,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) password: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Teams {
    pub(super) lab: Named,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Projects {
    pub(super) atlas: Named,
    pub(super) borealis: Named,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct Keys {
    pub(super) owner_account: String,
    pub(super) member_account: String,
    pub(super) lab_team: String,
    pub(super) lab_operations: String,
    pub(super) atlas_project: String,
    pub(super) pinned_notebook: String,
    pub(super) open_notebook: String,
    pub(super) expired: String,
    pub(super) disabled: String,
    pub(super) thirty_two: String,
}

/// The sample data on its way: resource keys need the resources, which the sample application mirrors
/// once the accounts are there.
pub(super) struct Seeding {
    seeder: Seeder,
    seeds: Seeds,
    path: PathBuf,
    complete: bool,
}

struct Seeder {
    authority: Authority,
    caller: Caller,
}

impl Seeds {
    /// Reads what the demo remembers, or makes people, team and projects.
    pub(super) async fn begin(
        authority: &Authority,
        data: &Path,
        operator_key: &str,
    ) -> anyhow::Result<Seeding> {
        let seeder = Seeder::new(authority, operator_key)?;
        let path = data.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let seeds = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
                Ok(Seeding { seeder, seeds, path, complete: true })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let seeds = seeder.people().await.with_context(|| {
                    format!("making the sample data; if {} was left by a start that did not get to its end, remove it", data.display())
                })?;
                Ok(Seeding { seeder, seeds, path, complete: false })
            }
            Err(error) => Err(anyhow!(error).context(path.display().to_string())),
        }
    }
}

impl Seeding {
    /// What is known so far.
    pub(super) fn seeds(&self) -> &Seeds {
        &self.seeds
    }

    /// Makes the keys, once the resources are known, and remembers everything.
    pub(super) async fn finish(mut self) -> anyhow::Result<Seeds> {
        if !self.complete {
            self.seeds.keys = self.seeder.keys(&self.seeds).await?;
            let text = serde_json::to_string_pretty(&self.seeds)?;
            write_private(&self.path, text.as_bytes()).with_context(|| self.path.display().to_string())?;
        }
        Ok(self.seeds)
    }
}

impl Seeder {
    fn new(authority: &Authority, operator_key: &str) -> anyhow::Result<Self> {
        let credential = authority.identify(Some(PresentedKey::parse(operator_key)?));
        if !matches!(credential, CallerCredential::Key(_)) {
            bail!("the file with the operator key does not hold one");
        }
        let caller = Caller {
            credential,
            address: None,
            web_origin: None,
            origin: Origin::Cli,
            request_id: None,
            named: NamedByCaller::default(),
        };
        Ok(Self { authority: authority.clone(), caller })
    }

    async fn people(&self) -> anyhow::Result<Seeds> {
        let owner = self.account("owner", EMAILS.owner).await?;
        let member = self.account("member", EMAILS.member).await?;
        let stranger = self.account("stranger", EMAILS.stranger).await?;
        let id = |person: &Person| person.id.parse::<AccountId>();
        let lab = NewTeam { name: Name::parse("Lab")?, external_id: None, owner: Some(id(&owner)?) };
        let lab = self.authority.create_team(&self.caller, lab).await?.value.team.id;
        self.authority.set_role(&self.caller, lab, id(&member)?, Some(TeamRole::Member), None).await?;
        let by_owner = ProjectOwner::Account(id(&owner)?);
        let atlas = self.project("Atlas", by_owner).await?;
        let borealis = self.project("Borealis", ProjectOwner::Account(id(&member)?)).await?;
        // It mirrors its resources, asks about keys where no gateway does, and reports runs.
        let app = self.key(
            "Sample application",
            Subject::Operator,
            Some("resource:* key:verify history:create"),
            None,
        );
        Ok(Seeds {
            app_key: app.await?.0,
            accounts: Accounts { owner, member, stranger },
            teams: Teams { lab: Named { id: lab.to_string() } },
            projects: Projects { atlas, borealis },
            keys: Keys::default(),
        })
    }

    async fn account(&self, name: &str, email: &str) -> anyhow::Result<Person> {
        // No two demos share a password.
        let password = self.authority.ports().bytes::<12>().map(|byte| format!("{byte:02x}")).concat();
        let new = NewAccount {
            name: Some(Name::parse(&capital(name))?),
            email: Some(Email::parse(email)?),
            password: Some(Password::new(password.clone())?),
            external_id: None,
        };
        let id = self.authority.create_account(&self.caller, new).await?.value.account.id.to_string();
        Ok(Person { id, email: email.to_owned(), password })
    }

    async fn project(&self, name: &str, owner: ProjectOwner) -> anyhow::Result<Named> {
        let new = NewProject { name: Name::parse(name)?, external_id: None, owner };
        Ok(Named { id: self.authority.create_project(&self.caller, new).await?.value.project.id.to_string() })
    }

    async fn keys(&self, seeds: &Seeds) -> anyhow::Result<Keys> {
        let owner = Subject::Account(seeds.accounts.owner.id.parse()?);
        let member = Subject::Account(seeds.accounts.member.id.parse()?);
        let lab = Subject::Team(seeds.teams.lab.id.parse::<TeamId>()?);
        let atlas = Subject::Project(seeds.projects.atlas.id.parse::<ProjectId>()?);
        let notebook = |versions: &str| -> anyhow::Result<Subject> {
            Ok(Subject::Resource(Box::new(ResourceSubject {
                reference: ResourceRef::parse(&format!("notebook:{}", CATALOG.private_notebook))?,
                selector: versions.parse()?,
                grants: Grants::BOTH,
            })))
        };
        let expires_at = self.authority.now().seconds().plus(1);
        let expired = self.key_until("Old laptop", owner.clone(), expires_at).await?;
        let (disabled, disabled_id) = self.key("Lost phone", owner.clone(), None, None).await?;
        let patch = KeyPatch { status: Some(Status::Disabled), ..KeyPatch::default() };
        self.authority.update_key(&self.caller, disabled_id, patch, None).await?;
        let keys = Keys {
            owner_account: self.key("Command line", owner.clone(), Some("*:read hub:call"), None).await?.0,
            member_account: self.key("Command line", member, None, None).await?.0,
            lab_team: self.key("Team dashboard", lab.clone(), None, None).await?.0,
            lab_operations: self.key("Operations", lab, Some("run:read run:create"), None).await?.0,
            atlas_project: self
                .key("Nightly runs", atlas, Some("*:read run:create runtime:call"), None)
                .await?
                .0,
            pinned_notebook: self.key("Blog post", notebook("@2")?, None, None).await?.0,
            open_notebook: self.key("Status page", notebook("@2...")?, None, None).await?.0,
            thirty_two: self.key("Sequencer", owner, None, Some(THIRTY_TWO)).await?.0,
            expired,
            disabled,
        };
        // The one key that has to be past its date when the demo is ready.
        while self.authority.now() < expires_at.start() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(keys)
    }

    async fn key(
        &self,
        name: &str,
        subject: Subject,
        scopes: Option<&str>,
        format: Option<&str>,
    ) -> anyhow::Result<(String, KeyId)> {
        let scopes = scopes.map(|scopes| ScopeSet::parse(scopes.split_whitespace())).transpose()?;
        let new = NewKey { scopes, format: format.map(str::to_owned), ..new_key(name, subject)? };
        let created = self.authority.create_key(&self.caller, new).await?.value;
        Ok((created.secret.expose().to_owned(), created.key.record.entry.id))
    }

    async fn key_until(&self, name: &str, subject: Subject, at: UnixSeconds) -> anyhow::Result<String> {
        let new = NewKey { expires_at: Some(at), ..new_key(name, subject)? };
        Ok(self.authority.create_key(&self.caller, new).await?.value.secret.expose().to_owned())
    }
}

fn new_key(name: &str, subject: Subject) -> anyhow::Result<NewKey> {
    Ok(NewKey {
        name: Name::parse(name)?,
        subject,
        scopes: None,
        expires_at: None,
        format: None,
        restrictions: Restrictions::default(),
        metadata: Metadata::default(),
        via: CreatedVia::Cli,
    })
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
