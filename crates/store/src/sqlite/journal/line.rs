//! One line of the journal: a change, with the new state of what it touched.

use std::io;

use claviger_core::change::{Change, ChangeId, ChangeItem, Sequence};
use claviger_core::key::KeyEntry;
use claviger_core::lifecycle::Status;
use claviger_core::principal::{Members, ProjectOwner, Role};
use claviger_core::resource::{Owner, References, Resource, ResourceRef, Visibility};
use claviger_core::scope::ScopeSet;
use claviger_core::selector::{Grants, Version};
use claviger_core::subject::Subject;
use claviger_core::time::{Timestamp, UnixSeconds};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::sqlite::row::hex;
use crate::sqlite::{Result, Write, accounts, deleted, keys, pointer, projects, resources, teams};

/// A change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    seq: u64,
    id: String,
    /// When, in milliseconds; those that were added after a crash do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    items: Vec<Item>,
    /// Whether something happened that nobody knows any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
}

/// The state of one record, as far as verification sees it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Item {
    Key {
        id: String,
        status: String,
        scopes: String,
        expires_at: Option<u64>,
        selector: Option<String>,
        grants: Option<String>,
        restrictions: Option<String>,
    },
    KeyGone {
        digest: String,
    },
    Account {
        id: String,
        closed: bool,
    },
    Team {
        id: String,
        closed: bool,
        members: Vec<(String, String)>,
    },
    Project {
        id: String,
        closed: bool,
        // Its name in lines of earlier versions.
        #[serde(alias = "holder")]
        owner: String,
        members: Vec<(String, String)>,
    },
    Resource {
        reference: String,
        // Its name in lines of earlier versions.
        #[serde(alias = "holder")]
        owner: String,
        creator: Option<String>,
        visibility: String,
        public_from: Option<u32>,
        before_shared: bool,
        latest: u32,
        references: Vec<(u32, Vec<String>, Vec<String>)>,
    },
    ResourceGone {
        reference: String,
    },
}

impl Line {
    /// A change and what it touched.
    pub(crate) fn of(change: &Change) -> Self {
        Self { items: change.items.iter().map(item).collect(), ..Self::empty(change) }
    }

    /// A change that took nothing away.
    pub(crate) fn empty(change: &Change) -> Self {
        Self { seq: change.sequence.0, id: hex(&change.id.0), at: None, items: Vec::new(), unknown: false }
    }

    /// Up to this change, nobody knows what happened.
    pub(crate) fn unknown(sequence: Sequence, id: ChangeId) -> Self {
        Self { seq: sequence.0, id: hex(&id.0), at: None, items: Vec::new(), unknown: true }
    }

    /// The same, with the instant of the change.
    pub(crate) fn made_at(self, at: Option<Timestamp>) -> Self {
        Self { at: at.map(Timestamp::millis), ..self }
    }

    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.at.map(Timestamp::from_millis)
    }

    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        Ok(serde_json::from_slice(text)?)
    }

    pub(crate) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(StoreError::unavailable)
    }

    pub(crate) fn position(&self) -> (Sequence, ChangeId) {
        // A name that cannot be read is nobody's.
        let id = u128::from_str_radix(&self.id, 16).map_or([0; 16], u128::to_be_bytes);
        (Sequence(self.seq), ChangeId(id))
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Brings the records that there are to the state that is told here. What is not there was made later
    /// than the backup, and stays away. `None` for something that cannot be read.
    pub(crate) fn apply(&self, write: &mut Write<'_>) -> Result<Option<()>> {
        for item in &self.items {
            if apply(write, item)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }
}

fn members_of<R: Role>(members: &Members<R>) -> Vec<(String, String)> {
    members.iter().map(|(account, role)| (account.to_string(), role.as_str().to_owned())).collect()
}

fn item(item: &ChangeItem) -> Item {
    match item {
        ChangeItem::Key(_, entry) => key_item(entry),
        ChangeItem::KeyGone(digest) => Item::KeyGone { digest: hex(digest.as_bytes()) },
        ChangeItem::Account(account) => Item::Account { id: account.id.to_string(), closed: account.closed },
        ChangeItem::Team(team) => {
            Item::Team { id: team.id.to_string(), closed: team.closed, members: members_of(&team.members) }
        }
        ChangeItem::Project(project) => Item::Project {
            id: project.id.to_string(),
            closed: project.closed,
            owner: owner_text(match project.owner {
                ProjectOwner::Account(id) => Owner::Account(id),
                ProjectOwner::Team(id) => Owner::Team(id),
            }),
            members: members_of(&project.members),
        },
        ChangeItem::Resource(resource) => resource_item(resource),
        ChangeItem::ResourceGone(reference) => Item::ResourceGone { reference: reference.to_string() },
    }
}

fn key_item(entry: &KeyEntry) -> Item {
    let resource = entry.rights.subject.as_resource();
    Item::Key {
        id: entry.id.to_string(),
        status: entry.status.as_str().to_owned(),
        scopes: entry.rights.scopes.to_string(),
        expires_at: entry.rights.expires_at.map(UnixSeconds::get),
        selector: resource.and_then(|resource| resource.selector.to_text()),
        grants: resource.map(|resource| resource.grants.words().collect::<Vec<_>>().join(" ")),
        restrictions: keys::encode_restrictions(&entry.rights.restrictions).ok().flatten(),
    }
}

fn resource_item(resource: &Resource) -> Item {
    let (public_from, before_shared) = match resource.visibility {
        Visibility::PublicFrom { first, before_shared } => (Some(first.get()), before_shared),
        Visibility::Private | Visibility::Shared | Visibility::Public => (None, false),
    };
    let names = |names: &[Box<str>]| names.iter().map(ToString::to_string).collect();
    let references = resource.references.iter();
    Item::Resource {
        reference: resource.reference.to_string(),
        owner: owner_text(resource.owner),
        creator: resource.creator.map(|id| id.to_string()),
        visibility: resource.visibility.as_str().to_owned(),
        public_from,
        before_shared,
        latest: resource.latest.get(),
        references: references.map(|r| (r.version.get(), names(&r.secrets), names(&r.databases))).collect(),
    }
}

fn owner_text(owner: Owner) -> String {
    match owner {
        Owner::Account(id) => format!("account:{id}"),
        Owner::Team(id) => format!("team:{id}"),
        Owner::Project(id) => format!("project:{id}"),
    }
}

fn owner(text: &str) -> Option<Owner> {
    let (kind, id) = text.split_once(':')?;
    match kind {
        "account" => id.parse().ok().map(Owner::Account),
        "team" => id.parse().ok().map(Owner::Team),
        "project" => id.parse().ok().map(Owner::Project),
        _ => None,
    }
}

/// Members that are accounts in the backup; the others were made later.
fn members<R: Role>(write: &Write<'_>, list: &[(String, String)]) -> Result<Option<Members<R>>> {
    let mut all = Vec::with_capacity(list.len());
    for (account, role) in list {
        let (Ok(account), Some(role)) = (account.parse(), R::from_word(role)) else { return Ok(None) };
        if accounts::by_id(write.conn, account)?.is_some() {
            all.push((account, role));
        }
    }
    Ok(Some(Members::new(all)))
}

fn apply(write: &mut Write<'_>, item: &Item) -> Result<Option<()>> {
    match item {
        Item::Key { .. } => apply_key(write, item),
        Item::KeyGone { digest } => {
            let Some(digest) = pointer::digest(digest) else { return Ok(None) };
            if let Some(key) = keys::by_digest(write.conn, digest)? {
                keys::delete(write, key.record.entry.id, None)?;
            }
            // Also one that was made after the backup: its text must not become a key again.
            deleted::remember(write.conn, &digest)?;
            Ok(Some(()))
        }
        Item::Account { id, closed } => {
            let Ok(id) = id.parse() else { return Ok(None) };
            if let Some(mut record) = accounts::by_id(write.conn, id)? {
                record.account.closed = *closed;
                record.revision += 1;
                accounts::update(write, &record, record.revision - 1)?;
            }
            Ok(Some(()))
        }
        Item::Team { id, closed, members: list } => {
            let (Ok(id), Some(members)) = (id.parse(), members(write, list)?) else { return Ok(None) };
            if let Some(mut record) = teams::by_id(write.conn, id)? {
                (record.team.closed, record.team.members) = (*closed, members);
                record.revision += 1;
                let before = record.revision - 1;
                teams::update(write, record, before)?;
            }
            Ok(Some(()))
        }
        Item::Project { id, closed, owner: text, members: list } => {
            let (Ok(id), Some(members)) = (id.parse(), members(write, list)?) else { return Ok(None) };
            let Some(mut record) = projects::by_id(write.conn, id)? else { return Ok(Some(())) };
            let before = record.clone();
            (record.project.closed, record.project.members) = (*closed, members);
            record.project.owner = match owner(text) {
                Some(Owner::Account(id)) => ProjectOwner::Account(id),
                Some(Owner::Team(id)) => ProjectOwner::Team(id),
                Some(Owner::Project(_)) | None => return Ok(None),
            };
            record.revision += 1;
            match projects::update(write, record.clone(), before.revision) {
                // Handed to somebody who is not in the backup: then to nobody.
                Err(StoreError::Missing(_)) => {
                    record.project.owner = before.project.owner;
                    record.project.closed = true;
                    projects::update(write, record, before.revision)?;
                }
                other => other?,
            }
            Ok(Some(()))
        }
        Item::Resource { .. } => apply_resource(write, item),
        Item::ResourceGone { reference } => {
            let Ok(reference) = ResourceRef::parse(reference) else { return Ok(None) };
            if resources::by_reference(write.conn, reference.as_str())?.is_some() {
                resources::delete(write, &reference, None)?;
            }
            Ok(Some(()))
        }
    }
}

fn apply_key(write: &mut Write<'_>, item: &Item) -> Result<Option<()>> {
    let Item::Key { id, status, scopes, expires_at, selector, grants, restrictions } = item else {
        return Ok(None);
    };
    let Ok(id) = id.parse() else { return Ok(None) };
    let Some(stored) = keys::by_id(write.conn, id)? else { return Ok(Some(())) };
    let mut record = stored.record;
    let entry = &mut record.entry;
    entry.status = Status::from_word(status).unwrap_or(Status::Disabled);
    let Ok(scopes) = ScopeSet::parse(scopes.split_ascii_whitespace()) else { return Ok(None) };
    entry.rights.scopes = scopes;
    entry.rights.expires_at = expires_at.and_then(UnixSeconds::new);
    entry.rights.restrictions = match restrictions.as_deref().map(keys::decode_restrictions).transpose() {
        Ok(restrictions) => restrictions.unwrap_or_default(),
        Err(_) => return Ok(None),
    };
    if let Subject::Resource(resource) = &mut entry.rights.subject {
        let selector = selector.as_deref().map(str::parse).transpose();
        let grants = Grants::parse(grants.as_deref().unwrap_or_default().split_ascii_whitespace());
        let (Ok(selector), Ok(grants)) = (selector, grants) else { return Ok(None) };
        (resource.selector, resource.grants) = (selector.unwrap_or_default(), grants);
    }
    record.revision += 1;
    let before = record.revision - 1;
    keys::update(write, record, before).map(Some)
}

fn apply_resource(write: &mut Write<'_>, item: &Item) -> Result<Option<()>> {
    let Item::Resource {
        reference,
        owner: text,
        creator,
        visibility,
        public_from,
        before_shared,
        latest,
        references,
    } = item
    else {
        return Ok(None);
    };
    let Some(mut record) = resources::by_reference(write.conn, reference)? else { return Ok(Some(())) };
    let visibility = match (visibility.as_str(), public_from.map(Version::new)) {
        ("private", None) => Visibility::Private,
        ("shared", None) => Visibility::Shared,
        ("public", None) => Visibility::Public,
        ("public", Some(Some(first))) => Visibility::PublicFrom { first, before_shared: *before_shared },
        _ => return Ok(None),
    };
    let boxed = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
    let reference_of = |(version, secrets, databases): &(u32, Vec<String>, Vec<String>)| {
        let version = Version::new(*version)?;
        Some(References { version, secrets: boxed(secrets), databases: boxed(databases) })
    };
    let references = references.iter().map(reference_of).collect::<Option<Box<[_]>>>();
    let creator = creator.as_deref().map(str::parse).transpose();
    let (Some(owner), Ok(creator), Some(latest), Some(references)) =
        (owner(text), creator, Version::new(*latest), references)
    else {
        return Ok(None);
    };
    let name = record.resource.reference.clone();
    record.resource = Resource { reference: name.clone(), owner, creator, visibility, latest, references };
    record.revision += 1;
    let before = record.revision - 1;
    match resources::put(write, record, Some(before)) {
        // Handed to somebody who is not in the backup. Its host tells of it again.
        Err(StoreError::Missing(_)) => resources::delete(write, &name, None).map(|_| Some(())),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::key::Digest;

    use super::*;

    #[test]
    fn a_line_is_read_back() {
        let digest = Digest::of("x");
        let change = Change {
            sequence: Sequence(7),
            id: ChangeId([0xab; 16]),
            items: vec![ChangeItem::KeyGone(digest)],
        };
        let text = Line::of(&change).text().unwrap();
        assert!(text.starts_with(r#"{"seq":7,"id":"abab"#) && !text.contains('\n'), "{text}");
        let line = Line::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (line.position(), line.items.len(), line.is_unknown()),
            ((change.sequence, change.id), 1, false)
        );
        assert!(Line::parse(b"{}").is_err() && Line::parse(b"").is_err());
    }
}
