//! Which resources there are, who holds them, and what the authority has to know about them.

use serde::Serialize;

use crate::config::Config;
use crate::content::notebooks::NOTEBOOKS;

/// The bare ids of the sample data's resources. They never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Catalog {
    /// Held by the owner's account, private; versions 1, 2 and 3.
    pub private_notebook: &'static str,
    /// Held by the team and shared with it; versions 1 and 2.
    pub team_notebook: &'static str,
    /// Held by the team, but not shared: for its creator (the owner) and the team's admins; version 1.
    pub unshared_team_notebook: &'static str,
    /// Held by the owner's account, public from version 2 on; versions 1, 2 and 3.
    pub public_notebook: &'static str,
    /// Held by the project atlas; versions 1 and 2.
    pub project_notebook: &'static str,
    /// Held by the owner's account, private.
    pub private_sample: &'static str,
    /// Held by the project atlas.
    pub project_sample: &'static str,
    /// Held by the project borealis.
    pub other_project_sample: &'static str,
    /// Held by the owner's account, public.
    pub public_sample: &'static str,
    /// Held by the member's account, public.
    pub other_public_sample: &'static str,
}

/// The ids, for whoever needs them without starting the application.
pub const CATALOG: Catalog = Catalog {
    private_notebook: "5e1f0c3a9b7d2468",
    team_notebook: "a7d4103be65f928c",
    unshared_team_notebook: "c20b9e8417fa5d63",
    public_notebook: "0f93d6b82c4e71a5",
    project_notebook: "e84a1c7095d3b62f",
    private_sample: "4b6d29f0a3c81e57",
    project_sample: "91c7e05d3fa2684b",
    other_project_sample: "d35f8a6214b09ce7",
    public_sample: "7a02e4c9f6185db3",
    other_public_sample: "28be61d7903f4ac5",
};

/// Who may see a resource, as the authority calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Visibility {
    Private,
    Shared,
    Public,
}

impl Visibility {
    /// The authority's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Public => "public",
        }
    }
}

/// A resource, with what the authority has to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// The resource's type.
    pub(crate) kind: &'static str,
    pub(crate) id: &'static str,
    pub(crate) owner: String,
    pub(crate) creator: Option<String>,
    pub(crate) visibility: Visibility,
    pub(crate) public_from: Option<u32>,
    pub(crate) latest_version: u32,
    pub(crate) versions: Vec<Version>,
}

/// One version of a resource, with the names of what it references.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) version: u32,
    pub(crate) secrets: &'static [&'static str],
    pub(crate) databases: &'static [&'static str],
}

/// Everything that the application holds, with the owners that the configuration names.
pub(crate) fn resources(config: &Config) -> Vec<Resource> {
    use Visibility::{Private, Public, Shared};
    let owner = config.people.owner.as_str();
    let owner_account = format!("account:{owner}");
    let member = config.people.member.as_str();
    let team = format!("team:{}", config.team);
    let atlas = format!("project:{}", config.projects.atlas);
    let borealis = format!("project:{}", config.projects.borealis);
    let public_notebook =
        Resource { public_from: Some(2), ..notebook(CATALOG.public_notebook, &owner_account, owner, Public) };
    vec![
        notebook(CATALOG.private_notebook, &owner_account, owner, Private),
        notebook(CATALOG.team_notebook, &team, owner, Shared),
        notebook(CATALOG.unshared_team_notebook, &team, owner, Private),
        public_notebook,
        notebook(CATALOG.project_notebook, &atlas, owner, Private),
        sample(CATALOG.private_sample, &owner_account, owner, Private),
        sample(CATALOG.project_sample, &atlas, owner, Private),
        sample(CATALOG.other_project_sample, &borealis, owner, Private),
        sample(CATALOG.public_sample, &owner_account, owner, Public),
        sample(CATALOG.other_public_sample, &format!("account:{member}"), member, Public),
    ]
}

fn notebook(id: &'static str, owner: &str, creator: &str, visibility: Visibility) -> Resource {
    let editions = NOTEBOOKS.iter().filter(|notebook| notebook.id == id).flat_map(|found| found.versions);
    let versions = (1..)
        .zip(editions)
        .map(|(version, edition)| Version { version, secrets: edition.secrets, databases: edition.databases })
        .collect();
    resource("notebook", id, owner, creator, visibility, versions)
}

fn sample(id: &'static str, owner: &str, creator: &str, visibility: Visibility) -> Resource {
    let only = Version { version: 1, secrets: &[], databases: &[] };
    resource("sample", id, owner, creator, visibility, vec![only])
}

fn resource(
    kind: &'static str,
    id: &'static str,
    owner: &str,
    creator: &str,
    visibility: Visibility,
    versions: Vec<Version>,
) -> Resource {
    Resource {
        kind,
        id,
        owner: owner.to_owned(),
        creator: Some(creator.to_owned()),
        visibility,
        public_from: None,
        latest_version: versions.last().map_or(1, |latest| latest.version),
        versions,
    }
}
